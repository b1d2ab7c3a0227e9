"""Names what went wrong with a call and whether asking again can help."""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.llm.wire import CONTEXT

ADVICE = {
    401: "the key is wrong: check the variable that holds it",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "no such model or path there: a url usually ends in /v1, and `medalist llm check` lists the models",
}


@dataclass(frozen=True)
class Fault:
    """`wait`: seconds before the next try, None where another cannot help; `backs_off`: the endpoint named no time.

    `worked`: a model may have worked for it, so that it may be billed; `refusal`: what a 400 said, for the wire to learn from.
    """

    detail: str
    wait: float | None = None
    backs_off: bool = False
    worked: bool = False
    refusal: str = ""


def fault_of(error: Exception) -> Fault:
    """What an exception of the SDK, of HTTP or of parsing means."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    if isinstance(error, openai.APITimeoutError):
        return Fault("the endpoint fell silent until the deadline", worked=True)
    if isinstance(error, openai.APIConnectionError):
        return Fault(f"the connection failed: {_line(str(error.__cause__ or error))}", wait=0.0, backs_off=True)
    if isinstance(error, openai.APIError):
        return Fault(f"the endpoint reported an error: {_line(error.message)}", wait=0.0, backs_off=True)
    return Fault(f"the answer cannot be read: {_line(str(error)) or type(error).__name__}", worked=True)


def _of_status(error: Any) -> Fault:
    said = _line(_message(error.body)) or _line(str(error))
    detail = f"HTTP {error.status_code}: {said}"
    kind = f"{error.code} {error.type}"
    if "insufficient_quota" in kind:
        return Fault(f"{detail} (the account's quota is spent)")
    if error.status_code in (400, 413, 422) and (CONTEXT.search(said) or "context" in kind):
        return Fault(f"the prompt and its answer do not fit the model's context: {detail}")
    if not _may_retry(error.status_code, error.response.headers):
        advice = ADVICE.get(error.status_code)
        refusal = f"{said} {error.param or ''}" if error.status_code in (400, 422) else ""
        return Fault(f"{detail} ({advice})" if advice else detail, refusal=refusal)
    wait = retry_after(error.response.headers, now=time.time())
    return Fault(detail, wait=wait or 0.0, backs_off=wait is None)


def _may_retry(status: int, headers: Mapping[str, str]) -> bool:
    told = headers.get("x-should-retry")
    return told == "true" if told in ("true", "false") else status in (408, 409, 429) or status >= 500


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds that an endpoint asks to wait: retry-after-ms, or Retry-After in seconds or as a date; None where it does not."""
    milliseconds, value = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", milliseconds):
        return float(milliseconds) / 1000
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now) if value else None
    except (ValueError, OverflowError):
        return None


def _message(body: Any) -> str:
    """The message in an error's body; some servers wrap it in a list, some send plain text or HTML."""
    if isinstance(body, list) and body:
        return _message(body[0])
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        return str(inner.get("message") or inner) if isinstance(inner, Mapping) else str(inner)
    return re.sub(r"<[^>]*>", " ", body) if isinstance(body, str) else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
