"""The contract of an executor, and attacks on it: run over every file in sandbox/executors."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from clusters import ray_cluster

import sandbox
from sandbox import Cluster, Executor, Limits, SandboxError, Trial, executor
from sandbox.executors.local import Local
from sandbox.executors.ray import OnRay

PROJECT = Path(sandbox.__file__).resolve().parents[1]
NAMES = sorted(path.stem for path in (Path(sandbox.__file__).parent / "executors").glob("[!_]*.py"))
LIMITS = Limits(wall_seconds=60, memory_bytes=1 << 30, disk_bytes=64 << 20, processes=32, output_bytes=1 << 16)
SHORT = replace(LIMITS, wall_seconds=2)
ROWS, LABEL = 20, 1234567.890625
FEW = ("numpy", "pandas", "pyarrow")
SLEEPER = "os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', '{tag}'])"
MEAN = "def fit_predict(train, target, predict, task):\n    return [target.mean()] * len(predict)\n"


@dataclass(frozen=True)
class Place:
    """A trial's inputs on the host."""

    folder: Path

    @property
    def inputs(self) -> dict[str, Path]:
        return {"features": self.folder / "features.arrow", "fold": self.folder / "fold-0", "kit": self.folder / "kit"}


def body(*lines: str) -> str:
    """A solution with this body, which may use os, time, np, and the name zeros."""
    head = "import os, sys, time\nimport numpy as np\n\ndef fit_predict(train, target, predict, task):\n"
    return head + "".join(f"    {line}\n" for line in ("zeros = np.zeros(len(predict))", *lines))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=60), "colour": pd.Categorical(rng.choice(["red", "blue"], 60))})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(folder / "features.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for fold, fit in (("fold-0", np.arange(40)), ("fold-1", np.arange(20, 60))):
        (folder / fold).mkdir()
        np.save(folder / fold / "fit.npy", fit)
        np.save(folder / fold / "predict.npy", np.setdiff1d(np.arange(60), fit))
        np.save(folder / fold / "target.npy", np.where(fit < 40, 0.5, LABEL))
    (folder / "kit").mkdir()
    (folder / "kit" / "__init__.py").write_text("HALF = 0.5\n")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Place(folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A cluster on this machine, which Ray finds by itself; its address."""
    with ray_cluster(3) as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", made.address)
        yield made.address


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each executor there is, with what it needs."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return str(request.param)


@pytest.fixture(scope="module")
def runner(name: str) -> Iterator[Executor]:
    with light(name) if name == "ray" else executor(name) as made:
        yield made


@pytest.fixture(scope="module")
def quick() -> Iterator[Executor]:
    """The warm executor with few libraries, for what all executors share: how a result is read and what is counted."""
    with Local(FEW) as made:
        yield made


def light(name: str) -> Executor:
    """The executor of that name, with few libraries where it keeps some warm."""
    few = {"local": lambda: Local(FEW), "ray": lambda: OnRay(FEW, None, Cluster())}
    return few[name]() if name in few else executor(name)


def run(
    runner: Executor, place: Place, source: str, *, limits: Limits = LIMITS, rows: int = ROWS, **card: Any
) -> Trial:
    card = {"targets": ["y"], "seed": 1, "threads": 1, "device": "cpu", "seconds_left": 60.0, **card}
    return runner.run(source, inputs=place.inputs, limits=limits, shape=(rows,), card=card)


def alive(tag: str) -> list[int]:
    """Processes whose command line holds the tag."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and tag.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def gone(tag: str, *, seconds: float = 2.0) -> bool:
    """Whether no such process is left, or none a moment later."""
    until = time.monotonic() + seconds
    while alive(tag) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(tag)


# --- what a solution gets and gives

def test_a_solution_gets_its_fold_the_kit_and_the_card_and_gives_an_array(runner: Executor, place: Place) -> None:
    trial = run(runner, place, "from kit import HALF\nimport numpy as np\n\n"
                "def fit_predict(train, target, predict, task):\n"
                "    assert list(train.index) == list(range(40)) and list(predict.index) == list(range(20))\n"
                "    assert str(train.colour.dtype) == 'category' and target.name == 'y' and task.seed == 1\n"
                "    assert task.assets is None\n"
                "    print('\\x1b[31mred\\x1b[0m')\n"
                "    return np.full(len(predict), HALF)\n")
    assert trial.status == "ok", trial
    assert trial.prediction is not None and trial.prediction.tolist() == [0.5] * ROWS
    assert trial.log.strip() == "red"
    assert 0 < trial.cost.cpu_seconds < 60 and trial.cost.memory_bytes > 1 << 20 and trial.cost.wall_seconds > 0


def test_text_comes_back_as_text(quick: Executor, place: Place) -> None:
    trial = run(quick, place, body("return np.array(['a', 'bcd'] * 10)"))
    assert trial.prediction is not None and trial.prediction[1] == "bcd"


def test_an_exception_of_the_solution_is_a_result_with_its_own_frames(runner: Executor, place: Place) -> None:
    trial = run(runner, place, body("raise ValueError('no such column')"))
    assert (trial.status, trial.prediction) == ("error", None)
    assert "solution.py" in trial.log and "no such column" in trial.log and "harness" not in trial.log


@pytest.mark.parametrize("source", ["def fit_predict(:\n", "", "\0", "fit_predict = 3", "import nothing_of_that_name"])
def test_a_source_that_cannot_run_is_an_error(quick: Executor, place: Place, source: str) -> None:
    assert run(quick, place, source).status == "error"


def test_solution_sources_with_half_a_character_are_a_result(quick: Executor, place: Place) -> None:
    assert run(quick, place, MEAN + "# \ud800\n").status in ("ok", "error")


@pytest.mark.parametrize("value", [
    "zeros[:-1]", "zeros[:, None]", "zeros + np.nan", "zeros + np.inf", "None", "zeros.astype(object)", "zeros + 1j",
    "{'a': 1}", "zeros.astype('M8[s]')",
])
def test_a_result_of_the_wrong_kind_is_not_ok(quick: Executor, place: Place, value: str) -> None:
    trial = run(quick, place, body(f"return {value}"))
    assert trial.status in ("invalid", "error") and trial.prediction is None and trial.reason


# --- what a hostile result file meets; each against a file of the same place that is accepted

FORGED = {
    "symlink": "os.symlink('/inputs/fold/target.npy', '/scratch/result.npy')",
    "fifo": "os.mkfifo('/scratch/result.npy')",
    "folder": "os.mkdir('/scratch/result.npy')",
    "hard link": "np.save('/scratch/a.npy', zeros); os.link('/scratch/a.npy', '/scratch/result.npy')",
    "sparse": "f = open('/scratch/result.npy', 'wb'); f.truncate(1 << 24)",
    "pickle": "import pickle; open('/scratch/result.npy', 'wb').write(pickle.dumps(zeros))",
    "objects": "np.save('/scratch/result.npy', zeros.astype(object), allow_pickle=True)",
    "wrong header": "open('/scratch/result.npy', 'wb').write(b'\\x93NUMPY\\x01\\x00\\xff\\xff' + b'(' * 65535)",
    "enormous shape": "open('/scratch/result.npy', 'wb').write(b'\\x93NUMPY\\x01\\x00\\x76\\x00' + "
                      "b\"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999,), }\".ljust(117) + b'\\n')",
    "text as bytes": "np.save('/scratch/result.npy', np.array([b'x'] * len(predict)))",
    "letters that do not exist": "a = np.zeros(len(predict), '<U1'); a.view(np.uint32)[:] = 1 << 30; "
                                 "np.save('/scratch/result.npy', a)",
    "half a letter": "a = np.zeros(len(predict), '>U1'); a.view('>u4')[:] = 0xD800; np.save('/scratch/result.npy', a)",
    "codes for a terminal": "np.save('/scratch/result.npy', np.array(['\\x1b[2J'] * len(predict)))",
    "nothing": "pass",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_result_file_is_invalid(quick: Executor, place: Place, name: str) -> None:
    trial = run(quick, place, body(FORGED[name], "os._exit(0)"))
    assert trial.status in ("invalid", "error", "killed") and trial.prediction is None, trial


def test_a_plain_result_file_is_read(quick: Executor, place: Place) -> None:
    assert run(quick, place, body("np.save('/scratch/result.npy', zeros); os._exit(0)")).status == "ok"


# --- limits, each with a status of its own

def test_a_hang_is_a_timeout_and_nothing_of_it_lives_on(runner: Executor, place: Place) -> None:
    tag = f"tag-{time.monotonic_ns()}"
    daemon = SLEEPER.format(tag=tag)
    trial = run(runner, place, body(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "if os.fork() == 0:", "    os.setsid()", "    if os.fork() == 0:", f"        {daemon}", "    os._exit(0)",
        "time.sleep(600)"), limits=SHORT)
    assert trial.status == "timeout" and trial.cost.wall_seconds < 20
    assert gone(tag)


def test_a_daemon_dies_with_a_trial_that_ended_well(runner: Executor, place: Place) -> None:
    tag = f"tag-{time.monotonic_ns()}"
    trial = run(runner, place, body(
        "if os.fork() == 0:", "    os.setsid()", f"    {SLEEPER.format(tag=tag)}", "return zeros"))
    assert trial.status == "ok"
    assert gone(tag)


def test_processor_time_of_the_whole_tree_counts(runner: Executor, place: Place) -> None:
    limits = replace(LIMITS, cpu_seconds=2.5, wall_seconds=40)
    trial = run(runner, place, body("os.fork(); os.fork()", "while True: pass"), limits=limits)
    assert trial.status == "cpu"


MEMORY = {
    "heap": "held = np.ones(1 << 28)",
    "heap bit by bit": "held = [np.ones(1 << 20) for _ in range(200)]; time.sleep(5)",
    "shared": "import mmap; m = mmap.mmap(-1, 1 << 29); [m.write(b'x' * 4096) for _ in range(1 << 17)]; time.sleep(5)",
    "shared and forgotten": "import mmap; m = mmap.mmap(-1, 1 << 29); [(m.write(bytes(1 << 20)), m.madvise(4)) for _ in "
                            "range(1 << 9)]; time.sleep(5)",
    "children": "[os.fork() for _ in range(3)]; held = np.ones(48 << 20); time.sleep(20)",
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_has_a_limit_of_its_own(quick: Executor, place: Place, name: str) -> None:
    limits = replace(LIMITS, memory_bytes=256 << 20, wall_seconds=120)
    trial = run(quick, place, body(MEMORY[name], "return zeros"), limits=limits)
    assert trial.status == "memory", trial
    assert trial.cost.memory_bytes < 1 << 30


def test_a_file_in_memory_counts_or_cannot_be_made(quick: Executor, place: Place) -> None:
    trial = run(quick, place, body("f = [os.memfd_create(str()) for _ in range(40)]; [os.write(k, bytes(1 << 23)) for k in f]",
                                   "time.sleep(5)"), limits=replace(LIMITS, memory_bytes=256 << 20))
    assert trial.status == "memory" or (trial.status == "error" and "memfd_create" in trial.log), trial


def test_temporary_folders_are_small(quick: Executor, place: Place) -> None:
    trial = run(quick, place, body(
        "[open(f'/{d}/{k}', 'wb').write(b'x' * (1 << 22)) for d in ('tmp', 'dev/shm') for k in range(20)]"))
    assert (trial.status, trial.reason) == ("disk", "no space left where it wrote"), trial


UNLINKED = """for _ in range(40):
        held = [*(held if _ else []), open('/scratch/x', 'wb')]
        os.unlink('/scratch/x')
        held[-1].write(bytes(1 << 22))
    time.sleep(3)"""
DISK = {
    "one file": "open('/scratch/big', 'wb').write(bytes(1 << 27)); time.sleep(2)",
    "unlinked files": UNLINKED,
    "many files": "[open(f'/scratch/{k}', 'wb').close() for k in range(30_000)]; time.sleep(3)",
    "a deep tree": "[(os.mkdir('d'), os.chdir('d')) for _ in range(3000)]; time.sleep(3)",
    "files that end before a look": "open('/scratch/big', 'wb').write(bytes(70 << 20))",
}


@pytest.mark.parametrize("name", DISK)
def test_disk_has_a_limit(quick: Executor, place: Place, name: str) -> None:
    trial = run(quick, place, body(DISK[name], "return zeros"))
    assert trial.status == "disk", trial


def test_a_flood_of_output_ends_the_trial_and_the_log_stays_small(runner: Executor, place: Place) -> None:
    trial = run(runner, place, body("while True: os.write(1, b'x' * 65536)"))
    assert trial.status == "output" and len(trial.log) <= 1 << 17


def test_one_line_of_a_hundred_megabytes_is_a_flood_too(quick: Executor, place: Place) -> None:
    trial = run(quick, place, body("os.write(1, b'x' * 1000)", "[os.write(1, b'x' * (1 << 20)) for _ in range(100)]"))
    assert trial.status == "output" and len(trial.log) < 1 << 13


def test_escape_codes_and_hidden_characters_are_cleaned_from_the_log(quick: Executor, place: Place) -> None:
    trial = run(quick, place, body("print('\\x1b]0;owned\\x07\\x1b[2Ja\\x1b]52;c;ZXZpbA==\\x07\\x9b5nb\\u202ec\\rd\\u200be')",
                                   "return zeros"))
    assert trial.log == "de\n", repr(trial.log)


BOMBS = {
    "processes": "[os.fork() or (time.sleep(60), os._exit(0)) for _ in range(200)]",
    "threads": "import threading; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(200)]",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_processes_and_threads_have_a_limit(runner: Executor, place: Place, bomb: str) -> None:
    trial = run(runner, place, body(BOMBS[bomb], "time.sleep(60)"))
    assert trial.status == "processes", trial


# --- several at once, and the end of the agent

def test_trials_that_run_together_do_not_see_each_other(runner: Executor, place: Place) -> None:
    source = body("import pathlib", "pathlib.Path('/tmp/mine').touch(); pathlib.Path('/dev/shm/mine').touch()",
                  "time.sleep(1)", "seen = len([p for p in os.listdir('/proc') if p.isdigit()])",
                  "left = (os.listdir('/tmp') + os.listdir('/dev/shm')).count('mine')",
                  "print('uid', os.getuid())", "return zeros + 100 * left + seen")
    trials: list[Trial] = []
    threads = [threading.Thread(target=lambda: trials.append(run(runner, place, source))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trial.status for trial in trials] == ["ok"] * 3, trials
    assert all(trial.prediction is not None and 202 <= trial.prediction[0] <= 203 for trial in trials)
    if os.getuid() == 0:
        assert len({trial.log for trial in trials}) == 3


def test_a_trial_started_by_a_thread_that_has_ended_does_not_end_the_next(runner: Executor, place: Place) -> None:
    thread = threading.Thread(target=run, args=(runner, place, MEAN))
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert run(runner, place, MEAN).status == "ok"


def test_cancelling_ends_the_trials_in_flight_and_no_later_one(runner: Executor, place: Place) -> None:
    trials: list[Trial] = []
    run(runner, place, MEAN)
    sleeper = body("time.sleep(600)")
    threads = [threading.Thread(target=lambda: trials.append(run(runner, place, sleeper))) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    runner.cancel()
    for thread in threads:
        thread.join(60)
    assert [trial.status for trial in trials] == ["killed"] * 2
    assert run(runner, place, MEAN).status == "ok"


def test_a_trial_that_comes_after_the_end_starts_no_server(place: Place) -> None:
    with Local(FEW) as made:
        assert run(made, place, MEAN).status == "ok"
    with pytest.raises(SandboxError, match="closed"):
        run(made, place, MEAN)
    assert made.warm.server is None
    with made:
        assert run(made, place, MEAN).status == "ok"


AGENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
import test_sandbox as tests
with tests.light(sys.argv[3]) as made:
    tests.run(made, tests.Place(Path(sys.argv[4])), Path(sys.argv[5]).read_text())
"""


def test_a_trial_dies_with_an_agent_that_is_killed(place: Place, name: str, tmp_path: Path) -> None:
    tag = f"tag-{time.monotonic_ns()}"
    source = tmp_path / "solution.py"
    source.write_text(body(SLEEPER.format(tag=tag)))
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(PROJECT), str(Path(__file__).parent), name,
                              str(place.folder), str(source)])
    until = time.monotonic() + 120
    while len(alive(tag)) < 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(tag), "the trial never started"
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    assert gone(tag, seconds=20.0 if name == "ray" else 1.0)  # Ray ends what a lost driver has left


# --- refusals

def test_an_executor_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(sandbox.SandboxError, match="no executor 'rya'; there are: cold, local, ray"):
        executor("rya")
