"""Attaches a language model to a run: connects it, has it read the competition, puts it beside the embedded proposer."""

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from agent.blend import Blend
from agent.compete import Setting
from agent.kit import backbone, sentences
from agent.llm import LLM, Message, Reply, Request
from agent.llm.address import parse
from agent.llm.budget import Limits
from agent.llm.connect import Models, connect
from agent.llm.scripted import Scripted
from agent.prompting.answers import clean
from agent.prompting.data_card import data_card, wanted_shape
from agent.prompting.kit_card import kit_card
from agent.prompting.prompts import Prompts
from agent.prompting.spec import SCHEMA, Reading, Verdict, check, reading_of
from agent.proposers import Proposer
from agent.proposers.allocation import Allocation
from agent.proposers.llm import BRIEF_TOKENS, WORDS_TOKENS, Author, Brief
from agent.smoke import smoke_run
from agent.traits import Traits
from leaderboard.record import Entry
from sandbox import Executor
from tasks.spec import Task

PAGE = "page.md"          # in a run's folder: what a mind is shown of the data
ANSWERS = "answers"       # in a run's folder: every reply as it came
READING_SHARE = 0.05     # of the budget that folds wait for a reading of the competition, at most READING_SECONDS
READING_SECONDS = 60.0
EXPLAINING_SECONDS = 60.0  # the most that a run which ended before its budget waits for its explanation
FINISHING = 0.5            # of what is left when a run is over: for the explanation; the rest is for report and export
SHORT_PAGE = 800         # characters of the data page that a model of small context is shown


@dataclass(frozen=True)
class Choice:
    """The models of a run and their limits, as the command line says them."""

    models: tuple[str, ...] = ()
    dollars: float | None = 2.0
    tokens: int | None = None
    calls: int | None = None
    replay: bool = False


def connected(choice: Choice, *, run: str, runs: Path, answers: Path | None = None) -> tuple[LLM, Models]:
    """The model that a run asks, and the meter behind it. answers: of the run to be replayed, where there is one.

    Raises UsageError for what cannot be had: a key, a folder, a price, stored replies.
    """
    models = connect([parse(text) for text in choice.models], environment=os.environ,
                     limits=Limits(choice.dollars, choice.tokens, choice.calls), ledger=runs / "llm" / f"{run}.jsonl",
                     store=runs / "llm", replay=choice.replay)
    if choice.replay and answers is not None:
        return Replay(models, Scripted(answers)), models
    return models, models


@dataclass(frozen=True)
class Replay:
    """Stored replies: that of the identical request, else the one which the run to be repeated got at this place.

    A run is asynchronous: which entry is improved next can differ from one run to the next.
    """

    exact: LLM
    script: LLM
    counts: Counter[str] = field(default_factory=Counter)

    def complete(self, request: Request) -> Reply:
        in_turn, exact = self.script.complete(request), self.exact.complete(request)
        chosen = exact if exact.status != "failed" else replace(in_turn, replayed=True)
        self.counts["same request" if chosen is exact else "same place" if in_turn.status != "failed" else "nothing kept"] += 1
        return chosen


@dataclass
class Reader:
    """A model's reading of the competition, asked for in a thread while the host designs the folds."""

    llm: LLM
    prompts: Prompts
    kit: Path
    seed: int
    seconds_left: Callable[[], float]
    reading: Reading | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    status: str = "not asked"
    small: bool = False  # the whole prompt does not fit the model's context
    text: str | None = None
    place: Path | None = None
    late: bool = False  # the folds were fixed before it came
    waiting: tuple[Task, Mapping[str, Any], pd.DataFrame, pd.DataFrame] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, task: Task, roles: Mapping[str, str], train: pd.DataFrame, test: pd.DataFrame) -> None:
        """Ask; returns at once."""
        self.status = "asked"
        self.thread = threading.Thread(target=self._read, args=(task, roles, train, test), name="llm-read", daemon=True)
        self.thread.start()

    def revised(self, task: Task, plan: Mapping[str, Any], train: pd.DataFrame, test: pd.DataFrame, *, seconds: float) -> Task:
        """The task with the hints that the data bear out, if the reading is there within `seconds`; else the task as it is.

        A reading that comes later is checked as well, and what holds of it is told to the user.
        """
        self.thread.join(max(0.0, seconds))
        with self.lock:
            if self.reading is None:
                self.waiting = (task, plan, train, test)
                return task
            self.verdicts = check(self.reading, task, plan, train, test)
        notes = [f"the model's hint, {v.key} = {v.column}, {'holds' if v.holds else 'is not followed'}: {v.says}"
                 for v in self.verdicts]
        hints: dict[str, Any] = {verdict.key: verdict.column for verdict in self.verdicts if verdict.holds}
        return replace(task, inferred=(*task.inferred, *notes), **hints)

    def keep(self, place: Path | None) -> None:
        """Write the reply as it came into the folder of answers, once both are there."""
        self.place = place
        if self.text is not None and place is not None:
            place.mkdir(parents=True, exist_ok=True)
            (place / "000-read.md").write_text(self.text, encoding="utf-8")

    def restore(self, place: Path) -> None:
        """The reading that a run had before it was resumed, if it had one."""
        path = place / "000-read.md"
        self.reading = reading_of(path.read_text(encoding="utf-8")) if path.is_file() else None
        self.status = "ok" if self.reading else "not asked"

    def facts(self) -> dict[str, Any]:
        """What is kept of it in the record."""
        reading = self.reading or Reading()
        return {"status": self.status, "kind": reading.kind, "metric": reading.metric, "traps": list(reading.traps),
                "ideas": list(reading.ideas), "group": reading.group, "time": reading.time, "why": reading.why,
                "late": self.late, "verdicts": [vars(verdict) for verdict in self.verdicts]}

    def _read(self, task: Task, roles: Mapping[str, str], train: pd.DataFrame, test: pd.DataFrame) -> None:
        page, shape = data_card(task, roles, train, test), wanted_shape(task)
        reply = self._ask(self.prompts.system(kit=kit_card(self.kit), card=page, shape=shape, lessons=[]))
        if reply.status == "failed" and "context" in reply.detail:
            self.small = True
            reply = self._ask(short_system(self.prompts, self.kit, page, shape))
        self.text = clean(reply.text)
        self.keep(self.place)
        found = reading_of(self.text) if reply.ok else None
        self.status = reply.status if not reply.ok else "ok" if found else "wrong_shape"
        with self.lock:
            self.reading, waiting, self.waiting = found, self.waiting, None
        if found and waiting:
            self.late, self.verdicts = True, check(found, *waiting)

    def _ask(self, system: str) -> Reply:
        request = Request((Message("system", system), Message("user", self.prompts.ask("read"))), "read", schema=SCHEMA,
                          most_tokens=BRIEF_TOKENS // 2 if self.small else WORDS_TOKENS, seed=self.seed,
                          most_seconds=max(5.0, self.seconds_left()))
        return self.llm.complete(request)


def short_system(prompts: Prompts, kit: Path, page: str, shape: str) -> str:
    """The static prompt for models of small context: the kit's names, the head of the page."""
    return prompts.system(kit=kit_card(kit, brief=True), card=page[:SHORT_PAGE], shape=shape, lessons=[])


def own_kit(kit: Path, folder: Path) -> Path:
    """The run's own copy of the kit, which tools may join."""
    place = folder / "kit"
    if not place.is_dir():
        shutil.copytree(kit, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


class Mind:
    """The model of one run from start to end: connected, reading, proposing, summed up."""

    def __init__(
        self, choice: Choice, *, run: str, runs: Path, kit: Path, seed: int, deadline: float, clock: Callable[[], float],
        answers: Path | None = None, playbook: Path | None = None,
    ) -> None:
        """playbook: a version whose own prompts and lessons come first. answers: the folder of answers of the run to be
        replayed, where there is one. Raises UsageError."""
        self.choice, self.clock, self.kit = choice, clock, kit
        self.prompts = Prompts(version=playbook)
        self.llm, self.models = connected(choice, run=run, runs=runs, answers=answers)
        self.deadline = deadline
        self.reader = Reader(self.llm, self.prompts, kit, seed, lambda: deadline - clock())
        self.allocation: Allocation | None = None

    def join(
        self, embedded: Proposer, setting: Setting, *, executor: Executor, traits: Traits,
    ) -> tuple[Allocation, Setting]:
        """The model beside the embedded proposer, and the setting with a kit of the run's own."""
        setting = replace(setting, kit=own_kit(self.kit, setting.folder))
        if self.reader.status == "not asked":
            self.reader.restore(setting.folder / ANSWERS)
        self.reader.keep(setting.folder / ANSWERS)
        brief = self._brief(setting, executor, self.prompts.lessons(traits))
        seconds = (setting.deadline - setting.started) * setting.slots
        author = Author(self.llm, brief, reader=self.reader)
        rate = seconds / self.choice.dollars if self.choice.dollars else 0.0
        self.allocation = Allocation(embedded, author, seed=setting.seed, seconds_a_dollar=rate)
        return self.allocation, setting

    def _brief(self, setting: Setting, executor: Executor, lessons: list[str]) -> Brief:
        page = (setting.folder / PAGE).read_text(encoding="utf-8")
        card = json.loads((setting.folder / "data" / "card.json").read_text(encoding="utf-8"))
        shape, clock = wanted_shape(setting.task), self.clock
        system = self.prompts.system(kit=kit_card(setting.kit), card=page, shape=shape, lessons=lessons)
        short = short_system(self.prompts, setting.kit, page, shape)

        def left() -> float:
            return setting.deadline - clock()

        return Brief(
            self.prompts, system, short, shape, setting.task.metric, setting.task.greater_is_better, setting.fair_seconds,
            setting.arrays.fits, setting.arrays.prediction_width, setting.kit, setting.seed, setting.deadline - setting.started,
            lambda source: smoke_run(setting, executor, source, card=card, left=left()), left, setting.folder / ANSWERS,
            lambda: weights_in(setting.folder / "blend.json"), lambda: said_of_vectors(setting), setting.slots,
        )

    def facts(self, entries: Sequence[Entry], weights: Mapping[int, float]) -> dict[str, Any]:
        """What the model cost and brought, what it read and how it explains the run: for the record and the report.

        The run is over: waits a little for an explanation, and tells whoever still writes an answer.
        """
        written = [entry for entry in entries if entry.params.get("model")]
        author = self.allocation.author if self.allocation else None
        explanation = author.last_words(entries, self._finishing()) if author else ""
        self.models.close()
        spent = self.models.spent
        return {
            "models": sorted(set(self.models.names.values())),
            "calls": spent.calls, "tokens": spent.tokens, "dollars": spent.dollars, "entries": len(written),
            "completed": sum(entry.status == "ok" for entry in written),
            "in_blend": [entry.number for entry in written if weights.get(entry.number)], "by_operator": by_operator(written),
            "explanation": explanation, "closed": author.closed if author else "",
            "unscored": author.unscored if author else 0,
            "replayed": dict(self.llm.counts) if isinstance(self.llm, Replay) else {}, "reading": self.reader.facts(),
        }

    def _finishing(self) -> float:
        """Seconds that may be waited for the explanation of a run that is over."""
        return min(EXPLAINING_SECONDS, FINISHING * (self.deadline - self.clock()))


def said_of_vectors(setting: Setting) -> str:
    """Which vectors are there, of those that a pretrained network could make of a column; "" where it can make none."""
    said = []
    for module, columns, takes in ((sentences, setting.sentences, "a text of a hundred letters takes 15 ms"),
                                   (backbone, setting.photographs, "an image takes 5 to 25 ms")):
        if columns:
            made = any((setting.arrays.data / "prepared").glob(f"{module.NAME}*"))
            until = f"not made, or not yet; until then {takes}, more than a fit has"
            said.append(f"`{module.NAME}.of`, `{module.NAME}.vectors`: {'made, looked up at no cost' if made else until}")
    return "; ".join(said)


def weights_in(blend: Path) -> Mapping[int, float]:
    """The weights of a run's blend.json; none before there is one."""
    return Blend.from_json(json.loads(blend.read_text(encoding="utf-8"))["blend"]).weights if blend.is_file() else {}


def by_operator(written: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries, tokens, dollars and processor seconds of each of the model's operators."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in written:
        row = rows.setdefault(entry.operator, {"operator": entry.operator, "entries": 0, "ran": 0, "tokens": 0, "dollars": 0.0,
                                               "cpu_seconds": 0.0})
        row["entries"] += 1
        row["ran"] += entry.status in ("ok", "stopped")
        row["tokens"] += entry.cost_tokens
        row["dollars"] += entry.cost_dollars
        row["cpu_seconds"] += entry.cost_cpu_seconds
    return list(rows.values())
