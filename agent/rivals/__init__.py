"""The rivals beside us: every file of this folder is one, and its name is what `medalist bench --agent` takes.

A rival file says with what it is made (PACKAGES, pinned; none: the project's own interpreter; FIRST is installed before
them), perhaps in which variants it comes (`name-variant` on the command line), and offers one of

    fit_predict(train, target, test, case)   one target: probability of class 1 (n,), distribution (n, k) or numbers (n,)
    compete(folder, submission, case)        the whole competition: it writes the submission file itself

`case` is the namespace that agent/rivals/harness.py makes: kind, classes, metric, roles, seconds, threads, seed, variant,
folder (an empty one to work in) and, for what needs one, model and url of the language model. Both run in a process of
the rival's own environment, where this project is not: the files import nothing of it, and their libraries only inside.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path

from agent.output import UsageError

INSIDE = ("harness",)


@dataclass(frozen=True)
class Rival:
    """A rival as it is asked for. `file` is what its environment runs; `whole`: it writes submissions itself."""

    name: str
    file: Path
    variant: str
    first: tuple[str, ...]
    packages: tuple[str, ...]
    whole: bool


def names() -> list[str]:
    """All names, those of variants in full."""
    return sorted(name for file in _files() for name in _named(file))


def rival(name: str) -> Rival:
    """The rival of that name. Raises UsageError that lists what exists."""
    for file in _files():
        known = _named(file)
        if name in known:
            module = importlib.import_module(f"{__name__}.{file}")
            return Rival(name, Path(str(module.__file__)), known[name], tuple(getattr(module, "FIRST", ())),
                         tuple(module.PACKAGES), hasattr(module, "compete"))
    raise UsageError(f"no agent {name!r}; there are: medalist, {', '.join(names())}")


def _files() -> list[str]:
    return [found.name for found in pkgutil.iter_modules(__path__) if found.name not in INSIDE and not found.ispkg]


def _named(file: str) -> dict[str, str]:
    """Names on the command line and the variants that they mean."""
    variants = getattr(importlib.import_module(f"{__name__}.{file}"), "VARIANTS", ())
    return {f"{file}-{variant}": variant for variant in variants} or {file: ""}
