"""The contract of an executor, and attacks on it: run over every file in sandbox/executors."""

import json
import os
import signal
import socket
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

import sandbox
from sandbox import Executor, Limits, Trial, executor
from sandbox.doctor import diagnose

PROJECT = Path(sandbox.__file__).resolve().parents[1]
ATTACKS = Path(__file__).parent / "attacks"
NAMES = sorted(path.stem for path in (Path(sandbox.__file__).parent / "executors").glob("[!_]*.py"))
LIMITS = Limits(wall_seconds=60, memory_bytes=1 << 30, disk_bytes=64 << 20, processes=32, output_bytes=1 << 16)
SHORT = replace(LIMITS, wall_seconds=2)
ROWS, LABEL = 20, 1234567.890625
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


@pytest.fixture(scope="module", params=NAMES)
def runner(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with executor(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def quick() -> Iterator[Executor]:
    """The warm executor, for what all executors share: how a result is read and what is counted."""
    with executor("local") as made:
        yield made


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
    limits = replace(LIMITS, cpu_seconds=4.0, wall_seconds=40)
    trial = run(runner, place, body("os.fork(); os.fork()", "while True: pass"), limits=limits)
    assert trial.status == "cpu"


MEMORY = {
    "heap": "held = np.ones(1 << 28)",
    "shared": "import mmap; m = mmap.mmap(-1, 1 << 31); [m.write(b'x' * 4096) for _ in range(1 << 19)]; time.sleep(3)",
    "memfd": "f = [os.memfd_create(str()) for _ in range(64)]; [os.write(k, bytes(1 << 25)) for k in f]; time.sleep(3)",
    "children": "[os.fork() for _ in range(3)]; held = np.ones(48 << 20); time.sleep(20)",
    "tmpfs": "[open(f'/{d}/{k}', 'wb').write(b'x' * (1 << 24)) for d in ('tmp', 'dev/shm') for k in range(80)]",
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_has_a_limit(quick: Executor, place: Place, name: str) -> None:
    trial = run(quick, place, body(MEMORY[name], "return zeros"))
    assert trial.status in ("memory", "error", "disk"), trial
    assert trial.cost.memory_bytes < 3 << 30


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
}


@pytest.mark.parametrize("name", DISK)
def test_disk_has_a_limit(quick: Executor, place: Place, name: str) -> None:
    trial = run(quick, place, body(DISK[name], "return zeros"))
    assert trial.status in ("disk", "error"), trial


def test_a_flood_of_output_ends_the_trial_and_the_log_stays_small(runner: Executor, place: Place) -> None:
    trial = run(runner, place, body("while True: os.write(1, b'x' * 65536)"))
    assert trial.status == "output" and len(trial.log) <= 1 << 17


def test_a_fork_bomb_is_contained(runner: Executor, place: Place) -> None:
    trial = run(runner, place, body(
        "made = 0", "for _ in range(200):", "    try:", "        child = os.fork()", "    except OSError:",
        "        break", "    if child == 0:", "        time.sleep(30)", "        os._exit(0)", "    made += 1",
        "return zeros + made"))
    assert trial.prediction is not None and 1 <= trial.prediction[0] <= LIMITS.processes


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


@pytest.mark.parametrize("name", NAMES)
def test_cancelling_ends_the_trials_in_flight(place: Place, name: str) -> None:
    trials: list[Trial] = []
    with executor(name) as made:
        run(made, place, MEAN)
        sleeper = body("time.sleep(600)")
        threads = [threading.Thread(target=lambda: trials.append(run(made, place, sleeper))) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        made.cancel()
        for thread in threads:
            thread.join(10)
    assert [trial.status for trial in trials] == ["killed"] * 2


AGENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
import test_sandbox as tests
from sandbox import executor
with executor(sys.argv[3]) as made:
    tests.run(made, tests.Place(Path(sys.argv[4])), Path(sys.argv[5]).read_text())
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_dies_with_an_agent_that_is_killed(place: Place, name: str, tmp_path: Path) -> None:
    tag = f"tag-{time.monotonic_ns()}"
    source = tmp_path / "solution.py"
    source.write_text(body(SLEEPER.format(tag=tag)))
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(PROJECT), str(Path(__file__).parent), name,
                              str(place.folder), str(source)])
    until = time.monotonic() + 60
    while len(alive(tag)) < 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(tag), "the trial never started"
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    assert gone(tag, seconds=1.0)


# --- attacks, each with a control that shows it works without the sandbox

def names_of_attacks() -> list[str]:
    lines = (ATTACKS / "reach.py").read_text().splitlines()
    return [lines[k + 1].split("(")[0].removeprefix("def ") for k, line in enumerate(lines) if line == "@attack"]


@pytest.fixture(scope="module")
def targets(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What there is to attack: files, a process with a key, sockets."""
    folder, secret = tmp_path_factory.mktemp("host"), f"key-{time.monotonic_ns()}"
    folder.chmod(0o755)
    (folder / "secret.txt").write_text(secret)
    code = "import ctypes, sys, time; b = ctypes.create_string_buffer(sys.argv[1].encode()); " \
           "print(ctypes.addressof(b), flush=True); time.sleep(600)"
    victim = subprocess.Popen([sys.executable, "-c", code, secret, "victim"], env={"API_KEY": secret},
                              stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    abstract, path = f"medalist-{secret}", str(folder / "socket")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden, \
            socket.socket(socket.AF_UNIX) as named:
        for line, address in ((hidden, "\0" + abstract), (named, path)):
            line.bind(address)
            line.listen()
        yield {
            "secret": secret, "secret_file": str(folder / "secret.txt"), "victim": victim.pid,
            "victim_address": int(victim.stdout.readline()), "port": server.getsockname()[1], "abstract": abstract,
            "socket_file": path, "label": LABEL, "label_folders": [str(place.folder / "fold-1")],
            "other_fold": str(place.folder / "fold-1" / "target.npy"), "project": str(PROJECT),
            "meeting_place": str(folder / "left"), "plain": False, "packages": "", "inputs": "/inputs",
        }
    victim.kill()
    victim.wait()
    victim.stdout.close()


@pytest.fixture(scope="module")
def reached(runner: Executor, place: Place, targets: dict[str, Any]) -> tuple[dict[str, float], str]:
    trial = run(runner, place, (ATTACKS / "reach.py").read_text(), rows=len(names_of_attacks()), **targets)
    assert trial.prediction is not None, trial
    return dict(zip(names_of_attacks(), trial.prediction, strict=True)), trial.log


@pytest.fixture(scope="module")
def reached_plainly(targets: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("control")
    (folder / "inputs").mkdir()
    (folder / "inputs" / "file").write_text("input")
    card = {**targets, "plain": True, "packages": str(folder), "inputs": str(folder / "inputs")}
    (folder / "card.json").write_text(json.dumps(card))
    with open(folder / "open", "w") as left_open:
        subprocess.run([sys.executable, str(ATTACKS / "plain.py"), str(ATTACKS / "reach.py"), str(folder / "card.json"),
                        str(folder / "result.npy")], check=True, pass_fds=[left_open.fileno()], capture_output=True)
    return dict(zip(names_of_attacks(), np.load(folder / "result.npy"), strict=True))


@pytest.mark.parametrize("name", names_of_attacks())
def test_an_attack_fails(reached: tuple[dict[str, float], str], name: str) -> None:
    assert reached[0][name] == 0.0, reached[1]


@pytest.mark.parametrize("name", names_of_attacks())
def test_the_attack_would_work_without_a_sandbox(reached_plainly: dict[str, float], name: str) -> None:
    assert reached_plainly[name] == 1.0


# --- refusals

def test_an_executor_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(sandbox.SandboxError, match="no executor 'rya'; there are: cold, local"):
        executor("rya")


def test_without_bubblewrap_the_refusal_says_what_to_install(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(sandbox.SandboxError, match="apt-get install bubblewrap"), executor("cold") as made:
        run(made, place, MEAN)


def test_the_doctor_tries_each_mechanism_and_says_how_to_mend() -> None:
    checks = diagnose()
    assert {"bubblewrap", "seccomp"} <= {check.name for check in checks}
    assert all(check.holds or check.mend for check in checks)
