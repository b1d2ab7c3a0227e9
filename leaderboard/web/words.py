"""How numbers, times and texts are written on the pages. Nothing here knows what they mean."""

import math
from datetime import UTC, datetime


def plain(text: object) -> str:
    """Without control, direction and other invisible characters; line breaks become spaces."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in str(text))


def shown(text: str) -> str:
    """Several lines of text; what is invisible in them is written out, so that code reads as it runs."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text.replace("\r\n", "\n"))


def tidy(value: float | None, digits: int = 5) -> str:
    """A number as short as it can be read; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 2}e}"
    whole = math.floor(math.log10(abs(value))) if abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - whole)}f}"


def signed(value: float | None) -> str:
    """A difference; nothing where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{tidy(abs(value))}"


def percent(value: float) -> str:
    """A share, with its sign: +7.4%."""
    return f"{value:+.1%}".replace("-", "−")


def count(number: int, one: str, many: str) -> str:
    """1 entry, 2 entries."""
    return f"{number} {one if number == 1 else many}"


def seconds(value: float | None) -> str:
    """A duration: 4.2 s, 95 s, 12 min, 3.4 h."""
    if value is None or not math.isfinite(value):
        return "–"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes: 340 B, 12 KiB, 3.1 MiB, 2.0 GiB."""
    for unit, digits in (("B", 0), ("KiB", 0), ("MiB", 1)):
        if count < 1024:
            return f"{count:.{digits}f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def time_of(at: float | str) -> datetime:
    """Seconds since 1970, or ISO text, as a time in UTC."""
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else datetime.fromisoformat(at).astimezone(UTC)


def day(at: float | str) -> str:
    """29 Nov 2026, 14:05, in UTC."""
    return time_of(at).strftime("%-d %b %Y, %H:%M")
