"""The loop: propose, run, grade, record, propose again, until the budget is spent."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from agent.blend import Blend
from agent.choices import Choices
from agent.counts import Counts, Reading
from agent.ensemble import MEMBERS, Ensemble, build
from agent.kit import baselines, pixels
from agent.layers import OPERATOR, due, second_layer
from agent.pictures import Batch, Pictures
from agent.playbook.policy import BY_HAND, Policy
from agent.pool import Pool
from agent.proposers import Proposer
from agent.racing import SLACK, Candidate, cannot_win, fold_score, is_behind, peers_of
from agent.shift import Shift, prediction_shift
from agent.solution import Solution
from agent.threads import Fit, Room, Threads, most_threads, slot_seconds
from agent.vectors import BLOCKS, Photographs, Piece, Sentences, Vectors, shared
from agent.view import View
from leaderboard.record import Entry, Record
from sandbox import Cost, Executor, Limits, Trial
from tasks.arrays import Arrays
from tasks.decision import choose_decision
from tasks.metrics import Metric, metric
from tasks.spec import Task
from tasks.submission import write_submission

BLEND_KEPT = 1.0      # seconds kept back for the last blend
UNVALIDATED = 2.0     # times what the folds took, that a fit on all rows may take
ALIKE = 0.25          # by how much the rows of two folds may differ for one to take over what the other chose
SHORTENED = 0.7       # of what its family took, that a model which is told its seconds makes do with
USUAL_COLUMNS = 100
GIB = 1 << 30

PRIOR = '''"""A constant: what to answer when nothing is known."""

from kit import baselines


def fit_predict(train, target, predict, task):
    return baselines.prior(train, target, predict, task)
'''


@dataclass(frozen=True)
class Setting:
    """What a run is given: the task, its arrays, where to write, how long, how wide."""

    task: Task
    arrays: Arrays
    folder: Path
    kit: Path
    run: str
    deadline: float
    started: float
    seed: int = 0
    slots: int = 2
    memory_bytes: int = 4 * GIB
    until: float | None = None
    device: str = "cpu"
    unsafe: bool = False
    policy: Policy = BY_HAND
    sentences: tuple[str, ...] = ()  # text columns whose vectors may be made
    photographs: tuple[str, ...] = ()  # image columns
    one_year: bool = False  # the test's season is that of no validated row: no blend may be scaled to theirs

    @property
    def fair_seconds(self) -> float:
        """What one fit of an entry may take, by the share of the run's processor time that an entry has. Rows of more than a
        hundred columns count for as many rows more."""
        part = self.policy.allocation.part(round(self.arrays.n_train * max(1.0, len(self.arrays.columns) / USUAL_COLUMNS)))
        return part * (self.deadline - self.started) * self.slots / self.arrays.fits


@dataclass
class State:
    """What the record says so far, with the arrays at hand."""

    entries: list[Entry] = field(default_factory=list)
    out_of_fold: dict[int, np.ndarray] = field(default_factory=dict)
    test: dict[int, np.ndarray] = field(default_factory=dict)
    fold_scores: dict[int, dict[int, float]] = field(default_factory=dict)
    ensemble: Ensemble | None = None
    blended: frozenset[int] = frozenset()
    blend_seconds: float = 0.0
    last_blend: tuple[float, int] = (0.0, 1)  # its seconds, and of how many members
    spent: list[float] = field(default_factory=list)  # processor seconds of each trial, those that read and those cut off too


@dataclass(frozen=True)
class Job:
    """One trial to run: a candidate on a fold."""

    candidate: Candidate
    fold: int
    seconds: float
    hints: Choices = field(default_factory=list)
    threads: int = 1


Read = Batch | Piece | Reading
Work = Job | Read


def compete(
    setting: Setting, *, record: Record, executor: Executor, proposer: Proposer, view: View,
    clock: Callable[[], float], state: State | None = None,
) -> State:
    """Run until the deadline (or `until`) and return the state; the submission on disk is always the best so far."""
    game = Game(setting, record, executor, proposer, view, clock, state or State())
    pool: Pool[Work] = Pool(setting.slots, game.run_trial)
    game.enter_prior()
    try:
        game.play(pool)
    finally:
        executor.cancel()
        pool.close()
    game.blend(final=True)
    game.state.spent.append(executor.start_cpu_seconds)
    return game.state


class Game:
    """The steps of the loop, over one run's state."""

    def __init__(
        self, setting: Setting, record: Record, executor: Executor, proposer: Proposer, view: View,
        clock: Callable[[], float], state: State,
    ) -> None:
        self.setting, self.record, self.executor = setting, record, executor
        self.proposer, self.view, self.clock, self.state = proposer, view, clock, state
        self.judge: Metric = metric(setting.task.metric)
        self.candidates: list[Candidate] = []
        self.number = max((entry.number for entry in state.entries), default=0) + 1
        self.card = json.loads((setting.folder / "data" / "card.json").read_text())
        self.vectors = vectors_of(setting)
        texts, images = (tuple(name for name, role in self.card["roles"].items() if role == kind) for kind in ("text", "image"))
        self.counts = Counts(setting.arrays, texts, memory_bytes=setting.memory_bytes)
        self.pictures = Pictures(setting.arrays, images, setting.task.assets_folder, memory_bytes=setting.memory_bytes,
                                 slots=setting.slots)
        self.held: list[Solution] = []  # they want vectors that are not there yet
        self.strange_files = False  # have been told of
        self.layers = sum(entry.operator == OPERATOR for entry in state.entries)
        self.closed: list[Entry] = []  # in the record, and not blended yet
        self.put_off: list[Solution] = []  # they miss the deadline unless they have all threads
        given = executor.threads if setting.device == "cpu" and setting.policy.threads else 1
        self.most_threads = most_threads(setting.slots, given, setting.arrays.n_train)
        self.threads = Threads.after(state.entries, slots=setting.slots, most=self.most_threads)

    def left(self) -> float:
        """Seconds until no trial may run: what the blend at the end takes beyond what is kept back for it is not there."""
        seconds, members = self.state.last_blend
        expected = seconds * min(len(usable(self.state)) + 1, MEMBERS) / members
        return self.setting.deadline - self.clock() - max(0.0, expected - BLEND_KEPT)

    def open(self) -> bool:
        """Is there time, and is the goal not reached?"""
        goal, ensemble = self.setting.until, self.state.ensemble
        reached = goal is not None and ensemble is not None and at_least(ensemble.honest, goal, self.judge)
        return self.left() > 0 and not reached

    def wait(self) -> bool:
        """With no trial in flight: whether the proposer has something coming, once it is here or the time is over."""
        return self.proposer.wait(self.left())

    def play(self, pool: Pool[Work]) -> None:
        """Run what is proposed until the time is over, the goal is reached, or nothing more comes."""
        while self.open():
            self.proposer.turn(self.state.entries)
            for job in self.next_jobs(pool.free):
                pool.start(job, slots=job.threads)
            if not self.settle() and not pool.running and not self.wait():
                break
            for job, trial in pool.finished(seconds=self.left()):
                self.take(job, trial)
        self.settle()

    def _piece(self) -> Piece | Reading | None:
        """Texts and images to be read now, once there is an entry beside the constant or all that is proposed waits for them."""
        begun = len(self.state.entries) > 1 or (bool(self.held) and not self.candidates)
        if begun and (reading := self.counts.next()) is not None:
            return reading
        for vectors in self.vectors:
            if vectors.pending and begun:
                piece = vectors.next(self.left())
                self._tell_of(vectors)
                if piece is not None:
                    return piece
        return None

    def _tell_of_files(self, trial: Trial) -> None:
        """Once a run, that there are files which are no images: they count as black ones."""
        said = next((line for line in trial.log.splitlines() if pixels.UNREADABLE in line), "")
        if said and not self.strange_files:
            self.strange_files = True
            self.view.note(f"{said}: taken for black ones")

    def _take_piece(self, piece: Piece, trial: Trial) -> None:
        self._tell_of_files(trial)
        for vectors in self.vectors:
            if vectors.reader.module == piece.reader.module:
                pending = vectors.pending
                vectors.take(piece, trial)
                if pending:
                    self._tell_of(vectors)

    def _tell_of(self, vectors: Vectors) -> None:
        if not vectors.pending:
            self.record.event(self.setting.run, "vectors", vectors.facts)
            self.view.note(vectors_line(vectors.facts))

    def enter_prior(self) -> None:
        """Entry 0: a constant, made here and now from the kit's own code, so that a submission exists at once."""
        if self.state.entries:
            return
        solution = Solution(PRIOR, "prior", "A constant is the mark that any model must beat", "prior",
                            seed=self.setting.seed)
        candidate, arrays = Candidate(0, solution, self.setting.arrays.fits, self.clock()), self.setting.arrays
        self.number = 1
        for fold in range(arrays.fits):
            labels = arrays.truth[arrays.folds[fold][0]] if fold < len(arrays.folds) else arrays.truth
            rows = pd.DataFrame(index=range(arrays.predict_rows(fold)))
            constant = baselines.prior(rows[:0], labels, rows, SimpleNamespace(**self.card))
            self.take(Job(candidate, fold, 0.0), Trial("ok", constant, Cost(0.0, 0.0, 0)))
        self._close(candidate)
        self.settle()

    def next_jobs(self, free: int) -> list[Work]:
        """As many as there are free slots; where there are fewer, their threads hold the slots that are left."""
        jobs: list[Work] = []
        while len(jobs) < free and (job := self.next_job()) is not None:
            jobs.append(job)
        fits = [job for job in jobs if isinstance(job, Job)]
        others = [job for job in jobs if not isinstance(job, Job)]
        counts = self.threads.shared(free - len(others), len(fits)) if fits else []
        return [*others, *(self._on(job, threads) for job, threads in zip(fits, counts, strict=True))]

    def next_job(self) -> Work | None:
        """The pixels of images, and nothing else until they are read: every entry wants them. Then what pretrained networks and
        counters read; the next fold of the oldest candidate, else the first of a new proposal."""
        piece = self.pictures.next(self.left()) or (None if self.pictures.pending else self._piece())
        if piece is not None or self.pictures.pending:
            return piece
        for candidate in self.candidates:
            if candidate.waiting:
                return self._job(candidate, candidate.waiting[0])
        if (room := self._room()) is None:
            return None
        while (solution := self._proposal()) is not None:
            if not room.itself and self._late(solution):
                room = Room(itself=self.setting.arrays.fits)
            candidate = Candidate(self.number, solution, self.setting.arrays.fits, self.clock(), room=room)
            self.number += 1
            if solution.failed:
                self._close(candidate)
                continue
            self.candidates.append(candidate)
            return self._job(candidate, candidate.waiting[0])
        return None

    def _room(self) -> Room | None:
        """What the next candidate is given; None while none may be begun."""
        measuring = any(candidate.room.single for candidate in self.candidates)
        room = self.threads.room(self.setting.arrays.fits, measuring=measuring)
        waits = room.itself or any(candidate.by_itself for candidate in self.candidates)
        return None if self.candidates and waits else room

    def run_trial(self, job: Work) -> Trial:
        """One trial in the sandbox; called from the pool's threads."""
        trial = self._fold(job) if isinstance(job, Job) else self._read(job)
        self.state.spent.append(trial.cost.cpu_seconds)
        return trial

    def _fold(self, job: Job) -> Trial:
        setting = self.setting
        inputs = fold_inputs(setting.task, setting.arrays, setting.kit, job.fold)
        rows, roles = setting.arrays.predict_rows(job.fold), self.card["roles"]
        if (upon := job.candidate.solution.upon) is not None:
            inputs["features"], roles = upon.file, {**roles, **dict.fromkeys(upon.columns, "numeric")}
        card = {**self.card, "roles": roles, "seed": job.candidate.solution.seed, "threads": job.threads,
                "device": setting.device, "seconds_left": round(job.seconds, 2), "hints": job.hints}
        limits = Limits(wall_seconds=max(0.5, min(self._patience(job), 2.5 * job.seconds + 5)), cpu_seconds=None,
                        memory_bytes=setting.memory_bytes, disk_bytes=GIB, threads=job.threads)
        return self.executor.run(job.candidate.solution.source, inputs=inputs, limits=limits,
                                 shape=(rows, *setting.arrays.prediction_width), card=card)

    def _read(self, piece: Read) -> Trial:
        """A trial that reads texts or images and is shown no labels: one target, of which it is given no value."""
        setting, seconds = self.setting, self.left()
        inputs = {"features": setting.arrays.data / "features.arrow", "fold": piece.folder, "kit": setting.kit}
        if setting.task.assets_folder:
            inputs["assets"] = setting.task.assets_folder
        if isinstance(piece, Batch):
            seconds, inputs["features"] = piece.seconds, piece.features
        limits = Limits(wall_seconds=max(0.5, seconds), memory_bytes=setting.memory_bytes, disk_bytes=GIB, threads=1)
        card = {**self.card, **piece.told, "targets": ["nothing"], "seed": setting.seed, "threads": 1,
                "device": setting.device, "seconds_left": round(seconds, 2)}
        return self.executor.run(piece.source, inputs=inputs, limits=limits, shape=piece.shape, card=card)

    def take(self, job: Work, trial: Trial) -> None:
        """Grade a finished trial; close its candidate when the race is over."""
        if isinstance(job, Reading):
            facts = {"reader": job.reader, "texts": len(job.keys), "cpu_seconds": round(trial.cost.cpu_seconds, 1)}
            return self.record.event(self.setting.run, "counts", {**facts, "kept": self.counts.take(job, trial)})
        if isinstance(job, Batch):
            self._tell_of_files(trial)
            told = self.pictures.take(job, trial)
            return self.record.event(self.setting.run, "pictures", told) if told else None
        if isinstance(job, Piece):
            return self._take_piece(job, trial)
        candidate, fold = job.candidate, job.fold
        rows = self.setting.arrays.validation_rows(fold)
        candidate.take(fold, trial, validation_rows=len(rows), hinted=bool(job.hints))
        if trial.status == "ok" and candidate.number:
            candidate.fits.append(Fit(fold, job.threads, bool(job.hints), self.setting.arrays.fit_rows(fold),
                                      round(trial.cost.wall_seconds, 3), round(trial.cost.cpu_seconds, 3)))
        self.view.trial(candidate.number, fold, trial.status)
        if len(candidate.validated.get(fold, ())):
            candidate.scores[fold] = fold_score(self.judge, self.setting.arrays.truth[rows], candidate.validated[fold])
            if candidate.waiting and (self._behind(candidate) or self._hopeless(candidate)):
                candidate.status = "stopped"
        if candidate.finished and candidate in self.candidates:
            self.candidates.remove(candidate)
            self._close(candidate)

    def blend(self, *, final: bool = False) -> float:
        """Build the ensemble anew and write its submission. Returns its gain in standard errors, 1 for the first one."""
        members = usable(self.state)
        if not self.setting.policy.blends:
            best = best_entry([entry for entry in self.state.entries if entry.number in members], self.judge)
            members = [best.number] if best else []
        if not members or frozenset(members) == self.state.blended:
            return 0.0
        before, begun = self.state.ensemble, self.clock()
        ensemble = self._build(members)
        self.state.ensemble, self.state.blended = ensemble, frozenset(members)
        self._submit(ensemble)
        self.record.event(self.setting.run, "ensemble", describe(ensemble, self.clock() - self.setting.started))
        self.view.ensemble(ensemble.score, ensemble.honest, dict(ensemble.blend.weights))
        taken = self.clock() - begun
        self.state.blend_seconds += taken
        self.state.last_blend = (taken, min(len(members), MEMBERS))
        return 1.0 if before is None else gain(before, ensemble, self.judge) / max(ensemble.standard_error, 1e-12)

    def _build(self, members: list[int]) -> Ensemble:
        arrays, validated = self.setting.arrays, self.setting.arrays.validated
        predictions = {number: self.state.out_of_fold[number][validated] for number in members}
        return build(self.judge, self.setting.task.kind, arrays.truth[validated], predictions, seed=self.setting.seed,
                     scaled=not self.setting.one_year, units=None if arrays.units is None else arrays.units[validated])

    def _unscored(self, number: int) -> Ensemble:
        """An entry alone, where the metric has no value on the validated rows: better a constant than no submission."""
        nothing, validated = float("nan"), self.setting.arrays.validated
        decision = choose_decision(self.judge, self.setting.arrays.truth[validated], self.state.out_of_fold[number][validated])
        return Ensemble(Blend("best single", "identity", {number: 1.0}), decision, nothing, nothing, nothing, {})

    def _submit(self, ensemble: Ensemble) -> None:
        setting = self.setting
        raw = ensemble.blend.apply({number: self.state.test[number] for number in ensemble.blend.weights})
        write_submission(setting.task, ensemble.decision.apply(raw), setting.folder / "submission.csv")
        write_json(setting.folder / "blend.json",
                   {"blend": ensemble.blend.to_json(), "decision": ensemble.decision.to_json()})

    def _proposal(self) -> Solution | None:
        """What the proposer wants next and can be finished in the time left; what wants vectors waits for them, and what would
        be late on one thread for its turn to have all."""
        for _ in range(6):
            solution = self._waiting() or self._layer() or self.proposer.propose(self.state.entries)
            if solution is not None and (wanting := self._wanting(solution)):
                self.held += [solution] if wanting <= {vectors.block for vectors in self.vectors if vectors.pending} else []
                continue
            if solution is None or solution.failed:
                return solution
            if self._fits(solution):
                if not (self.candidates and self._late(solution)):
                    return solution
                self.put_off.append(solution)
        return None

    def _layer(self) -> Solution | None:
        """A second layer upon the entries so far, where it is time for one."""
        setting = self.setting
        part = (self.clock() - setting.started) / (setting.deadline - setting.started)
        if not (setting.policy.layers and due(self.layers, part)):
            return None
        made = second_layer(self.layers, setting.arrays, self.state.entries, self.state.out_of_fold, self.state.test,
                            judge=self.judge, kind=setting.task.kind, seed=setting.seed,
                            foreign=[name for name, _ in setting.policy.tools])
        self.layers += made is not None
        if made is None or made.upon is None or self._fits(made):
            return made
        made.upon.file.unlink()
        return None

    def _waiting(self) -> Solution | None:
        """What waited for vectors that are there now; else, where nothing runs, what was put off."""
        for queue in (self.held, [] if self.candidates else self.put_off):
            for place, solution in enumerate(queue):
                if not self._wanting(solution):
                    return queue.pop(place)
        return None

    def _wanting(self, solution: Solution) -> set[str]:
        """The blocks of its recipe that look up vectors which are not there."""
        wanted = {block for block in BLOCKS if solution.recipe is not None and solution.recipe.has(block)}
        return wanted - {vectors.block for vectors in self.vectors if vectors.ready}

    def _fits(self, solution: Solution) -> bool:
        """Can it finish before the deadline, going by what its family has cost in this run? A model that is told its seconds
        makes do with less of them."""
        slots = min(self.setting.slots, self.setting.arrays.fits)
        part = SHORTENED if solution.looks and self._taken(solution.family) else 1.1
        return self._expected(solution) / slots * part < self.left()

    def _late(self, solution: Solution) -> bool:
        """Would it finish too late beside others?"""
        folds = self.setting.arrays.fits
        return self.threads.late(self._expected(solution) / folds, folds, self.left())

    def _expected(self, solution: Solution) -> float:
        """Seconds of one slot for all folds, by its family's entries so far; where there is none, half of the quickest one's."""
        known = self._taken(solution.family)
        return float(np.median(known)) if known else 0.5 * min(self._taken(), default=0.0)

    def _taken(self, family: str | None = None) -> list[float]:
        """Seconds of one slot that each completed entry took, of one family or of all."""
        done = [entry for entry in self.state.entries if entry.number and entry.status == "ok"]
        return [slot_seconds(entry) for entry in done if family in (None, entry.family)]

    def _job(self, candidate: Candidate, fold: int) -> Job:
        candidate.running.add(fold)
        hints = self._hints(candidate, fold)
        return Job(candidate, fold, self._seconds(candidate, fold, bool(hints), threads=1), hints)

    def _on(self, job: Job, threads: int) -> Job:
        """The trial on so many threads."""
        return replace(job, threads=threads, seconds=self._seconds(job.candidate, job.fold, bool(job.hints), threads=threads))

    def _seconds(self, candidate: Candidate, fold: int, told: bool, *, threads: int) -> float:
        """What a fold may take. Few fits use all of their threads: they get less time by the root of how many they are."""
        folds, rounds = candidate.folds, math.ceil((candidate.folds - len(candidate.validated)) * threads / self.setting.slots)
        part = 1.0
        if candidate.solution.looks and not self.setting.arrays.final:  # the fold that looks for the others takes two parts
            part = (1 if told else 2) * folds / (folds + 1)
        fair = min(part * self.setting.fair_seconds / threads**0.5, self.left() / max(1, rounds))
        least = max(self.setting.policy.allocation.shortest_trial, self._needed(candidate, fold, threads))
        return max(fair, min(least, self.left()))

    def _needed(self, candidate: Candidate, fold: int, threads: int) -> float:
        """Seconds for a fit that no fold validates, by what the folds took: cut shorter it would be another model."""
        arrays = self.setting.arrays
        if len(arrays.validation_rows(fold)) or not candidate.fits:
            return 0.0
        slowest = max(fit.wall_seconds * (fit.threads / threads)**0.5 for fit in candidate.fits)
        return UNVALIDATED * slowest * arrays.fit_rows(fold) / max(map(arrays.fit_rows, range(len(arrays.folds))))

    def _hints(self, candidate: Candidate, fold: int) -> Choices:
        """What another fold of the candidate chose that fits about as many rows."""
        if not self.setting.policy.hints:
            return []
        arrays = self.setting.arrays
        gaps = {other: abs(arrays.fit_rows(other) / arrays.fit_rows(fold) - 1) for other in candidate.found}
        nearest = min(gaps, key=gaps.__getitem__, default=None)
        most = ALIKE if len(arrays.validation_rows(fold)) else 2 * ALIKE  # time spent on looking is lost to the fit itself
        return candidate.found[nearest] if nearest is not None and gaps[nearest] <= most else []

    def _behind(self, candidate: Candidate) -> bool:
        rivals = [scores for number, scores in self.state.fold_scores.items() if number]
        if not rivals or candidate.number == 0:
            return False
        if (twin := self._twin(candidate)) is not None:
            return is_behind(self.judge, candidate.scores, twin)
        peers = peers_of(candidate.solution, self.state.entries)
        best = best_entry(self.state.entries, self.judge)
        prior = next((e.score for e in self.state.entries if e.number == 0 and e.score is not None), None)
        reach = abs(best.score - prior) if best and best.score is not None and prior is not None else float("inf")
        return cannot_win(self.judge, candidate.scores, rivals, peers=peers, reach=reach,
                          noise=best.spread or 0.0 if best else 0.0, stopping=self.setting.policy.stopping)

    def _twin(self, candidate: Candidate) -> Mapping[int, float] | None:
        """The fold scores of the entry that the candidate must beat, if there is one and it is complete."""
        if (recipe := candidate.solution.must_beat) is None:
            return None
        known = next((e for e in self.state.entries if e.params.get("recipe") == recipe.to_json()), None)
        return self.state.fold_scores.get(known.number) if known else None

    def _patience(self, job: Job) -> float:
        """Seconds that a trial may take: no more than its entry can still be finished by, but for the first of a run."""
        if not self._can_spare(job.candidate):
            return self.left()
        hints = self.setting.policy.hints
        return min(self.left(), job.candidate.patience(self.setting.slots, self.left(), hints=hints, threads=job.threads))

    def _hopeless(self, candidate: Candidate) -> bool:
        """Whether the folds that it lacks would end after the deadline: something quicker has the time instead."""
        arrays = self.setting.arrays
        rest = candidate.rest(self.setting.slots, [arrays.fit_rows(fold) for fold in range(candidate.folds)],
                              hints=self.setting.policy.hints)
        return self._can_spare(candidate) and rest > SLACK * self.left()

    def _can_spare(self, candidate: Candidate) -> bool:
        """Whether there is another entry than the constant, should nothing come of this one."""
        return candidate.number > 0 and any(self.state.fold_scores)

    def _close(self, candidate: Candidate) -> None:
        """Record the candidate as an entry. What it is worth is found out once the next trials run: no slot waits for a blend."""
        if candidate.status == "running":
            candidate.status = candidate.solution.failed or "ok"
        entry = self._entry(candidate)
        if candidate.solution.upon is not None:
            candidate.solution.upon.file.unlink(missing_ok=True)
        self.record.add_entry(entry)
        self.state.entries.append(entry)
        self._learn_of_threads()
        self.view.entry(entry, best_entry(self.state.entries, self.judge))
        if entry.number == 0 and entry.status == "invalid" and 0 in self.state.test:
            self._submit(self._unscored(0))
        self.closed.append(entry)

    def settle(self) -> bool:
        """Blend with what was closed, and tell the proposer whether that was a gain: of several at once the first's. Returns
        whether there was anything, since then there may be more to propose."""
        settled, self.closed = self.closed, []
        for entry in settled:
            gained = self.blend() if entry.status == "ok" and self._time_to_blend() else 0.0
            won = gained > self.setting.policy.allocation.worth
            self.proposer.observe(entry, won=won, gained=gained)
            self.record.event(self.setting.run, "observed",
                              {"entry": entry.number, "operator": entry.operator, "won": won, "gained": gained})
        return bool(settled)

    def _learn_of_threads(self) -> None:
        before = self.threads.known
        self.threads = Threads.after(self.state.entries, slots=self.setting.slots, most=self.most_threads)
        if (found := self.threads.known) is not None and before is None:
            self.record.event(self.setting.run, "threads", {**asdict(found), "pays": found.pays})
            self.view.note(str(found))

    def _time_to_blend(self) -> bool:
        elapsed = self.clock() - self.setting.started
        most = self.setting.policy.allocation.blend_share * max(elapsed, 10.0)
        return self.state.ensemble is None or self.state.blend_seconds < most

    def _entry(self, candidate: Candidate) -> Entry:
        """Write the candidate's files, then the entry that points to them."""
        folder = self.setting.folder / "entries" / str(candidate.number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "solution.py").write_text(candidate.solution.source)
        (folder / "log.txt").write_text(candidate.whole_log)
        score = self._keep_arrays(candidate, folder) if candidate.status == "ok" else None
        if score is None and candidate.status == "ok":
            candidate = replace(candidate, status="invalid")
        return entry_of(candidate, self.setting, folder, score=score, at=self.clock() - self.setting.started)

    def _keep_arrays(self, candidate: Candidate, folder: Path) -> float | None:
        """Join the folds; returns the mean of the fold scores under one decision step for all, None if undefined."""
        arrays = self.setting.arrays
        out_of_fold = np.full((arrays.n_train, *arrays.prediction_width), np.nan)
        for fold, values in candidate.validated.items():
            out_of_fold[arrays.validation_rows(fold)] = values
        test = np.mean([candidate.tested[fold] for fold in sorted(candidate.tested) if arrays.tests(fold)], axis=0)
        np.save(folder / "out_of_fold.npy", out_of_fold)
        np.save(folder / "test.npy", test)
        validated = arrays.validated
        decision = choose_decision(self.judge, arrays.truth[validated], out_of_fold[validated])
        parts = {fold: values for fold, values in candidate.validated.items() if len(values)}
        scores = {fold: self._fold_score(decision.apply(values), fold) for fold, values in parts.items()}
        self.state.out_of_fold[candidate.number], self.state.test[candidate.number] = out_of_fold, test
        self.state.fold_scores[candidate.number] = dict(candidate.scores)
        finite = [value for value in scores.values() if np.isfinite(value)]
        return float(np.mean(finite)) if finite else None

    def _fold_score(self, submitted: np.ndarray, fold: int) -> float:
        truth = self.setting.arrays.truth[self.setting.arrays.validation_rows(fold)]
        try:
            return self.judge.score(truth, submitted)
        except ValueError:
            return float("nan")


def fold_inputs(task: Task, arrays: Arrays, kit: Path, fold: int) -> dict[str, Path]:
    """What the trial of a fold is given to read."""
    data = arrays.data
    inputs = {"features": data / "features.arrow", "fold": data / f"fold-{fold}", "kit": kit, **shared(data)}
    return {**inputs, "assets": task.assets_folder} if task.assets_folder else inputs


def vectors_of(setting: Setting) -> list[Vectors]:
    """Of what the run has a pretrained network and columns for it to read."""
    made = []
    if setting.sentences:
        made.append(Vectors(setting.arrays, Sentences(), setting.sentences, slots=setting.slots))
    if setting.photographs and setting.task.assets_folder:
        made.append(Vectors(setting.arrays, Photographs(setting.task.assets_folder), setting.photographs, slots=setting.slots))
    return made


def vectors_line(facts: Mapping[str, Any]) -> str:
    """What became of the vectors of a run's sentences or images."""
    if not facts["ready"]:
        return f"vectors of {facts['count']} {facts['what']} would take too long: done without"
    return (f"vectors of {facts['count']} {facts['what']}, by the pretrained {facts['by']}, made once for all trials in "
            f"{facts['cpu_seconds']} processor seconds")


def usable(state: State) -> list[int]:
    """Entries that may be blended: complete, and the constant only while it is alone."""
    done = [entry.number for entry in state.entries if entry.status == "ok" and entry.number in state.out_of_fold]
    return [number for number in done if number] or done


def best_entry(entries: list[Entry], judge: Metric) -> Entry | None:
    """The entry with the best cross-validated score, the constant included."""
    scored = [entry for entry in entries if entry.status == "ok" and entry.score is not None]
    sign = 1.0 if judge.greater_is_better else -1.0
    return max(scored, key=lambda entry: sign * (entry.score or 0.0), default=None)


def at_least(value: float, goal: float, judge: Metric) -> bool:
    return value >= goal if judge.greater_is_better else value <= goal


def gain(before: Ensemble, after: Ensemble, judge: Metric) -> float:
    """How much the honest estimate improved, in units of the metric, larger is better."""
    return (after.honest - before.honest) * (1.0 if judge.greater_is_better else -1.0)


def describe(ensemble: Ensemble, at_seconds: float) -> dict[str, Any]:
    """The ensemble as the record's journal keeps it."""
    return {"at_seconds": at_seconds, "method": ensemble.blend.method, "score": ensemble.score,
            "honest": ensemble.honest, "standard_error": ensemble.standard_error,
            "weights": {str(number): weight for number, weight in ensemble.blend.weights.items()},
            "blend": ensemble.blend.to_json(), "decision": ensemble.decision.to_json(),
            "by_method": dict(ensemble.by_method)}


def entry_of(candidate: Candidate, setting: Setting, folder: Path, *, score: float | None, at: float) -> Entry:
    """A closed candidate as the record keeps it."""
    solution = candidate.solution
    scores = [candidate.scores[fold] for fold in sorted(candidate.scores)]
    written = solution.written
    costs = [*candidate.costs, *(written.costs if written else ())]
    params: dict[str, Any] = {"recipe": solution.recipe.to_json() if solution.recipe else None, "seed": solution.seed,
                              "isolation": "none" if setting.unsafe else "sandbox",
                              "fits": [fit.to_json() for fit in candidate.fits]}
    if candidate.status == "ok" and (shift := _shift(candidate, setting.arrays)):
        params["shift"] = shift.to_json()
    if solution.upon is not None:
        params["upon"] = solution.upon.to_json()
    if written:
        params |= {"model": written.model, "predicted": written.predicted, "seconds": written.seconds}
    return Entry(
        run=setting.run, number=candidate.number, source=solution.source, parents=solution.parents,
        operator=solution.operator, hypothesis=solution.hypothesis, family=solution.family, params=params,
        status=candidate.status, score=score, spread=float(np.nanstd(scores)) if np.isfinite(scores).any() else None,
        fold_scores=tuple(scores), cost_wall_seconds=sum(cost.wall_seconds for cost in costs),
        cost_cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        peak_memory_bytes=max((cost.memory_bytes for cost in costs), default=0),
        at_seconds=at, folder=str(folder), log=candidate.whole_log[-4000:],
        cost_tokens=written.tokens if written else 0, cost_dollars=written.dollars if written else 0.0,
    )


def _shift(candidate: Candidate, arrays: Arrays) -> Shift | None:
    """How the candidate's models see the test rows beside those they were validated on."""
    tested = {fold: values for fold, values in candidate.tested.items() if arrays.tests(fold)}
    units = None
    if arrays.units is not None:
        units = {fold: arrays.units[arrays.validation_rows(fold)] for fold in candidate.validated}
    return prediction_shift(candidate.validated, tested, units=units, test_units=arrays.test_units, forward=arrays.final)


def restore(setting: Setting, entries: list[Entry]) -> State:
    """The state that the record and the entries' files describe: how a killed run goes on."""
    state = State()
    for entry in entries:
        folder = Path(entry.folder)
        if entry.status == "ok" and (folder / "test.npy").exists():
            state.out_of_fold[entry.number] = np.load(folder / "out_of_fold.npy")
            state.test[entry.number] = np.load(folder / "test.npy")
            state.fold_scores[entry.number] = dict(enumerate(entry.fold_scores))
        state.entries.append(entry)
    return state


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1))
    os.replace(partial, path)
