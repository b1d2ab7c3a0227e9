"""Runs every attack against every way in which trials run here, and as a plain process without any wall, and writes what
got through: docs/attacks.json, from which the table of docs/threat-model.md is made. `make attack`.

As root it runs all of it once more as an ordinary user.
"""

import argparse
import json
import os
import platform
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(PROJECT)]

from judged import control_works, got_through, limits  # noqa: E402
from world import World, names, source, world  # noqa: E402

from sandbox import Executor, Limits, executor, lockdown  # noqa: E402
from sandbox.executors.cold import Cold  # noqa: E402
from sandbox.executors.local import Local  # noqa: E402
from sandbox.walls import FALLBACK, NAMESPACES, Walls  # noqa: E402

TOGETHER = ("reach", "kernel", "plant")
NOBODY = 65534
LIBRARIES = ("numpy", "pandas", "pyarrow")
ROOMY = Limits(wall_seconds=300.0, memory_bytes=1 << 30, disk_bytes=64 << 20, processes=64)
# What gets through, and why that is borne: docs/threat-model.md explains each.
KNOWN = {("learns_that_a_file_of_the_host_exists", "fallback")}
# What cannot be shown to work on every machine, so that its control may fail.
NO_CONTROL = {
    "calls_what_is_newer_than_the_filter": "no kernel has that call yet",
    "calls_the_kernel_by_an_x32_number": "most kernels are built without it",
    "calls_the_kernel_through_its_32_bit_door": "some kernels are built without it",
    "loads_another_kernel": "some kernels are built without it", "hides_memory": "off by default in some kernels",
    "swaps_to_a_file": "some kernels are built without it", "sets_a_quota": "some kernels are built without it",
    "counts_events_of_the_processor": "virtual machines have no counters", "loads_a_bpf_map": "some kernels lack it",
    "makes_itself_the_last_to_be_killed": "root of some machines lacks CAP_SYS_RESOURCE",
    "raises_its_own_limits": "root of some machines lacks CAP_SYS_RESOURCE",
    "asks_for_ports": "some kernels are built without it",
    "loads_a_module": "some kernels are built without it", "removes_a_module": "some kernels are built without it",
}
ONE_LAYER = {
    "rlimits": Walls("rlimits only", namespaces=False, landlock=False, filter="", own_user=False),
    "seccomp": Walls("seccomp only", namespaces=False, landlock=False, limits=False, own_user=False),
    "strict seccomp": Walls("strict seccomp only", namespaces=False, landlock=False, filter="strict", limits=False,
                            own_user=False),
    "Landlock": Walls("Landlock only", namespaces=False, filter="", limits=False, own_user=False),
    "namespaces": Walls("namespaces only", landlock=False, filter="", limits=False, own_user=False),
}


@dataclass(frozen=True)
class Column:
    """One way to run trials. `layer`: whether it is a single layer, shown for what it stops alone."""

    name: str
    make: Callable[[], Executor]
    layer: bool = False


def columns(*, quick: bool) -> list[Column]:
    """All ways of this user; quick: the whole sandbox only, with few libraries."""
    warm = (lambda: Local(LIBRARIES, NAMESPACES)) if quick else (lambda: executor("local"))
    whole = [Column("cold", lambda: Cold(NAMESPACES)), Column("warm", warm),
             Column("fallback", lambda: Local(LIBRARIES, FALLBACK))]
    layers = [Column(name, lambda walls=walls: Local(LIBRARIES, walls), layer=True) for name, walls in ONE_LAYER.items()]
    return whole if quick else [*layers, *whole]


def attack_together(runner: Executor, place: World, part: str) -> dict[str, bool]:
    """Whether each attack of one file got through, in one trial."""
    known = names(part)
    place.card["tag"] = f"tag{secrets.token_hex(4)}"
    trial = runner.run(source(part), inputs=place.inputs, limits=ROOMY, shape=(len(known),), card=place.card)
    if trial.prediction is None:
        raise SystemExit(f"the attacks of {part} did not run: {trial.status}, {trial.reason}\n{trial.log[-2000:]}")
    return {name: bool(value) for name, value in zip(known, trial.prediction, strict=True)}


def attack_alone(runner: Executor, place: World, name: str) -> bool:
    """Whether an attack with a trial of its own got through."""
    place.renew()
    place.card["tag"] = f"tag{secrets.token_hex(4)}"
    card = {**place.card, "only": name}
    trial = runner.run(source("alone"), inputs=place.inputs, limits=limits(name), shape=(1,), card=card)
    through = got_through(name, trial, place, runner)
    print(f"    {name}: {'OPEN' if through else 'blocked'} ({trial.status}: {trial.reason})", flush=True)
    return through


def control(place: World) -> dict[str, bool]:
    """Whether each attack works without any wall."""
    works: dict[str, bool] = {}
    for part in TOGETHER:
        place.card["tag"] = f"tag{secrets.token_hex(4)}"
        result = place.plain(part, "")
        works |= dict(zip(names(part), (result if result is not None else [0.0] * len(names(part))), strict=True))
    for name in names("alone", kind="ALONE"):
        place.renew()
        place.card["tag"] = f"tag{secrets.token_hex(4)}"
        works[name] = control_works(name, place)
    return {name: bool(value) for name, value in works.items()}


def run_all(*, quick: bool = False) -> dict[str, dict[str, bool]]:
    """For every column, whether each attack got through."""
    user = "root" if os.getuid() == 0 else "user"
    found: dict[str, dict[str, bool]] = {}
    with world() as place:
        print(f"control, {user}", flush=True)
        found[f"control, {user}"] = control(place)
        for column in columns(quick=quick):
            print(f"{column.name}, {user}", flush=True)
            with column.make() as runner:
                results: dict[str, bool] = {}
                for part in TOGETHER:
                    results |= attack_together(runner, place, part)
                if not column.layer:
                    results |= {name: attack_alone(runner, place, name) for name in names("alone", kind="ALONE")}
            found[f"{column.name}, {user}"] = results
    return found


def as_an_ordinary_user(words: list[str]) -> dict[str, dict[str, bool]]:
    """The same, in a process of another user, from a copy of what that user cannot reach."""
    with reachable() as (python, project), tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        out = Path(place, "found.json")
        command = [str(python), str(project / "tests" / "attacks" / "run.py"), "--part", str(out), *words]
        subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], check=True, cwd=place,
                       env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"})
        return dict(json.loads(out.read_text()))


@contextmanager
def reachable() -> Iterator[tuple[Path, Path]]:
    """An interpreter with its packages, and this project, where every user can read them: linked, not copied."""
    with tempfile.TemporaryDirectory(prefix="medalist-reachable-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        base, venv = folder / "python", folder / "venv"
        _link(Path(sys.base_prefix).resolve(), base)
        _link(Path(sys.prefix).resolve(), venv)
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        settings = venv / "pyvenv.cfg"
        text = re.sub(r"(?m)^home = .*$", f"home = {base / 'bin'}", settings.read_text())
        settings.unlink()
        settings.write_text(text)
        for program in ("python", "python3", version):
            (venv / "bin" / program).unlink(missing_ok=True)
            (venv / "bin" / program).symlink_to(base / "bin" / version)
        for part in ("sandbox", "tests/attacks"):
            _copy(PROJECT / part, folder / "project" / part)
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(folder / "project")], check=True)
        yield venv / "bin" / "python", folder / "project"


def _link(source: Path, target: Path) -> None:
    if subprocess.run(["cp", "-al", str(source), str(target)], capture_output=True).returncode:
        subprocess.run(["rm", "-rf", str(target)], check=True)
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)


def verdict(found: Mapping[str, Mapping[str, bool]]) -> list[str]:
    """What is wrong: an attack that got through and is not known to, and a control that proved nothing."""
    wrong, plain = [], [column for column in found if column.startswith("control")]
    for name in found[plain[0]]:
        for column, results in found.items():
            way = column.split(",")[0]
            if way in ("cold", "warm", "fallback") and results[name] and (name, way) not in KNOWN:
                wrong.append(f"OPEN: {name} ({column})")
        if not any(found[column][name] for column in plain) and name not in NO_CONTROL:
            wrong.append(f"NO PROOF: {name} does not work without the sandbox either")
    return wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="the whole sandbox only, with few libraries")
    options.add_argument("--part", type=Path, help="only as this user, into this file")
    options.add_argument("--out", type=Path, default=PROJECT / "docs" / "attacks.json")
    chosen = options.parse_args()
    found = run_all(quick=chosen.quick)
    if chosen.part:
        chosen.part.write_text(json.dumps(found))
        return 0
    if os.getuid() == 0:
        found |= as_an_ordinary_user(["--quick"] if chosen.quick else [])
    wrong = verdict(found)
    facts = {"kernel": platform.release().split("-")[0], "landlock": lockdown.landlock_version(), "found": found,
             "known": sorted(map(list, KNOWN)), "no_control": NO_CONTROL, "wrong": wrong}
    chosen.out.write_text(json.dumps(facts, indent=1) + "\n")
    print(*wrong, f"{len(found[next(iter(found))])} attacks, {len(found)} columns, {len(wrong)} wrong", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
