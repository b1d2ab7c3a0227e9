"""Runs every attack against every way in which trials run here, and as a plain process without any wall, and writes what
got through: docs/attacks.json, from which the table of docs/threat-model.md is made. `make attack`.

As root all of it runs once more as an ordinary user. The fallback runs where the kernel refuses namespaces, as in a container.
`--columns` and `--files` run some of it and keep the rest of what was found.
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
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(PROJECT)]

from judged import COMPANION, control_works, got_through, limits, open_to_others  # noqa: E402
from world import ALONE, TOGETHER, World, alive, names, source, source_of, world  # noqa: E402

from sandbox import Executor, Limits, executor, leftovers, lockdown  # noqa: E402
from sandbox.executors.cold import Cold  # noqa: E402
from sandbox.executors.local import Local  # noqa: E402
from sandbox.walls import NAMESPACES, Walls  # noqa: E402

NOBODY = 65534
LIBRARIES = ("numpy", "pandas", "pyarrow")
ROOMY = Limits(wall_seconds=300.0, memory_bytes=1 << 30, disk_bytes=64 << 20, processes=64)
# What gets through, and why that is borne: docs/threat-model.md explains each.
KNOWN = {
    ("learns_that_a_file_of_the_host_exists", "fallback, root"), ("learns_that_a_file_of_the_host_exists", "fallback, user"),
    *(("hides_its_processor_time", f"{way}, user") for way in ("cold", "warm", "fallback")),
}
WHOLE = ("cold", "warm", "fallback")
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
    "asks_what_others_have_read_into_memory": "overlay file systems cannot answer without waiting",
    "counts_what_others_have_read_into_memory": "kernels before 6.5 lack it",
    "talks_to_the_hypervisor": "not every machine is a guest",
    "uses_the_ciphers_of_the_kernel": "some kernels are built without it",
    "marks_an_input_with_an_attribute": "not every file system has attributes",
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


def columns() -> list[Column]:
    """All ways, in the order of the table."""
    layers = [Column(name, lambda walls=walls: Local(LIBRARIES, walls), layer=True) for name, walls in ONE_LAYER.items()]
    return [*layers, Column("cold", lambda: Cold(NAMESPACES)), Column("warm", lambda: executor("local")),
            Column("fallback", lambda: executor("local"))]


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
    with beside(runner, place, name) as seen:
        card = {**place.card, "only": name}
        trial = runner.run(source_of(name), inputs=place.inputs, limits=limits(name), shape=(1,), card=card)
    through = any(seen) or got_through(name, trial, place, runner)
    print(f"    {name}: {'OPEN' if through else 'blocked'} ({trial.status}: {trial.reason})", flush=True)
    return through


@contextmanager
def beside(runner: Executor, place: World, name: str) -> Iterator[list[bool]]:
    """What some attacks need while they run: another trial that holds a secret, or somebody who looks at their folder. What
    was seen goes into the list."""
    seen: list[bool] = []
    over = threading.Event()
    work = {"reads_the_memory_of_another_trial": lambda: _hold_a_secret(runner, place),
            "makes_a_program_that_others_run_as_its_user": lambda: _look(over, seen)}.get(name)
    if work is None:
        yield seen
        return
    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + 30
    while name.startswith("reads") and not alive(place.card["tag"]) and time.monotonic() < until:
        time.sleep(0.05)
    place.card["companions"] = alive(place.card["tag"])
    yield seen
    over.set()
    thread.join()


def _hold_a_secret(runner: Executor, place: World) -> None:
    runner.run(COMPANION, inputs=place.inputs, limits=limits(""), shape=(1,), card=dict(place.card))


def _look(over: threading.Event, seen: list[bool]) -> None:
    while not over.wait(0.05):
        try:
            seen.append(open_to_others(leftovers.own()))
        except OSError:
            continue  # it went while we looked


Found = Iterator[tuple[str, bool]]


def control(place: World, parts: list[str]) -> Found:
    """Whether each attack works without any wall."""
    for part in (part for part in TOGETHER if part in parts):
        place.card["tag"] = f"tag{secrets.token_hex(4)}"
        result = place.plain(source(part), "")
        yield from zip(names(part), map(bool, result if result is not None else [0.0] * len(names(part))), strict=True)
    for name in (name for part in ALONE if part in parts for name in names(part, kind="ALONE")):
        place.renew()
        place.card["tag"] = f"tag{secrets.token_hex(4)}"
        works = control_works(name, place)
        print(f"    {name}: {'works' if works else 'does nothing'}", flush=True)
        yield name, works


def attacked(column: Column, place: World, parts: list[str]) -> Found:
    """Whether each attack got through in one column."""
    with column.make() as runner:
        for part in (part for part in TOGETHER if part in parts):
            yield from attack_together(runner, place, part).items()
        for part in (part for part in ALONE if part in parts and not column.layer):
            for name in names(part, kind="ALONE"):
                yield name, attack_alone(runner, place, name)


def run_one(name: str, parts: list[str], out: Path) -> None:
    """All attacks of these files in one column; what is found is written as it comes, so that a kill loses little."""
    results: dict[str, bool] = {}
    with world() as place:
        ways = {column.name: column for column in columns()}
        for attack, through in control(place, parts) if name == "control" else attacked(ways[name], place, parts):
            results[attack] = through
            out.write_text(json.dumps(results))


def run_as(user: str, name: str, parts: list[str], python: Path, project: Path) -> dict[str, bool]:
    """One column in a process of its own: as another user, or where the kernel refuses namespaces, where that is asked for."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        out = Path(place, "found.json")
        here = project / "tests" / "attacks"
        container = [str(python), str(here / "without.py"), "namespaces"] if name == "fallback" else []
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if user == "user" and os.getuid() == 0 else {}
        subprocess.run([*container, str(python), str(here / "run.py"), "--one", name, str(out), "--files", *parts],
                       check=True, cwd=place, **who,
                       env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"})
        return dict(json.loads(out.read_text()))


@contextmanager
def reachable() -> Iterator[tuple[Path, Path]]:
    """An interpreter with its packages, and this project, where every user can read them: linked, not copied. An ordinary
    user has them already."""
    if os.getuid() != 0:
        yield Path(sys.executable), PROJECT
        return
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
    every = [name for part in TOGETHER for name in names(part)] + [name for part in ALONE for name in names(part, kind="ALONE")]
    for name in every:
        for column, results in found.items():
            way = column.split(",")[0]
            if way in WHOLE and results.get(name, True) and (name, column) not in KNOWN:
                wrong.append(f"{'OPEN' if name in results else 'NOT RUN'}: {name} ({column})")
        if not any(found[column].get(name) for column in plain) and name not in NO_CONTROL:
            wrong.append(f"NO PROOF: {name} does not work without the sandbox either")
    return wrong


def main() -> int:
    ways = ["control", *(column.name for column in columns())]
    users = ["root", "user"] if os.getuid() == 0 else ["user"]
    every = [f"{way}, {user}" for user in users for way in ways]
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", nargs="+", metavar="WAY, USER", choices=every, default=every, help=f"of {every}")
    options.add_argument("--files", nargs="+", choices=[*TOGETHER, *ALONE], default=[*TOGETHER, *ALONE], help="of attacks")
    options.add_argument("--one", nargs=2, metavar=("WAY", "FILE"), help="only this way as this user, into this file")
    options.add_argument("--out", type=Path, default=PROJECT / "docs" / "attacks.json")
    chosen = options.parse_args()
    if chosen.one:
        run_one(chosen.one[0], chosen.files, Path(chosen.one[1]))
        return 0
    found = json.loads(chosen.out.read_text())["found"] if chosen.out.exists() else {}
    with reachable() as (python, project):
        for column in chosen.columns:
            print(column, flush=True)
            way, user = column.split(", ")
            found[column] = {**found.get(column, {}), **run_as(user, way, chosen.files, python, project)}
            write(chosen.out, {column: found[column] for column in every if column in found})
    return bool(json.loads(chosen.out.read_text())["wrong"])


def write(out: Path, found: Mapping[str, Mapping[str, bool]]) -> None:
    wrong = verdict(found)
    facts = {"kernel": platform.release().split("-")[0], "landlock": lockdown.landlock_version(), "found": found,
             "known": sorted(map(list, KNOWN)), "no_control": NO_CONTROL, "wrong": wrong}
    out.write_text(json.dumps(facts, indent=1) + "\n")
    print(*wrong, f"{max(map(len, found.values()))} attacks, {len(found)} columns, {len(wrong)} wrong", sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
