"""How many threads a trial gets: rules fed with recorded seconds, then a real run whose last entry one thread cannot finish."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import TracebackType

import numpy as np
import pytest
from folders import prepared, rows, write_folder
from hypothesis import given
from hypothesis import strategies as st

from agent.ablation import without
from agent.compete import Setting, compete
from agent.playbook.policy import BY_HAND, Policy
from agent.pool import Pool
from agent.racing import SLACK
from agent.run import KIT
from agent.solution import Recipe, Solution
from agent.threads import (
    NO_ROOM,
    ROWS_A_THREAD,
    Comparison,
    Fit,
    Room,
    Threads,
    comparison,
    fits_of,
    most_threads,
    slot_seconds,
    threads_of,
)
from agent.view import Quiet
from leaderboard.record import Entry, Record
from sandbox import Cost, Executor, Limits, Trial
from sandbox.executors.local import Local
from tasks.arrays import Arrays
from tasks.spec import Task

FOUND = 'choice best_rounds={"learning_rate":0.1,"rounds":[100],"part":null}\n'
RUN, BUDGET = "r", 300.0
UNBLENDED = without(BY_HAND, ["ensemble"])
SOURCE = '''
import os

import numpy as np


def fit_predict(train, target, predict, task):
    print("threads", task.threads, os.environ["OMP_NUM_THREADS"])
    return np.full(len(predict), float(target.mean()))
'''


class Recorded:
    """An executor that runs nothing: each trial costs what was recorded for so many threads, and three times as much where it
    has to look for what others are told."""

    width, threads, gpus, start_cpu_seconds = 2, 2, 0, 0.0

    def __init__(self, seconds: Mapping[int, float]) -> None:
        self.seconds, self.lock, self.held, self.most_held = seconds, Lock(), 0, 0
        self.allowed: list[float] = []

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, object],
    ) -> Trial:
        assert card["threads"] == limits.threads
        with self.lock:
            self.allowed.append(limits.wall_seconds)
            self.held += limits.threads
            self.most_held = max(self.held, self.most_held)
        time.sleep(0.003)
        with self.lock:
            self.held -= limits.threads
        wall = self.seconds[limits.threads] * (1 if card["hints"] else 3)
        return Trial("ok", np.zeros(shape), Cost(wall, wall * limits.threads, 1), log=FOUND)

    def cancel(self) -> None:
        pass

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


class Priced(Local):
    """The real sandbox; what a trial costs is what was recorded, since on a busy machine two threads help nothing."""

    @property
    def threads(self) -> int:
        return 2

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, object],
    ) -> Trial:
        trial = super().run(source, inputs=inputs, limits=limits, shape=shape, card=card)
        wall = {1: 5.6, 2: 3.1}[limits.threads]
        return replace(trial, cost=Cost(wall, wall * limits.threads, 1))


class Scripted:
    """A proposer of so many solutions, of one family or `apart`. told: of models that take over what another fold has found."""

    def __init__(self, count: int, *, told: bool, apart: bool) -> None:
        recipes = [Recipe("boosters.lightgbm", params={"num_leaves": k}) if told else None for k in range(count)]
        self.solutions = [Solution(SOURCE, "portfolio", "x", f"scripted {k if apart else ''}", recipe=recipe)
                          for k, recipe in enumerate(recipes)]

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        return self.solutions.pop(0) if self.solutions else None

    def turn(self, entries: Sequence[Entry]) -> None:
        pass

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        return False


class Stopped(Quiet):
    """A view, and a clock that stands still but for what `time_after` says when an entry is in."""

    def __init__(self, time_after: Callable[[Entry], float] = lambda entry: 0.0) -> None:
        self.time_after, self.now = time_after, 0.0

    def entry(self, entry: Entry, best: Entry | None) -> None:
        self.now = self.time_after(entry)

    def clock(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Arrays]:
    """A task of just so many rows that two threads are worth while."""
    count = 2 * ROWS_A_THREAD
    train, test = rows(count), rows(20, first=count, seed=1)
    train["y"] = train["size"] + np.random.default_rng(2).normal(size=count)
    place = tmp_path_factory.mktemp("threads")
    task, _, _, arrays = prepared(write_folder(place / "task", train, test, test[["id"]].assign(y=0.5)), place / "run")
    return task, arrays


@pytest.fixture
def play(played: tuple[Task, Arrays], tmp_path: Path) -> Callable[..., list[Entry]]:
    """Runs so many scripted entries; returns those that the record has, the constant first."""
    task, arrays = played

    def run(
        executor: Executor, count: int, *, view: Stopped | None = None, policy: Policy = UNBLENDED, told: bool = True,
        apart: bool = False, slots: int = 2,
    ) -> list[Entry]:
        view, proposer = view or Stopped(), Scripted(count, told=told, apart=apart)
        setting = Setting(task, arrays, arrays.folder, KIT, RUN, deadline=BUDGET, started=0.0, slots=slots, policy=policy)
        with Record(tmp_path / "record.db") as record, executor:
            record.start_run(RUN, task="x", folder=str(arrays.folder), budget_seconds=BUDGET, seed=0, metric=task.metric,
                             greater_is_better=task.greater_is_better, settings={})
            compete(setting, record=record, executor=executor, proposer=proposer, view=view, clock=view.clock)
            return record.entries(RUN)
    return run


def threads(entry: Entry) -> list[int]:
    return [fit.threads for fit in sorted(fits_of(entry), key=lambda fit: fit.fold)]


def entry(number: int, *fits: Fit, status: str = "ok") -> Entry:
    return Entry(run=RUN, number=number, source="", parents=(), operator="x", hypothesis="x", family="x", status=status,
                 params={"fits": [fit.to_json() for fit in fits]}, score=None, spread=None, fold_scores=(),
                 cost_wall_seconds=1.0, cost_cpu_seconds=1.0, peak_memory_bytes=1, at_seconds=1.0, folder="", log="")


def measured(seconds_on_two: float) -> Entry:
    """An entry whose first fold looked, whose second had two threads, whose third had one beside others: 5.6 seconds."""
    return entry(2, Fit(0, 2, False, 900, 9.0, 17.0), Fit(1, 2, True, 900, seconds_on_two, 5.9), Fit(2, 1, True, 900, 5.6, 5.5))


def test_the_first_entry_is_run_both_ways_and_then_all_run_side_by_side(play: Callable[..., list[Entry]]) -> None:
    executor = Recorded({1: 5.6, 2: 3.1})
    made = play(executor, 6)
    known = comparison(made)
    assert known is not None and known.entry == 1 and known.speed_up == pytest.approx(5.6 / 3.1) and not known.pays
    assert threads(made[1]) == [2, 2, 1, 1, 1]
    assert all(set(threads(later)) == {1} for later in made[2:-1])  # beside the last one nothing waits
    assert executor.most_held == 2


def test_where_trials_slow_each_other_so_that_all_threads_give_more_folds_they_stay(play: Callable[..., list[Entry]]) -> None:
    executor = Recorded({1: 5.6, 2: 2.5})
    made = play(executor, 7)
    known = comparison(made)
    assert known is not None and known.pays and threads(made[1]) == [2, 2, 1, 1, 1]
    assert all(threads(later) == [2] * 5 for later in made[3:])  # the second was begun beside the first
    assert executor.most_held == 2


def test_without_threads_every_trial_has_one(play: Callable[..., list[Entry]]) -> None:
    made = play(Recorded({1: 1.0}), 3, policy=without(UNBLENDED, ["threads"]))
    assert len(made) == 4 and all(set(threads(known)) == {1} for known in made[1:])


def test_a_model_that_looks_for_nothing_is_compared_on_all_of_its_folds(play: Callable[..., list[Entry]]) -> None:
    made = play(Recorded({1: 5.6, 2: 3.1}), 3, told=False)
    known = comparison(made)
    assert known is not None and known.entry == 1 and known.speed_up == pytest.approx(5.6 / 3.1)
    assert threads(made[1]) == [2, 2, 1, 1, 1] and set(threads(made[2])) == {1}


def test_an_entry_that_one_thread_would_not_finish_has_two_in_a_real_run(play: Callable[..., list[Entry]]) -> None:
    """The time stands still, but for a jump: by what entries took so far, all threads then finish another one, one does not."""
    taken: list[Entry] = []

    def time_after(entry: Entry) -> float:
        taken.append(entry)
        if len(taken) < 4:
            return 0.0
        if threads(entry)[0] == 2:
            return BUDGET
        seconds = float(np.median([slot_seconds(known) for known in taken[1:]]))
        return BUDGET - 0.575 * seconds  # both slots, if never idle: 0.55 with the margin; three rounds of five folds: 0.6

    made = play(Priced(("numpy", "pandas", "pyarrow")), 12, view=Stopped(time_after), told=False)
    before, last = made[2:-1], made[-1]
    assert last.status == "ok" and threads(last)[0] == 2 and "threads 2 2" in last.log
    assert len(made) < 13 and all(set(threads(known)) == {1} for known in before[:2])


@pytest.mark.parametrize(("told", "left", "status", "folds", "allowed"), [
    (True, 22.0, "ok", 5, 22.0 * SLACK / 2.6),  # after 16.8 s for the fold that looked four of 6.7 are expected: 26.9
    (False, 50.0, "stopped", 1, 50.0 * SLACK / 5),  # four of 16.8: 67.2
])
def test_an_entry_that_can_no_longer_be_in_before_the_deadline_is_given_up(
    told: bool, left: float, status: str, folds: int, allowed: float, play: Callable[..., list[Entry]]
) -> None:
    executor = Recorded({1: 5.6, 2: 3.1})
    view = Stopped(lambda entry: BUDGET - left if entry.number else 0.0)
    made = play(executor, 2, view=view, told=told, apart=True, slots=1)
    assert [known.status for known in made] == ["ok", "ok", status] and len(fits_of(made[2])) == folds
    assert executor.allowed[5] == pytest.approx(allowed)


def test_nothing_is_begun_that_would_have_to_be_far_quicker_than_all_before_it(play: Callable[..., list[Entry]]) -> None:
    made = play(Recorded({1: 5.6, 2: 3.1}), 2, view=Stopped(lambda entry: BUDGET - 20.0 if entry.number else 0.0), apart=True,
                slots=1)
    assert len(made) == 2  # the first took 39.2 s


@pytest.mark.parametrize(("told", "left", "begun"), [(True, 30.0, True), (True, 25.0, False), (False, 70.0, False)])
def test_what_is_told_its_seconds_is_begun_with_less_than_its_family_took(
    told: bool, left: float, begun: bool, play: Callable[..., list[Entry]],
) -> None:
    made = play(Recorded({1: 5.6, 2: 3.1}), 2, view=Stopped(lambda entry: BUDGET - left if entry.number else 0.0), told=told,
                slots=1)
    assert (len(made) == 3) == begun, slot_seconds(made[1])


def test_the_first_entry_beside_the_constant_has_all_the_time_that_is_left(play: Callable[..., list[Entry]]) -> None:
    executor = Recorded({1: 5.6, 2: 3.1})
    made = play(executor, 1, view=Stopped(lambda entry: BUDGET - 6.0), slots=1)
    assert [known.status for known in made] == ["ok", "ok"] and executor.allowed[0] == 6.0


@pytest.mark.parametrize(("seconds", "room"), [(3.1, NO_ROOM), (2.9, NO_ROOM), (2.7, NO_ROOM), (2.5, Room(5, 5))])
def test_all_threads_stay_only_where_they_give_more_folds_a_second_beyond_noise(seconds: float, room: Room) -> None:
    entries = [entry(0), entry(1, Fit(0, 2, False, 900, 9.0, 17.0)), measured(seconds)]
    assert Threads.after(entries, slots=2, most=2).room(5) == room
    found = comparison(entries)
    assert found is not None and (found.alone, found.beside) == (pytest.approx(seconds), pytest.approx(5.6))
    assert ("one after another" in str(found)) == bool(room.single)


@pytest.mark.parametrize(("fits", "most"), [
    ((Fit(0, 2, False, 900, 9.0, 17.0),), 2),
    ((Fit(0, 2, False, 900, 9.0, 8.8),), 1),  # only one processor was there for it
    ((Fit(1, 2, True, 900, 3.1, 5.9), Fit(2, 1, True, 900, 5.6, 5.5)), 2),
    ((Fit(1, 2, True, 900, 6.0, 9.9), Fit(2, 1, True, 900, 5.6, 5.5)), 1),  # the threads waited for each other
    ((), 2),
])
def test_where_more_threads_end_a_fold_no_sooner_no_trial_has_them(fits: Sequence[Fit], most: int) -> None:
    assert Threads.after([entry(0), entry(1, *fits)], slots=2, most=2).most == most


def test_folds_of_other_sizes_are_compared_by_the_row() -> None:
    fits = (Fit(1, 2, True, 500, 1.0, 2.0), Fit(2, 1, True, 1000, 4.0, 4.0))
    found = comparison([entry(1, *fits)])
    assert found is not None and found.speed_up == pytest.approx(2.0)


def test_a_fold_that_looked_is_not_compared_with_one_that_was_told() -> None:
    assert comparison([entry(1, Fit(0, 2, False, 900, 9.0, 17.0), Fit(1, 1, True, 900, 5.6, 5.5))]) is None


def test_the_search_for_a_comparison_ends() -> None:
    def room(*entries: Entry, most: int = 2, measuring: bool = False) -> Room:
        return Threads.after(entries, slots=2, most=most).room(5, measuring=measuring)

    failed = [entry(number, status="error") for number in range(1, 5)]
    assert room() == room(entry(1)) == room(*failed) == Room(2, 2)
    assert room(*failed, entry(5)) == room(measuring=True) == room(most=1) == NO_ROOM


@pytest.mark.parametrize(("slots", "seconds", "left", "late"), [
    (2, 10.0, 31.0, False), (2, 10.0, 29.0, True), (4, 10.0, 21.0, False), (4, 10.0, 19.0, True), (8, 10.0, 19.0, True),
])
def test_an_entry_is_late_where_its_rounds_on_one_thread_pass_the_deadline(
    slots: int, seconds: float, left: float, late: bool,
) -> None:
    assert Threads(slots, slots).late(seconds, 5, left) == late
    assert not Threads(slots, 1).late(seconds, 5, left)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_threads_never_hold_more_slots_than_are_free_and_leave_none_that_they_may_have(free: int, trials: int, most: int) -> None:
    trials = min(free, trials)
    shared = Threads(64, most).shared(free, trials)
    assert len(shared) == trials and min(shared) >= 1 and sum(shared) <= free
    assert sum(shared) == free or max(shared) == most


def test_the_pool_holds_a_slot_for_each_thread() -> None:
    pool: Pool[str] = Pool(3, lambda job: Trial("ok", None, Cost(0.0, 0.0, 0)))
    pool.start("wide", slots=2)
    assert pool.free == 1
    with pytest.raises(ValueError, match="2 threads for 1 free"):
        pool.start("another", slots=2)
    assert [job for job, _ in pool.finished(seconds=10.0)] == ["wide"] and pool.free == 3


def test_small_tables_and_narrow_executors_have_one_thread_a_trial() -> None:
    assert most_threads(8, 8, ROWS_A_THREAD) == 1 == most_threads(8, 1, 10**6) == most_threads(1, 8, 10**6)
    assert most_threads(8, 4, 10**6) == 4 and most_threads(8, 16, 3 * ROWS_A_THREAD) == 3


def test_the_report_says_what_was_measured_and_what_each_fold_had() -> None:
    assert threads_of(measured(3.1)) == "2 2 1" and threads_of(entry(3, Fit(0, 1, False, 9, 1.0, 1.0))) == "1"
    assert threads_of(entry(0)) == ""
    assert str(Comparison(2, 2, 3.1, 5.6)) == (
        "a fold of entry 2 took 3.1 s on 2 threads and 5.6 s on one beside others: side by side gives more")
