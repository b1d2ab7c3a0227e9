"""Writes a run's solution/: a folder that rebuilds the run's submission from public files, without this project."""

import ast
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tasks
from agent.blend import Blend
from agent.choices import Choices, choices
from agent.kit import backbone, foundation, sentences
from agent.syntax import parse
from agent.threads import fits_of
from leaderboard.record import Entry
from tasks.arrays import Arrays
from tasks.decision import Decision
from tasks.spec import Task

HERE = Path(__file__).parent
DRIVER, BLEND = HERE / "rebuild.py", HERE / "blend.py"
TASKS = Path(tasks.__file__).parent
PATIENCE = 4.0  # times the seconds a fit had in the run, so that a slower machine does not cut it short
FOLD = re.compile(r"^--- fold (\d{1,4}): .*$", re.MULTILINE)  # opens what a trial printed, in an entry's log.txt


@dataclass(frozen=True)
class Needs:
    """What sources import: our own modules by dotted name, and the top names of third-party packages."""

    modules: dict[str, Path]
    packages: tuple[str, ...]


def export(
    folder: Path, *, task: Task, arrays: Arrays, entries: Sequence[Entry], blend: Blend, decision: Decision, kit: Path,
    seconds: float,
) -> Path:
    """Write `folder`/solution, whole or not at all, in the place of an older one; returns its path.

    entries: at least those that the blend weighs and those below them, test.npy in their folders; seconds: what each fit was
    given.
    ValueError where an entry is missing.
    """
    known = {entry.number: entry for entry in entries}
    below = {below for number in blend.weights if number in known for below in _below(known[number])}
    missing = sorted((set(blend.weights) | below) - set(known))
    if missing:
        raise ValueError(f"the blend weighs entries {missing}, and only {sorted(known)} were given to be exported")
    members = [known[number] for number in dict.fromkeys([*sorted(below), *blend.weights])]
    partial = folder / ".solution.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    needs = _write_code(partial, members, kit)
    for module in (sentences, backbone, foundation):
        made = (arrays.data / "prepared").glob(f"{module.NAME}*")  # counts of texts and pixels of images are made again, the same
        for place in made if _name(module) in needs.modules else ():
            shutil.copytree(place, partial / "prepared" / place.name)
    _write_facts(partial, task, arrays, members, blend, decision, seconds)
    weights = [module.PACKAGE for module in (sentences, backbone) if _name(module) in needs.modules]  # which nothing imports
    requirements = _requirements([*needs.packages, *weights])
    (partial / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    (partial / "README.md").write_text(_readme(task, members, blend), encoding="utf-8")
    return _in_place(partial, folder / "solution")


def _below(entry: Entry) -> list[int]:
    """The entries whose predictions it was shown."""
    return list(entry.params["upon"]["entries"]) if entry.params.get("upon") else []


def _name(module: ModuleType) -> str:
    """What a solution knows a module of the kit by."""
    return f"kit.{module.__name__.rpartition('.')[2]}"


def _write_code(partial: Path, members: Sequence[Entry], kit: Path) -> Needs:
    """The driver, the members, and our modules that they reach; the kit whole."""
    (partial / "members").mkdir()
    sources = {f"entry_{entry.number}": entry.source for entry in members}
    for name, source in {"__init__": "", **sources}.items():
        (partial / "members" / f"{name}.py").write_text(source, encoding="utf-8")
    needs = _needs([DRIVER.read_text(encoding="utf-8"), *sources.values()], kit)
    _copy(DRIVER, partial / "solution.py")
    _copy(BLEND, partial / "blend.py")
    for path in sorted(kit.rglob("*.py")):
        _copy(path, partial / "kit" / path.relative_to(kit))
    for path in needs.modules.values():
        if path.is_relative_to(TASKS):
            _copy(path, partial / "tasks" / path.relative_to(TASKS))
    return needs


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_facts(
    partial: Path, task: Task, arrays: Arrays, members: Sequence[Entry], blend: Blend, decision: Decision,
    seconds: float,
) -> None:
    """What the run inferred, planned and chose."""
    card = json.loads((arrays.data / "card.json").read_text(encoding="utf-8"))
    card |= {"assets": None, "threads": 1, "device": "cpu", "seconds_left": round(PATIENCE * seconds, 2)}
    stated = {name: value for name, value in asdict(task).items() if name != "folder"}
    seeds = {str(entry.number): entry.params["seed"] for entry in members}
    threads = {str(entry.number): _threads(entry, arrays) for entry in members}
    upon = {str(entry.number): entry.params["upon"] for entry in members if _below(entry)}
    chosen = {"blend": blend.to_json(), "decision": decision.to_json(), "seeds": seeds, "threads": threads, "upon": upon}
    for name, facts in (("card", card), ("task", stated), ("blend", chosen)):
        (partial / f"{name}.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
    replay = {str(entry.number): _choices(Path(entry.folder) / "log.txt", arrays) for entry in members}
    (partial / "replay.json").write_text(json.dumps(replay), encoding="utf-8")
    predictions = {f"entry_{entry.number}": np.load(Path(entry.folder) / "test.npy") for entry in members}
    for name, parts in (("folds", _plan(arrays)), ("predictions", predictions)):
        np.savez_compressed(partial / f"{name}.npz", **parts)  # type: ignore[arg-type]


def _choices(log: Path, arrays: Arrays) -> list[Choices]:
    """For each fit that predicts the test its choices; none where the log is cut or silent."""
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    parts = FOLD.split(text)  # what stood before the first heading, then number, text, number, text, ...
    printed = {int(number): part for number, part in zip(parts[1::2], parts[2::2], strict=True)}
    return [choices(printed.get(fold, "")) for fold in _testing(arrays)]


def _threads(entry: Entry, arrays: Arrays) -> list[int]:
    """Of each fit that predicts the test: a net on two threads adds up in another order than on one."""
    had = {fit.fold: fit.threads for fit in fits_of(entry)}
    return [had.get(fold, 1) for fold in _testing(arrays)]


def _testing(arrays: Arrays) -> list[int]:
    """The fits that predict the test rows."""
    return [fold for fold in range(arrays.fits) if arrays.tests(fold)]


def _plan(arrays: Arrays) -> dict[str, np.ndarray]:
    """The order of the train rows, and the rows of the fits that predict the test: of all folds, or the final fit."""
    testing = _testing(arrays)
    everything = np.arange(arrays.n_train)
    plan = {"order": arrays.order, "n_test": np.array(arrays.n_test), "fits": np.array(len(testing))}
    for k, fold in enumerate(testing):
        plan[f"fit_{k}"] = arrays.folds[fold][0] if fold < len(arrays.folds) else everything
        plan[f"validate_{k}"] = arrays.validation_rows(fold)
    return plan


def _needs(sources: Sequence[str], kit: Path) -> Needs:
    """What the sources import, directly or through our modules, read from their text: nothing is imported."""
    roots = {"tasks": TASKS, "kit": kit, "blend": BLEND}
    modules: dict[str, Path] = {}
    packages: set[str] = set()
    waiting = [name for source in sources for name in _imports(source, "")]
    while waiting:
        name = waiting.pop()
        head = name.split(".")[0]
        if head not in roots and head != "members" and head not in sys.stdlib_module_names:
            packages.add(head)
        path = _file(name, roots) if head in roots else None
        if path is not None and name not in modules:
            modules[name] = path
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            waiting += [head, *_imports(path.read_text(encoding="utf-8"), package)]
    return Needs(modules, tuple(sorted(packages)))


def _imports(source: str, package: str) -> list[str]:
    """Dotted names that a source imports, wherever in it; of `from a import b` both a and a.b, as b may be a module."""
    names = []
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return [name for name in names if name]


def _file(name: str, roots: dict[str, Path]) -> Path | None:
    """The file of one of our modules; None where the name is something in a module."""
    head, *rest = name.split(".")
    place = roots[head].joinpath(*rest)
    tries = (place, place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in tries if path.suffix == ".py" and path.is_file()), None)


def _requirements(packages: Sequence[str]) -> list[str]:
    """`name==version` of the distributions in use that hold the packages; a local build's suffix is left out."""
    distributions = metadata.packages_distributions()
    names = {distributions[package][0] for package in packages if package in distributions}
    return [f"{name}=={metadata.version(name).split('+')[0]}" for name in sorted(names, key=str.lower)]


def _readme(task: Task, members: Sequence[Entry], blend: Blend) -> str:
    rows = "\n".join(
        f"| members/entry_{entry.number}.py | {blend.weights.get(entry.number, 0.0):.4f} | {_score(entry.score)} "
        f"| {_cell(entry.hypothesis)} |" for entry in members)
    bias = f", bias {blend.bias:.6g}" if blend.bias else ""
    return README.format(title=_cell(task.title), metric=task.metric, method=blend.method, link=blend.link, bias=bias,
                         patience=PATIENCE,
                         version=f"{sys.version_info.major}.{sys.version_info.minor}", rows=rows)


def _score(score: float | None) -> str:
    return "not known" if score is None else f"{score:.6g}"


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


README = """# Solution: {title}

This folder rebuilds the submission of a medalist run from the competition's public files. medalist is not needed, only
Python {version} and the packages of `requirements.txt`, in the versions that the run had.

```
pip install -r requirements.txt
python solution.py --data FOLDER --out submission.csv
```

FOLDER holds train.csv and test.csv, as the run had them. The members' code runs as you, outside of any sandbox: read it
first. What models chose by the time they had (rounds, trees, steps) is not measured again but read from `replay.json`.
Each member is compared with what it predicted in the run and comes out equal, unless its own code watches the clock
(here it has {patience:g} times the run's), a GPU trained it (`--device cuda`), or another processor adds up otherwise.

## Members

The blend is {method}, averaged in the space `{link}`{bias}. Scores are cross-validated {metric}.

| member | weight | score | idea |
|---|---|---|---|
{rows}

## Files

| file | what it holds |
|---|---|
| `solution.py` | the driver: read, fit each member on each fold, blend, decide, write |
| `members/` | `fit_predict` of each entry |
| `kit/` | feature blocks and models that members call |
| `tasks/`, `blend.py` | reading the files, writing the submission, applying the blend |
| `task.json`, `card.json` | the task as the run understood it, and what members are told of it |
| `folds.npz` | the order of the train rows; for each fit its rows and those predicted before the test |
| `predictions.npz` | what each member predicted for the test rows in the run, to compare with |
| `blend.json` | weights, decision step; seeds and threads of each member's fits; whose predictions a member is shown |
| `prepared/`, where it is there | vectors of texts and images, as the run had them made once |
| `replay.json` | what each fit of each member chose by the clock, in order |
"""


def _in_place(partial: Path, target: Path) -> Path:
    """Rename, the older one first out of the way: a folder cannot replace one that holds files."""
    old = target.with_name(".solution.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(partial, target)
    shutil.rmtree(old, ignore_errors=True)
    return target
