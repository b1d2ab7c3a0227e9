"""Many trials in a row, then many with something killed at random: a process of the trial, the fork server, the agent. What
is left afterwards (processes, descriptors, folders, control groups, user ids) is counted, and whether the record has every
trial. argv: trials, kills, perhaps a seed. `make soak`."""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(PROJECT)]

from world import World, alive, world  # noqa: E402

from leaderboard.record import Record  # noqa: E402
from sandbox import Limits, cgroup, leftovers, watch  # noqa: E402
from sandbox.executors.local import Local  # noqa: E402
from sandbox.host import SLOTS, USERS  # noqa: E402

LIBRARIES = ("numpy", "pandas", "pyarrow")
LIMITS = Limits(wall_seconds=120, memory_bytes=1 << 30, disk_bytes=64 << 20, processes=16)
SOURCES = (
    "def fit_predict(train, target, predict, task):\n    return [target.mean()] * len(predict)\n",
    "def fit_predict(train, target, predict, task):\n    raise ValueError('no')\n",
    "import os, time\ndef fit_predict(train, target, predict, task):\n    os.fork()\n    time.sleep(0.2)\n    os._exit(0)\n",
    "import os, sys\ndef fit_predict(train, target, predict, task):\n    if os.fork() == 0:\n        os.setsid()\n"
    "        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', task.tag])\n"
    "    return [0.0] * len(predict)\n",
)
SEEN: set[str] = set()
DEATHS: list[float] = []  # seconds from the end of an agent to the end of all that it had started
STATUSES = {"ok", "error", "invalid", "killed", "refused"}


@contextmanager
def temporary(folder: Path) -> Iterator[None]:
    """Agents, this one and those it starts, put their folders there."""
    before = tempfile.gettempdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = os.environ["TMPDIR"] = before


def soak(*, trials: int, kills: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Facts: `statuses`, `killed`, `left` (empty where nothing leaked), `numbers` and `recorded` of the killed agents'
    trials, `strange` statuses, `dead after`: seconds until the whole tree of a killed agent was dead."""
    chance = random.Random(seed)
    with world() as place:
        with Local(LIBRARIES) as runner:
            one(runner, place, SOURCES[0])
            before = counts(place)
            statuses = Counter(said(one(runner, place, chance.choice(SOURCES)), k) for k in range(trials))
            killed = Counter(said(kill_one(runner, place, chance), k) for k in range(kills - kills // 3))
            time.sleep(1.0)
            after = counts(place)
        numbers, recorded = kill_agents(place, folder, kills // 3, chance)
        time.sleep(0.5)
        leftovers.sweep()
        left = {name: f"{before[name]} -> {value}" for name, value in after.items() if value > before[name]}
        left |= {name: value for name, value in counts_outside(place).items() if value}
    return {"statuses": dict(statuses), "killed": dict(killed), "left": left, "numbers": numbers, "recorded": recorded,
            "strange": sorted(set(statuses) - STATUSES),
            "dead after": {"median": round(statistics.median(DEATHS), 3), "worst": round(max(DEATHS), 3)} if DEATHS else {}}


def said(what: str, number: int) -> str:
    """The same, after a word on how far it is."""
    if number % 100 == 99:
        print(f"{number + 1} trials", file=sys.stderr, flush=True)
    return what


def one(runner: Local, place: World, source: str) -> str:
    return runner.run(source, inputs=place.inputs, limits=LIMITS, shape=(20,), card=place.card).status


def kill_one(runner: Local, place: World, chance: random.Random) -> str:
    """A trial, and something of it killed while it runs; what was killed, and how the trial ended."""
    what = chance.choice(("process", "server"))
    timer = threading.Timer(chance.uniform(0.0, 0.4), _kill_server if what == "server" else _kill_process, (runner, chance))
    timer.start()
    status = one(runner, place, SOURCES[2])
    timer.join()
    return f"{what}: {status}"


def _kill_server(runner: Local, chance: random.Random) -> None:
    if runner.warm.server is not None:
        runner.warm.server.process.kill()


def _kill_process(runner: Local, chance: random.Random) -> None:
    """One of the server's descendants, but not bubblewrap's own process."""
    if runner.warm.server is None:
        return
    below = watch.tree(runner.warm.server.process.pid)[3:]
    if below:
        try:
            os.kill(chance.choice(below), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself


def counts(place: World) -> dict[str, int]:
    """What must not grow, as this process sees it."""
    return {"descriptors": len(os.listdir("/proc/self/fd")), "children": len(watch.tree(os.getpid())) - 1 - ours(),
            "users in use": USERS - SLOTS.qsize(), **counts_outside(place)}


def ours() -> int:
    """Zombies that nobody has waited for yet are no children that live."""
    return sum(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
               for pid in watch.tree(os.getpid()) if Path(f"/proc/{pid}/stat").exists())


def counts_outside(place: World) -> dict[str, int]:
    """What is left of agents: the folder for temporary files is ours alone while this runs."""
    ours, agents = leftovers.own(), _agents()
    folders = [*ours.iterdir(), *(path for path in agents if path != ours)]
    groups = [group for name in {ours.name, *SEEN} for group in cgroup.left_over(f"{name}-")]
    return {"folders": len(folders), "control groups": len(groups), "processes": len(alive(place.card["tag"]))}


def _agents() -> list[Path]:
    """The folders of all agents that there are; their names are kept for when they are gone."""
    found = list(Path(tempfile.gettempdir()).resolve().glob(f"{leftovers.PREFIX}*"))
    SEEN.update(path.name for path in found)
    return found


def kill_agents(place: World, folder: Path, kills: int, chance: random.Random) -> tuple[list[int], list[int]]:
    """Agents that run trials and record each, killed at random: the numbers that were said, and those in the record."""
    card = folder / "card.json"
    card.write_text(json.dumps({"folder": str(place.folder), "card": place.card}))
    said: list[int] = []
    for _ in range(kills):
        agent = subprocess.Popen([sys.executable, str(Path(__file__).resolve()), "--agent", str(folder / "record.db"), str(card)],
                                 stdout=subprocess.PIPE, text=True)
        assert agent.stdout is not None
        for _ in range(chance.randint(1, 3)):
            said.append(int(agent.stdout.readline()))
        time.sleep(chance.uniform(0.0, 0.3))
        DEATHS.append(_end_of(agent))
        _agents()
        said += [int(line) for line in agent.stdout.read().split()]
        agent.wait()
        agent.stdout.close()
    with Record(folder / "record.db") as record:
        known = [event["number"] for event in record.events("soak", "trial")]
    last = max(said, default=-1)
    return sorted({*range(last + 1), *said}), [number for number in known if number <= last]


def _end_of(agent: "subprocess.Popen[str]") -> float:
    """Kill it; seconds until all that it had started, in whatever namespace, was dead."""
    below = watch.tree(agent.pid)
    agent.kill()
    begun = time.monotonic()
    while any(_lives(pid) for pid in below) and time.monotonic() < begun + 10:
        time.sleep(0.001)
    return time.monotonic() - begun


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def agent(database: Path, card: Path) -> None:
    """An agent: trials one after the other, each recorded before it is said."""
    told = json.loads(card.read_text())
    data = Path(told["folder"]) / "data"
    inputs = {"features": data / "features.arrow", "fold": data / "fold-0", "kit": data / "kit"}
    with Record(database) as record, Local(LIBRARIES) as runner:
        if not record.runs():
            record.start_run("soak", task="soak", folder=str(database.parent), budget_seconds=0.0, seed=0, metric="rmse",
                             greater_is_better=False, settings={})
        number = len(record.events("soak", "trial"))
        while True:
            trial = runner.run(SOURCES[number % 4], inputs=inputs, limits=LIMITS, shape=(20,), card=told["card"])
            record.event("soak", "trial", {"number": number, "status": trial.status})
            print(number, flush=True)
            number += 1


def main() -> int:
    if sys.argv[1] == "--agent":
        agent(Path(sys.argv[2]), Path(sys.argv[3]))
    with tempfile.TemporaryDirectory() as folder, temporary(Path(folder)):
        facts = soak(trials=int(sys.argv[1]), kills=int(sys.argv[2]), folder=Path(folder), seed=int((sys.argv[3:] or ["0"])[0]))
    print(json.dumps(facts, indent=1))
    return bool(facts["left"] or facts["strange"] or facts["numbers"] != facts["recorded"])


if __name__ == "__main__":
    sys.exit(main())
