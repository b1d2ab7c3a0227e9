"""A run from start to finish: read the task, plan its validation, compete, grade, report, export."""

import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from agent import foundation
from agent.ablation import COLD, without
from agent.attach import ANSWERS, PAGE, READING_SECONDS, READING_SHARE, Choice, Mind
from agent.compete import Setting, State, best_entry, compete, restore, vectors_line
from agent.export import export
from agent.kit import backbone, groups, history, likeness, recommend, sentences, signal, sound
from agent.kit.encoders import code_levels, parted_columns
from agent.kit.images import grid
from agent.kit.sequences import sequence_columns
from agent.playbook.bundle import read
from agent.playbook.policy import Policy, policy_in
from agent.playbook.store import Store
from agent.playbook.tools import kit_of
from agent.portfolio import SEVERAL_COLUMNS
from agent.prompting.data_card import data_card
from agent.proposers import Proposer
from agent.proposers.embedded import Embedded
from agent.report import explain, write_report
from agent.shift import told_shift
from agent.traits import Traits
from agent.view import View
from leaderboard.alive import alive
from leaderboard.grade import Grade, grade
from leaderboard.record import Record
from leaderboard.reference import competitors, rank
from sandbox import Cluster, Executor
from sandbox import executor as make_executor
from tasks.arrays import Arrays, load_arrays, load_plan, write_arrays
from tasks.metrics import metric
from tasks.spec import Task, load, load_task
from tasks.tables import LETTERS, TaskError, as_amounts, as_dates, survey, typed
from tasks.validation import Plan, design

UNSAFE = "NO SANDBOX (--unsafe-no-sandbox): generated code ran with all rights of this user, so no figure here can be trusted"
KIT = Path(__file__).parent / "kit"
CATALOG = Path(__file__).parent.parent / "tasks" / "catalog"
PANEL_ROWS = 200_000  # of more nobody asks what rows are of
NAMES_READ = 2_000


@dataclass(frozen=True)
class Options:
    """What a user may set; everything else derives from the budget."""

    budget: float = 300.0
    seed: int = 0
    slots: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))  # 0: as many as the executor runs at once
    memory_bytes: int = 4 << 30
    until: float | None = None
    executor: str = "local"
    cluster: Cluster | None = None
    device: str = "auto"  # cpu, cuda
    without: tuple[str, ...] = ()  # parts of the agent, see agent/ablation.py
    unsafe: bool = False
    answers: Path | None = None
    submissions_a_day: int = 0  # of ours that Kaggle is sent at most; 0: none at all
    llm: Choice = field(default_factory=Choice)
    playbook: Path = field(default_factory=lambda: Store().folder("current"))  # the folder of a version

    @cached_property
    def policy(self) -> Policy:
        return without(policy_in(self.playbook), self.without)

    @property
    def seconds(self) -> float:
        """Processor seconds that the run has, all slots together."""
        return self.budget * max(1, self.slots)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: str
    folder: Path
    task: str
    metric: str
    entries: int
    completed: int
    best_entry: int | None
    cross_validated: float | None
    spread: float | None
    ensemble: float | None
    honest: float | None
    honest_standard_error: float | None
    public: float | None
    private: float | None
    private_standard_error: float | None
    rank: int | None
    rivals: int
    beaten: tuple[str, ...]
    seconds: float
    llm: Mapping[str, Any] | None = None
    unsafe: bool = False
    cpu_seconds: float = 0.0  # of this process, of all trials, and of the sandbox's start
    shift: Mapping[str, Any] | None = None  # how the blend's largest member sees test rows beside validated ones

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}

    def rows(self) -> list[tuple[str, str]]:
        """The closing table, as (name, value)."""
        return [
            *([("SANDBOX", UNSAFE)] if self.unsafe else []),
            ("entries tried", f"{self.entries} ({self.completed} completed)"),
            ("best entry, cross-validated", f"{_number(self.cross_validated)} (entry {self.best_entry})"),
            ("ensemble, cross-validated", _number(self.ensemble)),
            ("honest estimate", _with_error(self.honest, self.honest_standard_error)),
            *([("test rows", f"predicted otherwise than validated rows: {told}")] if (told := told_shift(self.shift)) else []),
            ("public score", _number(self.public)),
            ("private score", _with_error(self.private, self.private_standard_error)),
            ("rank among reference competitors", f"{self.rank} of {self.rivals + 1}" if self.rank else "no reference"),
            ("beaten", ", ".join(self.beaten) or "none"),
            *([("language model", _model_line(self.llm))] if self.llm else []),
            ("wall clock", f"{self.seconds:.1f} s"),
            ("files", str(self.folder)),
        ]


@dataclass(frozen=True)
class Preparation:
    """What is known of a task before any model exists."""

    task: Task
    plan: Plan
    roles: Mapping[str, str]
    traits: Traits
    train: pd.DataFrame
    test: pd.DataFrame
    sentences: tuple[str, ...] = ()  # text columns whose vectors may be made
    photographs: tuple[str, ...] = ()  # image columns
    weights: Path | None = None  # of a pretrained model for tables


def prepare(folder: Path, options: Options, *, mind: Mind | None = None) -> Preparation:
    """Read the task, say what each column is, design the validation, with a model's hints where the data bear them out."""
    task, tables = load(folder)
    train, test = tables.train, tables.test
    found = survey(train, test, id=task.id, targets=task.targets, text=task.text, assets=task.assets_folder)
    if mind:
        mind.reader.begin(task, found.roles, train, test)
    plan = design(task, train, test, found.roles, seed=options.seed, seconds=options.seconds)
    if mind:
        task, plan = _with_hints(task, plan, mind, train, test, found.roles, options)
    notes = (*task.inferred, *found.notes, *(f"{name} is left out: {why}" for name, why in found.dropped.items()))
    texts = sentence_columns(found.roles, train)
    weights = foundation.found(task.kind, len(task.classes))
    images = image_columns(found.roles, train)
    traits = traits_of(task, plan, found.roles, train, test, sentences=bool(texts), photographs=bool(images),
                       pretrained=weights is not None)
    return Preparation(replace(task, inferred=notes), plan, found.roles, traits, train, test, texts, images, weights)


def _with_hints(
    task: Task, plan: Plan, mind: Mind, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], options: Options,
) -> tuple[Task, Plan]:
    """The task and the plan after a model's hints on validation; a reading that takes longer than a little is not waited for."""
    seconds = min(READING_SECONDS, READING_SHARE * options.budget)
    revised = mind.reader.revised(task, plan.to_json(), train, test, seconds=seconds)
    if (revised.group, revised.time) == (task.group, task.time):
        return revised, plan
    try:
        return revised, design(revised, train, test, roles, seed=options.seed, seconds=options.seconds)
    except TaskError:  # what a column's values allow is the plan's to say
        return task, plan


@dataclass(frozen=True)
class Begun:
    """A run that is in the record, its data written out: all but the competing."""

    setting: Setting
    known: Preparation
    plan: Mapping[str, Any]
    mind: Mind | None


def begin(
    folder: Path, options: Options, *, record: Record, runs: Path, started: float, clock: Callable[[], float],
    going_on: ExitStack,
) -> Begun:
    """Read the task, design and write the folds, open the run in the record: it goes on until `going_on` is closed."""
    run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    mind = _mind(options, run, runs, record, folder, started, clock)
    known = prepare(folder, options, mind=mind)
    place = runs.resolve() / known.task.name / run
    arrays = write_arrays(known.task, known.train, known.test, known.plan, dict(known.roles), place, seed=options.seed)
    going_on.enter_context(alive(run, place))
    record.start_run(run, task=known.task.name, folder=str(place), budget_seconds=options.budget, seed=options.seed,
                     metric=known.task.metric, greater_is_better=known.task.greater_is_better,
                     settings=_settings(options, folder, known))
    if known.weights:
        record.event(run, "weights", foundation.lay_ready(known.weights, known.task.kind, arrays.data))
    plan = load_plan(place)
    (place / PAGE).write_text(data_card(known.task, known.roles, known.train, known.test, plan), encoding="utf-8")
    return Begun(_setting(known.task, arrays, run, options, started=started, texts=known.sentences,
                          images=known.photographs), known, plan, mind)


def start(
    folder: Path, options: Options, *, runs: Path, view: View, started: float,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """A new run of the task in `folder`. `started`: the clock's time from which the budget counts."""
    with _executor(options) as executor, open_record(runs) as record, ExitStack() as going_on:
        options = settled(options, executor)
        begun = begin(folder, options, record=record, runs=runs, started=started, clock=clock, going_on=going_on)
        known, setting, mind = begun.known, begun.setting, begun.mind
        view.start(known.task, begun.plan, options.budget)
        proposer: Proposer = Embedded(known.traits, seed=options.seed, greater_is_better=known.task.greater_is_better,
                                      priors=operator_priors(record), policy=options.policy)
        if mind:
            proposer, setting = mind.join(proposer, setting, executor=executor, traits=known.traits)
        state = compete(setting, record=record, executor=executor, proposer=proposer, view=view, clock=clock)
        return finish(setting, record, state, options, begun.plan, view, clock, mind=mind)


def go_on(
    run: str | None, *, runs: Path, budget: float | None, view: View, started: float,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Resume a run from its record: nothing is lost but the trials that were in flight."""
    with open_record(runs) as record, ExitStack() as going_on:
        known = record.latest(run, unfinished=run is None)
        going_on.enter_context(alive(known.run, Path(known.folder)))
        options = _options(known.settings, budget or known.budget_seconds)
        folder = Path(known.settings["folder"])
        task = load_task(folder)
        arrays, plan = load_arrays(Path(known.folder)), load_plan(Path(known.folder))
        entries = record.entries(known.run)
        spent = max((entry.at_seconds for entry in entries), default=0.0)
        setting = _setting(task, arrays, known.run, options, started=started - spent,
                           texts=tuple(known.settings.get("sentences", ())),
                           images=tuple(known.settings.get("photographs", ())))
        traits = Traits(**known.settings["traits"])
        mind = _mind(options, known.run, runs, record, folder, setting.started, clock)
        proposer: Proposer = Embedded(traits, seed=options.seed, greater_is_better=task.greater_is_better,
                                      priors=operator_priors(record), policy=options.policy)
        view.start(task, plan, options.budget)
        with _executor(options) as executor:
            options = settled(options, executor)
            setting = replace(setting, slots=options.slots, device=options.device)
            if mind:
                proposer, setting = mind.join(proposer, setting, executor=executor, traits=traits)
            seen = {event["entry"]: event for event in record.events(known.run, "observed")}
            for entry in entries:
                told = seen.get(entry.number, {})
                proposer.observe(entry, won=told.get("won", False), gained=told.get("gained", 0.0))
            record.reopen_run(known.run)
            state = compete(setting, record=record, executor=executor, proposer=proposer, view=view, clock=clock,
                            state=restore(setting, entries))
        return finish(setting, record, state, options, plan, view, clock, mind=mind)


def _mind(
    options: Options, run: str, runs: Path, record: Record, folder: Path, started: float, clock: Callable[[], float],
) -> Mind | None:
    """The run's language model, if one was asked for. A replay also knows the answers of the latest run of this task, wherever
    its folder lay."""
    if not options.llm.models:
        return None
    same = record.runs(load_task(folder).name) if options.llm.replay else []
    earlier = [Path(known.folder) / ANSWERS for known in same if known.run != run]
    answers = next((place for place in reversed(earlier) if any(place.glob("*.md"))), None)
    return Mind(options.llm, run=run, runs=runs, kit=KIT, seed=options.seed, deadline=started + options.budget, clock=clock,
                answers=answers, playbook=options.playbook)


def finish(
    setting: Setting, record: Record, state: State, options: Options, plan: Mapping[str, Any], view: View,
    clock: Callable[[], float], *, mind: Mind | None = None,
) -> Outcome:
    """Grade the submission if the answers are at hand, write report and solution, close the run."""
    graded = grade(setting.task, setting.folder / "submission.csv", options.answers,
                   units=setting.arrays.test_units) if options.answers else None
    outcome = _outcome(setting, state, graded, clock() - setting.started)
    if mind:
        outcome = replace(outcome, llm=mind.facts(state.entries, state.ensemble.blend.weights if state.ensemble else {}))
    for kind, value in (("public", outcome.public), ("private", outcome.private)):
        if value is not None:
            record.add_score(setting.run, kind, value)
    _export(setting, state)
    record.finish_run(setting.run, status="finished", summary=outcome.to_json())
    _report(setting, record, state, plan, outcome)
    view.finish(outcome.rows())
    return replace(outcome, seconds=clock() - setting.started, cpu_seconds=round(time.process_time() + sum(state.spent), 2))


def _export(setting: Setting, state: State) -> None:
    """solution/: the ensemble's members with all that rebuilds the submission elsewhere."""
    if state.ensemble is None:
        return
    blend = state.ensemble.blend
    export(setting.folder, task=setting.task, arrays=setting.arrays, entries=state.entries, blend=blend,
           decision=state.ensemble.decision, kit=setting.kit, seconds=setting.fair_seconds)


def _report(setting: Setting, record: Record, state: State, plan: Mapping[str, Any], outcome: Outcome) -> None:
    validated, facts = setting.arrays.validated, outcome.to_json()
    blended = None
    if state.ensemble is not None:
        members = {number: state.out_of_fold[number][validated] for number in state.ensemble.blend.weights}
        blended = state.ensemble.blend.apply(members)
    rivals = [(rival.name, rival.private) for rival in competitors(CATALOG / setting.task.name / "field.csv")]
    write_report(
        setting.folder / "report.html", task=setting.task, plan=plan, outcome=facts, entries=state.entries,
        ensembles=record.events(setting.run, "ensemble"), truth=setting.arrays.truth[validated] if blended is not None
        else None, out_of_fold=blended, rivals=rivals, warnings=[*([UNSAFE] if outcome.unsafe else []), *explain(facts, plan),
                  *(f"There are {vectors_line(made)}." for made in record.events(setting.run, "vectors") if made["ready"]),
                  *(_weights_line(made, state) for made in record.events(setting.run, "weights"))],
    )


def _weights_line(made: Mapping[str, Any], state: State) -> str:
    """Which entries asked a pretrained model for tables, and whether the blend listens to one."""
    asked = [entry.number for entry in state.entries if entry.family == foundation.NAME and entry.status == "ok"]
    heard = [number for number in asked if state.ensemble and number in state.ensemble.blend.weights]
    used = f"entries that asked it: {', '.join(map(str, asked))}, in the blend: {', '.join(map(str, heard)) or 'none'}"
    return (f"The weights of a pretrained model for tables, TabICL, were present ({made['file']}, sha256 {made['sha256'][:16]}); "
            f"{used if asked else 'no entry that asked it was completed'}.")


def plan_only(folder: Path, options: Options) -> dict[str, Any]:
    """What a run would do and cost; nothing is run."""
    known = prepare(folder, options)
    moves = options.policy.portfolio.moves(known.traits, options.seed)
    options = settled(options, _executor(options))
    part = options.policy.allocation.part(len(known.train))
    fair = part * options.budget * options.slots  # processor seconds
    return {
        "task": f"{known.task.title} ({known.task.kind}, {known.task.metric})",
        "rows": f"{len(known.train)} train, {len(known.test)} test, {known.traits.columns} feature columns",
        "inferred": list(known.task.inferred),
        "validation": list(known.plan.reasons),
        "playbook": options.playbook.name,
        "portfolio": [recipe.family + "".join(f" + {block.name}" for block in recipe.blocks) for recipe, _ in moves],
        "trials at once": options.slots,
        "longest entry": f"{fair:.0f} processor seconds, {fair / len(known.plan.folds):.0f} a fold",
        "expected entries": f"at least {math.floor(1 / part)}, a few hundred where a fold takes a second",
        "memory": f"at most {options.slots * options.memory_bytes / 2**30:.1f} GiB in trials",
        "budget": f"{options.budget:g} s of wall clock",
    }


def operator_priors(record: Record) -> dict[str, tuple[float, float]]:
    """Wins and losses of each operator over every run in the record."""
    counts: dict[str, tuple[float, float]] = {}
    for run in record.runs():
        for event in record.events(run.run, "observed"):
            wins, losses = counts.get(event["operator"], (0.0, 0.0))
            counts[event["operator"]] = (wins + event["won"], losses + (not event["won"]))
    return counts


def traits_of(
    task: Task, plan: Plan, roles: Mapping[str, str], train: pd.DataFrame, test: pd.DataFrame, *, sentences: bool = False,
    photographs: bool = False, pretrained: bool = False,
) -> Traits:
    """Sizes and kinds of the data, for the proposers. sentences: whether a text column is one of sentence_columns.
    photographs: whether there are image_columns. pretrained: whether the weights of a pretrained model for tables are present."""
    levels = [train[name].nunique() for name, role in roles.items() if role == "categorical"]
    codes = list(_codes(roles, train, test).values())
    card = {"kind": task.kind, "metric": task.metric, "classes": task.classes, "targets": task.targets, "roles": roles,
            "group": plan.group, "time": plan.time}
    heard = any(_is_sound(train[name]) for name, role in roles.items() if role == "image")
    known, features = SimpleNamespace(**card), train[list(roles)]
    spelled = train[[name for name, role in roles.items() if role in ("text", "categorical")]]
    pixels = bool(grid(features, known))
    return Traits.of(card, rows=len(train), top_levels=max(levels + codes, default=0), forward=plan.scheme == "forward",
                     coded=len(codes), pixels=pixels, sound=heard,
                     paired=recommend.pair_of(features, test[list(roles)], known) is not None,
                     channels=0 if pixels else len(signal.channels(features, known)), counted=_is_counted(task, train),
                     sentences=sentences, photographs=photographs, one_year=plan.one_year, pretrained=pretrained,
                     parted=bool(parted_columns(spelled, known)), sequences=bool(sequence_columns(spelled, known)),
                     alike=bool(likeness.pairs_of(spelled, known)), same=bool(likeness.same_levels(spelled, known)),
                     names=are_names(roles, train),
                     panel=plan.scheme in ("random", "stratified") and _is_panel(roles, train, test, known))


def are_names(roles: Mapping[str, str], train: pd.DataFrame) -> bool:
    """Whether all texts are names of a word or three, which mostly tell nothing, beside a dozen other columns that may."""
    texts = [train[name].dropna().head(NAMES_READ).astype("str") for name, role in roles.items() if role == "text"]
    if not texts or len(roles) - len(texts) < SEVERAL_COLUMNS:
        return False
    return all(len(text) and text.str.fullmatch(LETTERS).mean() >= 0.8 and text.str.count(r"\s+").mean() < 2.5 for text in texts)


def _is_panel(roles: Mapping[str, str], train: pd.DataFrame, test: pd.DataFrame, known: SimpleNamespace) -> bool:
    """Whether rows are of things at moments, by lot in train and in test, and the target of a thing has something of the moment
    before; of very many rows nobody asks."""
    timed = any(role == "datetime" or (role == "numeric" and groups.rank(name) is not None) for name, role in roles.items())
    if not timed or len(train) > PANEL_ROWS:
        return False
    told = {name: role for name, role in roles.items() if role in ("categorical", "datetime", "numeric")}
    both = typed(train, test, told)
    found = history.things(both[: len(train)], both[len(train) :], known)
    return any(history.goes_on(both[: len(train)], train[list(known.targets)], one) for one in found)


def sentence_columns(roles: Mapping[str, str], train: pd.DataFrame) -> tuple[str, ...]:
    """Text columns whose meaning a pretrained transformer can read; none where its weights are not installed."""
    texts = [name for name, role in roles.items() if role == "text"] if sentences.available() else []
    return tuple(name for name in texts if sentences.readable(train[name]))


def image_columns(roles: Mapping[str, str], train: pd.DataFrame) -> tuple[str, ...]:
    """Columns of paths, which a network trained on photographs can look at; none where its weights are not installed. What it
    sees in spectrograms is worth less than their loudness by band."""
    images = [name for name, role in roles.items() if role == "image"] if backbone.available() else []
    return tuple(name for name in images if not _is_sound(train[name]))


def _is_sound(paths: pd.Series) -> bool:
    return any(str(path).endswith(sound.SUFFIX) for path in paths.head(100))


def _is_counted(task: Task, train: pd.DataFrame) -> bool:
    """Whether the target is an amount whose spread grows with its mean: never negative, skewed, whole or often zero."""
    if task.kind != "regression" or task.metric not in ("rmse", "mse", "r2"):
        return False
    values = train[task.targets[0]].to_numpy(dtype=float)
    uneven = float(values.mean()) > 1.2 * float(np.median(values))
    return bool(values.min() >= 0 and uneven and ((values == 0).mean() > 0.02 or (values == np.floor(values)).all()))


def _codes(roles: Mapping[str, str], train: pd.DataFrame, test: pd.DataFrame) -> dict[str, int]:
    """Levels of the numbers and times that look like codes."""
    if len(roles) > 1000:
        return {}
    numbers = [name for name, role in roles.items() if role == "numeric"]
    times = [name for name, role in roles.items() if role == "datetime"]
    dates = {name: (as_dates(train[name]), as_dates(test[name])) for name in times}
    known = {name: pair for name, pair in dates.items() if pair[0] is not None and pair[1] is not None}
    left = {name: as_amounts(train[name]) for name in numbers} | {name: pair[0] for name, pair in known.items()}
    right = {name: as_amounts(test[name]) for name in numbers} | {name: pair[1] for name, pair in known.items()}
    return code_levels(pd.DataFrame(left), pd.DataFrame(right), [*numbers, *known])


def _setting(
    task: Task, arrays: Arrays, run: str, options: Options, *, started: float, texts: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
) -> Setting:
    return Setting(
        task=task, arrays=arrays, folder=arrays.folder, run=run, started=started,
        kit=kit_of(KIT, options.playbook, arrays.folder),
        deadline=started + options.budget - finishing_seconds(options.budget), seed=options.seed, slots=options.slots,
        memory_bytes=options.memory_bytes, until=options.until, device=options.device, unsafe=options.unsafe,
        policy=options.policy, sentences=texts, photographs=images, one_year=load_plan(arrays.folder).get("one_year", False),
    )


def finishing_seconds(budget: float) -> float:
    """Kept back for the last blend, the report and the export."""
    return min(0.25 * budget, 2.0 + 0.02 * budget)


def settled(options: Options, executor: Executor) -> Options:
    """The options with what the executor has in place of what was left to it. No GPU is no error: one line says so."""
    if options.device == "cuda" and not executor.gpus:
        logging.getLogger(__name__).warning("medalist: no GPU for trials here: they run on the processor")
    device = "cuda" if options.device != "cpu" and executor.gpus else "cpu"
    return replace(options, device=device, slots=options.slots or executor.width)


def _settings(options: Options, folder: Path, known: Preparation) -> dict[str, Any]:
    stored = {**asdict(options), "answers": str(options.answers) if options.answers else None,
              "playbook": str(options.playbook.resolve())}
    return {"options": stored, "playbook": read(options.playbook).hash, "folder": str(folder.resolve()),
            "traits": asdict(known.traits), "sentences": list(known.sentences), "photographs": list(known.photographs)}


def _options(settings: Mapping[str, Any], budget: float) -> Options:
    stored = dict(settings["options"])
    llm, cluster = stored.pop("llm", None), stored.pop("cluster", None)
    stored["without"] = tuple(stored.get("without", ()))
    stored["cluster"] = Cluster(**cluster) if cluster else None
    stored["llm"] = Choice(**{**llm, "models": tuple(llm["models"])}) if llm else Choice()
    answers = Path(stored["answers"]) if stored["answers"] else None
    playbook = {"playbook": Path(stored["playbook"])} if "playbook" in stored else {}
    return Options(**{**stored, **playbook, "answers": answers, "budget": budget})


def _outcome(setting: Setting, state: State, graded: Grade | None, seconds: float) -> Outcome:
    judge, ensemble = metric(setting.task.metric), state.ensemble
    best, folds = best_entry(state.entries, judge), setting.arrays.folds
    spread, fold_rows = fold_spread(setting, state), float(np.mean([len(rows) for _, rows in folds]))
    field = competitors(CATALOG / setting.task.name / "field.csv")
    place: int | None = None
    beaten: tuple[str, ...] = ()
    if graded is not None and graded.private is not None and field:
        place, beaten = rank(field, graded.private, judge.greater_is_better)
    return Outcome(
        run=setting.run, folder=setting.folder, task=setting.task.name, metric=setting.task.metric,
        entries=len(state.entries), completed=sum(entry.status == "ok" for entry in state.entries),
        best_entry=best.number if best else None, cross_validated=best.score if best else None,
        spread=best.spread if best else None, ensemble=ensemble.score if ensemble else None,
        honest=ensemble.honest if ensemble else None,
        honest_standard_error=larger(ensemble.standard_error if ensemble else None, spread, len(folds)),
        public=graded.public if graded else None, private=graded.private if graded else None,
        private_standard_error=larger(graded.private_standard_error, spread, graded.private_rows / fold_rows)
        if graded else None,
        rank=place, rivals=len(field), beaten=beaten, seconds=seconds, unsafe=setting.unsafe, shift=_shift(state),
        cpu_seconds=round(time.process_time() + sum(state.spent), 2),
    )


def _shift(state: State) -> Mapping[str, Any] | None:
    """What was found on the entry that weighs most in the blend; None where none says anything."""
    weights = state.ensemble.blend.weights if state.ensemble else {}
    found = {entry.number: entry.params["shift"] for entry in state.entries if entry.params.get("shift")}
    return max(((abs(weight), found[number]) for number, weight in weights.items() if number in found),
               key=lambda pair: pair[0], default=(0.0, None))[1]


def fold_spread(setting: Setting, state: State) -> float | None:
    """Standard deviation of the blend's score over the folds. Where rows come in groups or times, a bootstrap over rows
    takes them for independent and says too little; the folds, whole groups and times, do not."""
    if state.ensemble is None:
        return None
    judge, blend, decision = metric(setting.task.metric), state.ensemble.blend, state.ensemble.decision
    scores = []
    for _, rows in setting.arrays.folds:
        raw = blend.apply({number: state.out_of_fold[number][rows] for number in blend.weights})
        try:
            scores.append(judge.score(setting.arrays.truth[rows], decision.apply(raw)))
        except ValueError:
            continue
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else None


def larger(error: float | None, spread: float | None, folds: float) -> float | None:
    """The larger of a bootstrap's standard error and what the spread over folds says of a sample of `folds` folds' rows."""
    known = [value for value in (error, None if spread is None else spread / folds**0.5) if value is not None]
    return max(known, default=None)


def _model_line(facts: Mapping[str, Any]) -> str:
    """What a language model cost and brought, on one line."""
    closed = f"; let go: {facts['closed']}" if facts["closed"] else ""
    closed += f"; {facts['unscored']} answers came too late to be scored" if facts["unscored"] else ""
    closed += "; replayed: " + ", ".join(f"{n} {what}" for what, n in facts["replayed"].items()) if facts["replayed"] else ""
    return (f"${facts['dollars']:.4f}, {facts['tokens']} tokens in {facts['calls']} calls; {facts['entries']} entries "
            f"({facts['completed']} completed), {len(facts['in_blend'])} in the blend{closed}")


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.5f}"


def _with_error(value: float | None, error: float | None) -> str:
    return _number(value) if value is None or error is None else f"{value:.5f} ± {error:.5f}"


def _executor(options: Options) -> Executor:
    """How trials run; what leaves them without any wall is said each time."""
    if options.unsafe:
        logging.getLogger(__name__).warning("medalist: %s", UNSAFE)
    return make_executor("cold" if COLD in options.without else options.executor, unsafe=options.unsafe, cluster=options.cluster)


def open_record(runs: Path) -> Record:
    """The record of a folder of runs, made when absent."""
    runs.mkdir(parents=True, exist_ok=True)
    return Record(runs / "record.db")
