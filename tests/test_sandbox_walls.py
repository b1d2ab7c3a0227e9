"""What stands around a trial where the machine offers less, and what is left of trials and agents: nothing."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import Limits, SandboxError, cgroup, host, launch, leftovers, watch
from sandbox.doctor import diagnose
from sandbox.executors.local import Local
from sandbox.log import clean
from sandbox.places import hidden, prefixes

sys.path.insert(0, str(Path(__file__).parent / "attacks"))

from soak import soak, temporary
from world import PROJECT, world

WITHOUT = [sys.executable, str(Path(__file__).parent / "attacks" / "without.py")]
LIMITS = Limits(wall_seconds=120, memory_bytes=1 << 30, disk_bytes=64 << 20)
MEAN = "def fit_predict(train, target, predict, task):\n    return [target.mean()] * len(predict)\n"
TRIAL = f"""
import sys
sys.path[:0] = {[str(PROJECT), str(Path(__file__).parent / "attacks")]!r}
from world import world
from sandbox import Limits, SandboxError, executor
with world() as place:
    try:
        with executor("cold", unsafe="unsafe" in sys.argv) as made:
            limits = Limits(wall_seconds=120, memory_bytes=1 << 30, disk_bytes=64 << 20)
            trial = made.run({MEAN!r}, inputs=place.inputs, limits=limits, shape=(20,), card=place.card)
            print(trial.status, made.walls)
    except SandboxError as error:
        print("refused:", error)
"""


def without(refusals: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*WITHOUT, refusals, sys.executable, "-c", TRIAL, *words], capture_output=True, text=True)


def test_without_namespaces_trials_run_behind_the_fallback_and_one_line_says_so() -> None:
    """As root the user of a trial must be able to enter the folders of the interpreter, or the refusal says how."""
    done = without("namespaces")
    barred = hidden(prefixes()) if os.getuid() == 0 else []
    if barred:
        assert done.stdout.startswith("refused: ") and f"(chmod o+x {barred[0]})" in done.stdout
    else:
        assert done.stdout.startswith("ok"), done
        assert done.stderr.count("\n") == 1 and "fallback, for want of namespaces" in done.stderr


def test_without_namespaces_and_landlock_the_refusal_is_one_line_that_says_what_to_do() -> None:
    done = without("namespaces,landlock")
    assert done.stdout.startswith("refused: no sandbox can be made here: namespaces:") and done.stdout.count("\n") == 1
    assert "`medalist doctor`" in done.stdout and "--unsafe-no-sandbox" in done.stdout


def test_without_any_wall_a_trial_runs_only_when_that_was_asked_for() -> None:
    assert without("namespaces,landlock", "unsafe").stdout.startswith("ok")


def test_a_server_with_a_thread_is_not_forked_and_trials_start_cold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quiet = launch.environment
    monkeypatch.setattr(launch, "environment", lambda threads: {
        name: value for name, value in quiet(threads).items() if name != "JE_ARROW_MALLOC_CONF"})
    with world() as place, Local(("pyarrow",)) as made:
        trials = [made.run(MEAN, inputs=place.inputs, limits=LIMITS, shape=(20,), card=place.card) for _ in range(2)]
    assert [trial.status for trial in trials] == ["ok", "ok"]
    assert [record.message for record in caplog.records] == [
        "sandbox: the fork server has 2 threads after its imports and must have one: trials start cold, some seconds "
        "later each"]


AGENT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a script ignores
sys.path.insert(0, sys.argv[1])
from sandbox import cgroup, leftovers
folder = leftovers.own() / "trial" / "scratch" / "deep"
folder.mkdir(parents=True)
folder.chmod(0)
cgroup.make(f"{leftovers.own().name}-0", memory_bytes=1 << 26, processes=8)
print(leftovers.own(), flush=True)
time.sleep(600)
"""


@contextmanager
def agent(*container: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """An agent with a trial's folder and group, perhaps in a container of its own, and its folder."""
    process = subprocess.Popen([*container, sys.executable, "-c", AGENT, str(PROJECT)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def swept() -> set[Path]:
    """What is removed, now or in a moment: a container ends a little after whoever started it."""
    until, removed = time.monotonic() + 10, []
    while not removed and time.monotonic() < until:
        removed = leftovers.sweep()
        time.sleep(0.02)
    return set(removed)


CONTAINER = ("bwrap", "--bind", "/", "/", "--dev", "/dev", "--unshare-pid", "--proc", "/proc", "--die-with-parent")


@pytest.mark.parametrize("container", [(), CONTAINER], ids=["here", "in a container that shares the folder"])
def test_what_a_killed_agent_left_is_removed_and_what_a_living_one_has_is_not(container: tuple[str, ...], tmp_path: Path) -> None:
    with temporary(tmp_path), agent(*container) as (dead, folder), agent(*container) as (_, living):
        groups = [list(cgroup.left_over(f"{place.name}-")) for place in (folder, living)]
        assert leftovers.sweep() == []
        dead.kill()
        dead.wait()
        assert swept() == {folder, *groups[0]}
        assert not folder.exists() and not any(group.exists() for group in groups[0])
        assert (living / "trial" / "scratch").exists() and all(group.exists() for group in groups[1])
    with temporary(tmp_path):
        assert swept() == {living, *groups[1]}


def test_an_agent_that_ends_well_leaves_no_folder(tmp_path: Path) -> None:
    with temporary(tmp_path), agent() as (process, folder):
        assert folder.exists()
        process.send_signal(signal.SIGINT)
        process.wait()
        assert not folder.exists()


def test_a_server_that_is_killed_while_it_starts_is_started_again() -> None:
    with world() as place, host.Host(("pandas",)) as made:
        timer = threading.Timer(0.1, lambda: made.server and made.server.process.kill())
        timer.start()
        trial = made.run(MEAN, inputs=place.inputs, limits=LIMITS, shape=(20,), card=place.card)
        timer.join()
    assert trial.status == "ok", trial


def test_a_server_that_does_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "SILENT_SECONDS", 0.3)
    with world() as place, host.Host(("pandas",)) as made, pytest.raises(SandboxError, match="the fork server did not start"):
        assert made.server is not None
        group = made.server.process.pid
        for pid in watch.tree(group):
            os.kill(pid, signal.SIGSTOP)
        made.run(MEAN, inputs=place.inputs, limits=LIMITS, shape=(20,), card=place.card)
    end = time.monotonic() + 10
    while members(group) and time.monotonic() < end:
        time.sleep(0.05)
    assert not members(group)


def members(group: int) -> list[int]:
    """Living processes of a group, by /proc."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.getpgid(int(name)) == group and " Z " not in Path(f"/proc/{name}/stat").read_text():
                found.append(int(name))
    return found


HOLDS = """
import mmap, os, socket, time
pairs, pipes = [socket.socketpair() for _ in range(50)], [os.pipe() for _ in range(100)]
page = mmap.mmap(-1, 32 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
tables = sum(page[place] for place in range(0, 32 << 30, 2 << 20))
print("ready", flush=True)
time.sleep(600)
"""


def test_what_the_kernel_keeps_for_a_process_counts_as_its_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        used = watch.memory_bytes([process.pid], limit=1 << 40)
        process.kill()
    sockets, pipes, tables = 100 * (416 << 10), 100 * (64 << 10), 16 << 10 << 12
    assert sockets + pipes + tables < used < sockets + pipes + tables + (64 << 20)


def test_no_two_agents_give_their_trials_the_same_user() -> None:
    ids = {host.user_id(pid, slot) for pid in (1, 2, 4_000_000) for slot in range(host.USERS)}
    assert len(ids) == 3 * host.USERS and min(ids) > 999


def test_the_doctor_tries_each_mechanism_and_says_how_to_mend() -> None:
    checks = diagnose(("numpy",))
    assert {"bubblewrap", "namespaces", "Landlock", "seccomp", "keeper", "control groups", "walls"} <= {c.name for c in checks}
    assert all(check.holds or check.mend for check in checks)
    assert checks[-1].name == "a trial" and checks[-1].holds, checks[-1]


@pytest.mark.parametrize(("printed", "shown"), [
    ("\x1b[1;31mred\x1b[0m", "red"), ("\x1b]0;title\x07text", "text"), ("\x1b]52;c;ZXZpbA==\x1b\\x", "x"), ("a\x9b5nb", "ab"),
    ("10%\r50%\r100%", "100%"), ("a\u202eb\u200bc\x00d\x07", "abcd"), ("tab\tand\nline", "tab\tand\nline"), ("\x1b]0;no end", ""),
])
def test_what_is_printed_is_fit_to_be_shown(printed: str, shown: str) -> None:
    assert clean(printed) == shown


def test_a_line_without_end_is_cut() -> None:
    assert len(clean("x" * 1_000_000)) < 2100


def test_trials_servers_and_agents_that_are_killed_leave_nothing() -> None:
    with tempfile.TemporaryDirectory() as name, temporary(Path(name)):  # a short name: there are sockets below
        facts = soak(trials=15, kills=6, folder=Path(name), seed=1)
    assert facts["left"] == {}, facts
    assert facts["recorded"] == facts["numbers"] and facts["strange"] == []


