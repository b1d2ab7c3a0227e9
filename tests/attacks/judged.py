"""What the host looks for after an attack that had a trial of its own, and after its control."""

import ctypes
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from world import LABEL, World, alive, gone, source_of

from sandbox import Executor, Limits, Trial, leftovers, watch
from sandbox.host import SLOTS, USERS

LIMITS = Limits(wall_seconds=30.0, memory_bytes=256 << 20, disk_bytes=64 << 20, processes=48, output_bytes=1 << 16)
SHORT = ("sleeps_beyond_its_time", "stays_just_under_every_limit", "ignores_every_signal", "forks_at_its_deadline",
         "stops_its_keeper", "closes_its_output_and_goes_on", "signals_its_whole_group", "hops_from_process_to_process")
CODES = re.compile("[\x1b\x07\x9b\u202e]")
NEXT = """import os, sys
import numpy as np
def fit_predict(train, target, predict, task):
    sys.path += [os.getcwd(), "/tmp", "/dev/shm"]
    try:
        __import__("planted_" + task.tag)
        return [1.0]
    except ImportError:
        return [float(np.mean([1.0, 3.0]) != 2.0 or not sys.meta_path)]
"""
COMPANION = """import ctypes, time
def fit_predict(train, target, predict, task):
    ctypes.CDLL(None).prctl(15, task.tag.encode(), 0, 0, 0)
    secret = [f"secret of {task.tag}".encode() * (k + 1) for k in range(9)]
    time.sleep(6)
    return [float(len(secret))]
"""


def limits(name: str) -> Limits:
    if name in ("uses_up_the_processor_in_children", "hides_its_processor_time"):
        return replace(LIMITS, cpu_seconds=3.0)
    return replace(LIMITS, wall_seconds=3.0) if name in SHORT else LIMITS


def got_through(name: str, trial: Trial, world: World, runner: Executor) -> bool:
    """Whether the attack reached what it wanted, as the host sees it."""
    told = trial.prediction is not None and bool(trial.prediction[0] == 1.0)
    judge = JUDGES.get(name)
    return judge(trial, world, runner) if judge else told


def _forged(trial: Trial, world: World, runner: Executor) -> bool:
    return trial.prediction is not None and trial.prediction[0] not in (0.0, 1.0)


def _survives(trial: Trial, world: World, runner: Executor) -> bool:
    return not gone(world.card["tag"])


def _showed_codes(trial: Trial, world: World, runner: Executor) -> bool:
    return bool(CODES.search(trial.log + trial.reason))


def _unpickled(trial: Trial, world: World, runner: Executor) -> bool:
    return trial.status == "ok" or world.meeting_place.exists()


def _overwrote_another(trial: Trial, world: World, runner: Executor) -> bool:
    place = Path(world.card["other_trial"], "scratch", "result.npy")
    changed = bool(np.load(place)[0] == 777.0)
    np.save(place, np.zeros(1))
    return changed


def _killed_others(trial: Trial, world: World, runner: Executor) -> bool:
    return world.victim.poll() is not None or world.expendable.poll() is not None


def _left_shared_memory(trial: Trial | None, world: World, runner: Executor | None) -> bool:
    libc, key = ctypes.CDLL(None), world.card["shared_key"] + 1
    segment = libc.shmget(key, 0, 0)
    if segment >= 0:
        libc.shmctl(segment, 0, None)
    return bool(segment >= 0)


def _left_files(trial: Trial | None, world: World, runner: Executor | None) -> bool:
    places = ("/tmp", "/dev/shm", "/var/tmp", "/run", "/run/user/0", "/var/crash")
    left = [file for place in places if (file := Path(place, f"left-{world.card['tag']}")).exists()]
    for file in left:
        file.unlink()
    return bool(left)


def open_to_others(folder: Path) -> bool:
    """Is there a program with the set-uid bit that another user could start?"""
    for program in folder.rglob("program"):
        ways = [place for place in program.parents if place.is_relative_to(folder)]
        if program.stat().st_mode & 0o4001 == 0o4001 and all(place.stat().st_mode & 0o001 for place in ways):
            return True
    return False


def _left_odd_names(trial: Trial, world: World, runner: Executor) -> bool:
    return any(leftovers.own().iterdir()) or bool(CODES.search(trial.log + trial.reason)) or _broke_the_next(trial, world, runner)


def _used_up_users(trial: Trial, world: World, runner: Executor) -> bool:
    """The same again, where there is one user only: he must be free each time."""
    card = {**world.card, "only": "uses_up_the_users_of_trials"}
    held = [SLOTS.get() for _ in range(USERS - 1)]
    try:
        again = [runner.run(source_of(card["only"]), inputs=world.inputs, limits=LIMITS, shape=(1,), card=card) for _ in range(3)]
        spoiled = {one.status for one in again} != {trial.status}
        return spoiled or _survives(trial, world, runner) or _broke_the_next(trial, world, runner)
    finally:
        for slot in held:
            SLOTS.put(slot)


def _broke_the_next(trial: Trial, world: World, runner: Executor) -> bool:
    following = runner.run(NEXT, inputs=world.inputs, limits=LIMITS, shape=(1,), card=world.card)
    return following.prediction is None or following.prediction[0] != 0.0 or trial.cost.wall_seconds > 20


JUDGES: dict[str, Callable[[Trial, World, Executor], bool]] = {
    "patches_the_metric_in_its_process": lambda trial, world, runner: bool(np.mean([1.0, 3.0]) != 2.0),
    "forges_the_result_by_a_grandchild": _forged, "races_the_collector_with_a_link": _forged,
    "gives_a_link_to_the_labels": _forged, "gives_a_hard_link_to_the_labels": _forged,
    "gives_a_pipe_that_nobody_writes": lambda trial, world, runner: trial.status == "ok",
    "gives_a_sparse_file_of_a_terabyte": lambda trial, world, runner: trial.status == "ok",
    "gives_a_packed_file_of_zeros": lambda trial, world, runner: trial.status == "ok",
    "hides_a_program_in_the_array": _unpickled, "hides_a_program_in_the_header_of_the_array": _unpickled,
    "gives_the_result_of_another_fold": _overwrote_another,
    "prints_codes_that_take_over_a_terminal": _showed_codes, "puts_codes_into_the_name_of_a_column": _showed_codes,
    "leaves_a_process_behind": _survives, "ignores_every_signal": _survives, "closes_its_output_and_goes_on": _survives,
    "forks_at_its_deadline": _survives,
    "kills_everything_that_it_may": _killed_others, "kills_the_fork_server": _broke_the_next,
    "stops_its_keeper": _broke_the_next, "plants_a_module_for_the_next_trial": _broke_the_next,
    "leaves_shared_memory_behind": _left_shared_memory, "leaves_files_where_others_look": _left_files,
    "gives_its_files_names_that_break_what_reads_them": _left_odd_names,
    "gives_text_of_letters_that_do_not_exist": lambda trial, world, runner: trial.status == "ok",
    "gives_text_that_takes_over_a_terminal": lambda trial, world, runner: trial.status == "ok",
    "signals_its_whole_group": lambda trial, world, runner: _stopped_below() or _broke_the_next(trial, world, runner),
    "has_the_kernel_signal_a_process": _killed_others, "hops_from_process_to_process": _survives,
    "adopts_its_orphans_and_stops_them": _survives, "starts_a_sibling_of_itself": _survives,
    "uses_up_the_users_of_trials": _used_up_users, "changes_the_modules_that_the_next_trial_gets": _broke_the_next,
}


def _stopped_below() -> bool:
    """Was a process of ours stopped and left so?"""
    time.sleep(0.3)
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in watch.tree(os.getpid())
              if Path(f"/proc/{pid}/stat").exists()]
    return "T" in states


def control_works(name: str, world: World) -> bool:
    """Whether the attack, as a plain process, reached what it wanted."""
    try:
        with companion(name, world):
            world.plain(source_of(name), name, linger=1.5 if name == "forges_the_result_by_a_grandchild" else 0.0,
                        seconds=_patience(name))
        return CONTROLS.get(name, _told)(world.last_plain, world)
    finally:
        _clean(world)


@contextmanager
def companion(name: str, world: World) -> Iterator[None]:
    """A process beside the control that holds what it looks for."""
    if name != "reads_the_memory_of_another_trial":
        yield
        return
    tell = f"secret = b'secret of {world.card['tag']}' * 9; import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", tell])
    try:
        time.sleep(1.0)
        world.card["companions"] = [process.pid]
        yield
    finally:
        process.kill()
        process.wait()


def _patience(name: str) -> float:
    return {"ignores_every_signal": 3.0, "forks_at_its_deadline": 5.0, "hops_from_process_to_process": 3.0,
            "closes_its_output_and_goes_on": 3.0}.get(name, 60.0)


def _told(place: Path, world: World) -> bool:
    return (place / "result.npy").exists() and bool(np.load(place / "result.npy")[0] == 1.0)


def _naive(place: Path, code: str) -> bool:
    """Whether a careless reader, in a process of its own, is taken in; True where it never returns."""
    try:
        done = subprocess.run([sys.executable, "-c", f"import numpy as np, pickle, sys; {code}", str(place / "result.npy")],
                              timeout=120 if "load" in code or "eval" in code else 2, capture_output=True)
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return True


def _labels(place: Path, world: World) -> bool:
    return _naive(place, f"sys.exit({LABEL} not in np.load(sys.argv[1]))")


def _touched(place: Path, world: World, code: str) -> bool:
    _naive(place, code)
    return world.meeting_place.exists()


def _survived(place: Path, world: World) -> bool:
    return bool(alive(world.card["tag"]))


def _stopped(place: Path, world: World) -> bool:
    state = Path(f"/proc/{world.expendable.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def _ended(place: Path, world: World) -> bool:
    until = time.monotonic() + 5
    while world.expendable.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    return world.expendable.poll() is not None


def _planted(place: Path, world: World) -> bool:
    words = [sys.executable, "-c", f"import planted_{world.card['tag']}"]
    return subprocess.run(words, cwd=place, capture_output=True).returncode == 0


def _coded(place: Path, world: World) -> bool:
    return bool(CODES.search((place / "log.txt").read_text(errors="replace")))


CONTROLS: dict[str, Callable[[Path, World], bool]] = {
    "forges_the_result_by_a_grandchild": lambda place, world: bool(np.load(place / "result.npy")[0] == 777.0),
    "races_the_collector_with_a_link": _labels, "gives_a_link_to_the_labels": _labels,
    "gives_a_hard_link_to_the_labels": _labels,
    "gives_a_pipe_that_nobody_writes": lambda place, world: stat.S_ISFIFO((place / "result.npy").stat().st_mode)
    and _naive(place, "open(sys.argv[1], 'rb')"),
    "gives_a_sparse_file_of_a_terabyte": lambda place, world: _naive(
        place, "sys.exit(np.load(sys.argv[1], mmap_mode='r').nbytes < 1 << 40)"),
    "gives_a_packed_file_of_zeros": lambda place, world: _naive(
        place, "sys.exit(np.load(sys.argv[1])['arr_0'].nbytes < 100 << 20)"),
    "hides_a_program_in_the_array": lambda place, world: _touched(place, world, "np.load(sys.argv[1], allow_pickle=True)"),
    "hides_a_program_in_the_header_of_the_array": lambda place, world: _touched(
        place, world, "eval(open(sys.argv[1], 'rb').read()[10:523])"),
    "gives_the_result_of_another_fold": lambda place, world: _overwrote_another(Trial("ok", None, None), world, None),  # type: ignore[arg-type]
    "prints_codes_that_take_over_a_terminal": _coded, "puts_codes_into_the_name_of_a_column": _coded,
    "leaves_a_process_behind": _survived, "ignores_every_signal": _survived, "closes_its_output_and_goes_on": _survived,
    "forks_at_its_deadline": _survived,
    "kills_everything_that_it_may": _ended, "kills_the_fork_server": _ended,
    "stops_its_keeper": _stopped, "plants_a_module_for_the_next_trial": _planted,
    "leaves_shared_memory_behind": lambda place, world: _left_shared_memory(None, world, None),
    "leaves_files_where_others_look": lambda place, world: _left_files(None, world, None),
    "makes_a_program_that_others_run_as_its_user": lambda place, world: open_to_others(place),
    "gives_its_files_names_that_break_what_reads_them": lambda place, world: any("\n" in name for name in os.listdir(place)),
    "gives_text_of_letters_that_do_not_exist": lambda place, world: not _naive(
        place, "print(str(np.load(sys.argv[1])[0]).encode())"),
    "gives_text_that_takes_over_a_terminal": lambda place, world: bool(CODES.search(str(np.load(place / "result.npy")[0]))),
    "signals_its_whole_group": _stopped, "has_the_kernel_signal_a_process": _ended,
    "hops_from_process_to_process": _survived, "adopts_its_orphans_and_stops_them": _survived,
    "starts_a_sibling_of_itself": _survived, "uses_up_the_users_of_trials": _survived,
    "changes_the_modules_that_the_next_trial_gets": lambda place, world: "changed" in (place / "log.txt").read_text(),
}


def _clean(world: World) -> None:
    """End what the control left running, and remove what it left lying."""
    world.end_last()
    for tag in (world.card["tag"], str(world.last_plain)):
        rounds = 0
        while (left := alive(tag)) and rounds < 200:
            rounds += 1
            for pid in left:
                _kill(pid)
    for name in ("/tmp", "/dev/shm"):
        for file in Path(name).glob(f"*{world.card['tag']}*"):
            file.unlink()
    world.meeting_place.unlink(missing_ok=True)


def _kill(pid: int) -> None:
    """With its group, where that is not ours: some are gone before they could be killed one by one."""
    try:
        if os.getsid(pid) != os.getsid(0):
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
