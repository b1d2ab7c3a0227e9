"""A language model as proposer: it reads, drafts, improves, mends, crosses, simplifies and makes tools, in threads of its own.

The main loop asks for what is ready and never waits. Whatever a model answers becomes a solution or an entry that says why not.
"""

import statistics
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agent.bandit import Bandit
from agent.llm import LLM, Message, Reply, Request
from agent.llm.edits import FORMAT, edit
from agent.prompting.answers import OWN, Answer, Tool, answer_of, clean, family_of, tool_of
from agent.prompting.data_card import said
from agent.prompting.failures import failing_lines, problem, tail
from agent.prompting.kit_card import signatures
from agent.prompting.prompts import Prompts
from agent.prompting.spec import Reading
from agent.prompting.state import (
    State,
    about,
    best_lines,
    blend_line,
    failure_lines,
    idle_lines,
    shown,
    view_of,
    worth_changing,
)
from agent.solution import Solution, Written
from leaderboard.record import Entry
from sandbox import Cost, Trial

OPERATORS = ("draft", "improve", "cross", "simplify", "tool")
MENDABLE = ("error", "invalid", "timeout", "memory", "cpu", "disk", "output", "syntax_error", "missing_function", "truncated")
UNANSWERED = ("no_answer", "refused", "empty", "over_budget")
FIRST_DRAFTS = 2
MOST_PARENTS = 8         # the best, of which a change draws
MENDS = 3                # tries to mend one solution
LONG_FILE = 80           # lines from which a change is asked for as search/replace blocks
CODE_TOKENS, BRIEF_TOKENS, WORDS_TOKENS = 8_000, 400, 1_500
PAUSE_SECONDS = 4.0      # after an unanswered call, doubled by each one in a row
READING_LOOK = 0.5       # seconds between looks for the reading, with nothing else to do
MOST_UNANSWERED = 6      # in a row, then the model is let go
TOOL_PART = 0.4          # of the run that must be left for a tool: it serves what is written after it
FIRST_PART = 0.3         # of the run: drafts wait for the reading of the competition
LAST_PART = 0.15         # of the run: the explanation is asked for
MOVING = ("parent", "other", "log", "problem")  # facts of a prompt that hold scores and seconds
LEAST_EXPLAINING = 1.0   # seconds without which no explanation is asked for


@dataclass(frozen=True)
class Brief:
    """What a run lets its author know and use. `system` is the static prompt, `short` one for models of small context;
    `answers`: the folder where replies are kept as they came, to be played again by `--llm scripted:FOLDER`."""

    prompts: Prompts
    system: str
    short: str
    shape: str
    metric: str
    greater_is_better: bool
    fit_seconds: float
    fits: int
    width: tuple[int, ...]
    kit: Path
    seed: int
    seconds: float
    smoke: Callable[[str], Trial]
    left: Callable[[], float]
    answers: Path
    weights: Callable[[], Mapping[int, float]] = dict  # of the entries that the submission is made of
    vectors: Callable[[], str] = str  # which vectors by pretrained networks are there, in words
    slots: int = 1


@dataclass(frozen=True)
class Order:
    """One thing asked of the model. `says`: what it is, in words; `base`: the source to be changed; `mends`: the paper that
    failed."""

    operator: str
    request: Request
    says: str
    parents: tuple[int, ...] = ()
    base: str = ""
    edits: bool = False
    mends: "Paper | None" = None


@dataclass
class Paper:
    """What came back: a source that passed its smoke run, or `failed` with the log that says why. `number`: its entry."""

    order: Order
    answer: Answer
    replies: tuple[Reply, ...]
    log: str = ""
    failed: str = ""
    number: int | None = None
    costs: tuple[Cost, ...] = ()

    @property
    def attempt(self) -> int:
        """How many times it was mended."""
        return 1 + self.order.mends.attempt if self.order.mends else 0


class Reads(Protocol):
    """Where a reading of the competition will be, once it is there."""

    reading: Reading | None
    small: bool

    @property
    def status(self) -> str:
        """`asked` while it is on its way, then how it ended."""
        ...


@dataclass
class Author:
    """One model (or several by role) at work on one run. `begin` and the others are called from the main loop's thread."""

    llm: LLM
    brief: Brief
    reader: "Reads | None" = None
    closed: str = ""
    explanation: str = ""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.brief.seed)
        self.bandit = Bandit(OPERATORS)
        self.ready: deque[Paper] = deque()
        self.shown: list[Paper] = []
        self.broken: list[Paper] = []
        self.tools: list[str] = []
        self.seen: set[str] = set()
        self.flying: list[Order] = []
        self.asked: Counter[str] = Counter()
        self.begun = 0
        self.drafts = 0
        self.crossed: set[frozenset[int]] = set()
        self.ideas = 0  # of the reading's ideas that were given to a draft
        self.waits: deque[float] = deque(maxlen=5)  # seconds that answers took
        self.runs: deque[float] = deque(maxlen=5)   # seconds that whole entries of its own took
        self.unanswered = 0
        self.pause_until = float("inf")  # on the scale of seconds left, which falls
        self.small = False
        self.explained = self.explaining = False
        self.news = threading.Condition()
        self.bug: BaseException | None = None

    @property
    def reading(self) -> Reading:
        """The model's reading of the competition; an empty one before it is there."""
        return (self.reader.reading if self.reader else None) or Reading()

    # --- the main loop's side

    def may_begin(self, *, most: int = 1) -> bool:
        """Whether another call may start: none too many in flight, no pause, not let go, and time for an answer to matter."""
        left = self.brief.left()
        run = statistics.median(self.runs) / self.brief.slots if self.runs else 0.0
        late = left < max(5.0, 0.5 * self.brief.fit_seconds, run) + self.typical_wait
        busy = self.in_flight + len(self.ready) >= most
        return not (self.closed or late or self._reads() or busy or left > self.pause_until)

    @property
    def in_flight(self) -> int:
        """Calls that are not answered."""
        return len(self.flying)

    @property
    def typical_wait(self) -> float:
        """Seconds that an answer takes, by the latest ones: an answer that would come too late is not asked for."""
        return statistics.median(self.waits) if self.waits else 0.0

    @property
    def unscored(self) -> int:
        """Answers that came and never became entries, since the run was over."""
        return sum(paper.number is None and bool(paper.answer.source) for paper in (*self.ready, *self.shown))

    def _reads(self) -> bool:
        """Whether the reading is still to come, and early enough to be waited for: drafts are better for its ideas."""
        early = self.brief.left() > (1 - FIRST_PART) * self.brief.seconds
        return early and self.reader is not None and self.reader.status == "asked"

    def begin(self, entries: Sequence[Entry]) -> None:
        """Start the next call in a thread."""
        self.small |= self.reader is not None and self.reader.small
        self.begun += 1
        self._start(self._next(entries))

    def take(self) -> Solution | None:
        """A solution that is ready, or a failure to be recorded; None where nothing is. Raises what a thread could not answer."""
        if self.bug is not None:
            raise self.bug
        if not self.ready:
            return None
        paper = self.ready.popleft()
        self._note(paper)
        self.shown.append(paper)
        return self._solution(paper)

    def wait(self, seconds: float) -> bool:
        """Until something is ready or a pause is over; whether something may come."""
        paused = not self.closed and (self.pause_until < float("inf") or self._reads())
        pause = max(READING_LOOK, self.brief.left() - self.pause_until)
        with self.news:
            if self.in_flight and not self.ready:
                self.news.wait_for(lambda: self.ready or self.bug or not self.in_flight, timeout=max(0.0, seconds))
            elif paused and not self.ready:
                self.news.wait(max(0.0, min(seconds, pause)))
        return bool(self.ready or self.bug or paused or self.in_flight) and seconds > 0

    def observe(self, entry: Entry, *, won: bool) -> None:
        """Learn from a finished entry of its own."""
        self.bandit.update(entry.operator, won, entry.cost_cpu_seconds)
        paper = next((p for p in self.shown if p.number is None and p.answer.source == entry.source), None)
        if paper is None:
            self._remember(entry)
            return
        paper.number = entry.number
        paper.failed, paper.log = ("" if entry.status in ("ok", "stopped") else entry.status), entry.log
        if entry.status == "ok":
            self.runs.append(entry.cost_wall_seconds)
        if paper.failed in MENDABLE and entry.source and paper.attempt < MENDS:
            self.broken.append(paper)

    def _remember(self, entry: Entry) -> None:
        """An entry of the run before it was resumed."""
        self.seen.add(entry.source)
        self.drafts += entry.operator == "draft" and entry.status == "ok"

    def explain(self, entries: Sequence[Entry]) -> None:
        """Ask once, near the end of the run, for an explanation of it."""
        if self.brief.left() <= max(LAST_PART * self.brief.seconds, 1.5 * self.typical_wait):
            self._explain(entries, self.brief.left())

    def last_words(self, entries: Sequence[Entry], seconds: float) -> str:
        """The explanation of a run that is over, asked for now where it was not, waited for at most `seconds`."""
        self._explain(entries, seconds)
        with self.news:
            self.news.wait_for(lambda: not self.explaining, timeout=max(0.0, seconds))
        return self.explanation

    def _explain(self, entries: Sequence[Entry], seconds: float) -> None:
        if self.explained or self.closed or len(entries) < 3 or seconds < LEAST_EXPLAINING:
            return
        self.explained = self.explaining = True
        self._start(self._order("explain", entries, (), says="the end", tokens=WORDS_TOKENS, role="cheap", seconds=seconds))

    # --- what to ask

    def _next(self, entries: Sequence[Entry]) -> Order:
        if self.broken:
            return self._mend(self.broken.pop(0), entries)
        own = [entry for entry in entries if entry.params.get("model") and entry.status in ("ok", "stopped")]
        parents = worth_changing(entries, greater_is_better=self.brief.greater_is_better)[:MOST_PARENTS]
        if self.drafts < FIRST_DRAFTS or not parents:
            return self._draft(entries)
        early = self.brief.left() > TOOL_PART * self.brief.seconds
        allowed = ["draft", "improve", "simplify"]
        allowed += ["cross"] if self._pairs(parents) else []
        allowed += ["tool"] if own and early and not self.small else []
        asked = {order.operator for order in self.flying}
        operator = self.bandit.choose(self.rng, [name for name in allowed if name == "draft" or name not in asked])
        return self._draft(entries) if operator == "draft" else self._change(operator, parents, entries)

    def _draft(self, entries: Sequence[Entry]) -> Order:
        idea = next(iter(self.reading.ideas[self.ideas:]), "")
        self.drafts += 1
        self.ideas += bool(idea)
        return self._order("draft", entries, (), says=f"a draft from the idea: {idea}" if idea else "a draft", idea=idea)

    def _change(self, operator: str, among: Sequence[Entry], entries: Sequence[Entry]) -> Order:
        """Improve, simplify, cross or tool: parents drawn by rank, two views that were not crossed before for a cross."""
        greater = self.brief.greater_is_better
        pairs = self._pairs(among)
        if operator == "cross":
            parent, other = pairs[self._drawn(len(pairs))]
            self.crossed.add(frozenset((parent.number, other.number)))
        else:
            parent = other = among[self._drawn(len(among))]
        facts: dict[str, Any] = {"parent": shown(parent, entries, greater_is_better=greater)}
        if operator == "cross":
            facts["other"] = shown(other, entries, greater_is_better=greater)
        numbers = tuple(dict.fromkeys((parent.number, other.number)))
        says = f"{operator}, from {' and '.join(f'entry {number}' for number in numbers)}"
        edits = operator in ("improve", "simplify") and parent.source.count("\n") >= LONG_FILE and not self.small
        return self._order(operator, entries, numbers, says=says, base=parent.source, edits=edits, **facts)

    def _pairs(self, among: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
        """Pairs of different views, the best first, that were not crossed."""
        pairs = [(one, two) for k, two in enumerate(among) for one in among[:k] if view_of(one) != view_of(two)]
        return [pair for pair in pairs if frozenset(entry.number for entry in pair) not in self.crossed]

    def _drawn(self, count: int) -> int:
        """A place among `count`, drawn by rank."""
        weights = 1.0 / np.arange(1, count + 1)
        return int(self.rng.choice(count, p=weights / weights.sum()))

    def _mend(self, paper: Paper, entries: Sequence[Entry]) -> Order:
        source, log = paper.answer.source, paper.log
        what = problem(paper.failed, log, shape=self.brief.shape, seconds=self.brief.fit_seconds)
        return self._order(
            "debug", entries, (paper.number,) if paper.number is not None else (),
            says=f"a mend of: {said(paper.answer.hypothesis, 200)}", base=source, mends=paper, role="cheap",
            attempt=paper.attempt + 1, attempts=MENDS, hypothesis=paper.answer.hypothesis, problem=what, source=source.rstrip(),
            lines=failing_lines(source, log), log=tail(log),
        )

    def _order(
        self, operator: str, entries: Sequence[Entry], parents: tuple[int, ...], *, says: str, base: str = "",
        edits: bool = False, mends: Paper | None = None, tokens: int = CODE_TOKENS, role: str = "strong",
        seconds: float | None = None, **facts: Any,
    ) -> Order:
        state = self._state(entries)
        words = self.brief.prompts.ask(operator, state=state, metric=self.brief.metric, edits=FORMAT if edits else "", **facts)
        moving = [self.brief.prompts.ask("_state", state=state)]
        moving += [getattr(facts[name], "line", facts[name]) for name in MOVING if name in facts]
        system = self.brief.short if self.small else self.brief.system
        self.asked[operator] += 1
        request = Request(
            (Message("system", system), Message("user", words)), operator, role=role,
            seed=self.brief.seed + self.asked[operator],
            most_tokens=min(tokens, BRIEF_TOKENS) if self.small else tokens,
            most_seconds=max(5.0, self.brief.left()) if seconds is None else seconds, volatile=tuple(moving),
        )
        return Order(operator, request, says, parents, base, edits, mends)

    def _state(self, entries: Sequence[Entry]) -> State:
        greater, weights = self.brief.greater_is_better, self.brief.weights()
        return State(
            about(self.brief.left()), max(1, round(self.brief.fit_seconds)), self.brief.fits,
            best_lines(entries, weights, greater_is_better=greater), idle_lines(entries, weights, greater_is_better=greater),
            failure_lines(entries), tuple(self.tools), self._pending(), blend_line(weights), self.reading.traps,
            self.reading.ideas[self.ideas:], self.brief.vectors(),
        )

    def _pending(self) -> tuple[str, ...]:
        """What is being written, and what was written that no score is known of yet."""
        papers = [paper for paper in (*self.ready, *self.shown) if paper.number is None and not paper.failed]
        return (*(said(paper.answer.hypothesis, 200) for paper in papers),
                *(f"being written: {said(order.says, 220)}" for order in self.flying if order.operator != "explain"))

    # --- a thread's side

    def _start(self, order: Order) -> None:
        self.flying.append(order)
        threading.Thread(target=self._work, args=(order,), name=f"llm-{order.operator}", daemon=True).start()

    def _work(self, order: Order) -> None:
        try:
            paper = self._write(order)
        except BaseException as error:  # ours, not the model's: raised where the main loop takes
            paper, self.bug = None, error
        with self.news:
            self.flying.remove(order)
            self.explaining &= order.operator != "explain"
            if paper is not None:
                self.ready.append(paper)
            self.news.notify_all()

    def _write(self, order: Order) -> Paper | None:
        """One exchange, and the smoke run of what it gave."""
        if order.edits:
            made = edit(self.llm, order.request, order.base)
            answer, replies = answer_of(made.replies[-1], made.code), made.replies
        else:
            reply = self.llm.complete(order.request)
            answer, replies = answer_of(reply, fallback=order.mends.answer.hypothesis if order.mends else ""), (reply,)
        self._keep(order, replies)
        self.waits.extend(reply.usage.seconds for reply in replies if reply.text and not reply.replayed)
        if order.operator == "explain":
            self.explanation = clean(replies[-1].text)[:2_000].strip() if replies[-1].ok else ""
            return None
        paper = Paper(order, answer, replies, failed=answer.failed, log=f"--- answer: {answer.failed} {answer.detail}\n"
                      if answer.failed else "")
        if not paper.failed and order.operator == "tool":
            self._try_tool(paper, replies[-1].text)
        if not paper.failed:
            self._try(paper)
        return paper

    def _keep(self, order: Order, replies: Sequence[Reply]) -> None:
        """Each reply as a file, numbered in the order of arrival."""
        self.brief.answers.mkdir(parents=True, exist_ok=True)
        with self.news:
            for reply in replies:
                number = len(list(self.brief.answers.iterdir())) + 1
                path = self.brief.answers / f"{number:03d}-{order.request.purpose}.md"
                path.write_text(clean(reply.text), encoding="utf-8")

    def _try(self, paper: Paper) -> None:
        """Refuse what was seen before; else run it on a few rows."""
        if paper.answer.source in self.seen or paper.answer.source == paper.order.base:
            paper.failed, paper.log = "repeat", "--- answer: repeat this very source has been run\n"
            return
        self.seen.add(paper.answer.source)
        trial = self.brief.smoke(paper.answer.source)
        paper.costs += (trial.cost,)
        if trial.status != "ok":
            paper.failed = trial.status
            paper.log = f"--- smoke run on a few rows: {trial.status} {trial.reason}\n{trial.log}\n"

    def _try_tool(self, paper: Paper, text: str) -> None:
        """Run the tool's test in the sandbox; where it passes, the tool joins the run's kit."""
        tool, why = tool_of(text)
        if tool is not None and (self.brief.kit / f"{tool.name}.py").exists():
            why = f"there is a kit module {tool.name}: choose another name"
        if tool is None or why:
            paper.failed, paper.log = "tool_failed", f"--- answer: tool_failed {why}\n"
            return
        trial = self.brief.smoke(with_test(tool, self.brief.width))
        paper.costs += (trial.cost,)
        if trial.status != "ok":
            paper.failed = "tool_failed"
            paper.log = f"--- test of kit/{tool.name}.py: {trial.status} {trial.reason}\n{trial.log}\n"
            return
        (self.brief.kit / f"{tool.name}.py").write_text(tool.source, encoding="utf-8")
        self.tools += signatures(self.brief.kit, tool.name) or [f"`{tool.name}`: {said(paper.answer.hypothesis, 160)}"]

    # --- what came back

    def _note(self, paper: Paper) -> None:
        """Count the unanswered, pause after them, and shorten the prompt where it did not fit."""
        status = paper.failed if paper.failed in UNANSWERED else "ok"
        if status == "ok":
            self.unanswered, self.pause_until = 0, float("inf")
            return
        if "context" in paper.answer.detail and not self.small:
            self.small = True
            return
        self.unanswered += 1
        self.pause_until = self.brief.left() - PAUSE_SECONDS * 2 ** (self.unanswered - 1)
        if status == "over_budget" or self.unanswered >= MOST_UNANSWERED:
            self.closed = paper.answer.detail or status

    def _solution(self, paper: Paper) -> Solution:
        order, answer = paper.order, paper.answer
        usage = [reply.usage for reply in paper.replies]
        written = Written(
            paper.replies[-1].model or "unknown", sum(u.tokens_in + u.tokens_out for u in usage), sum(u.dollars for u in usage),
            sum(u.seconds for u in usage), answer.predicted, paper.log, paper.costs,
        )
        parents = order.parents or ((order.mends.number,) if order.mends and order.mends.number is not None else ())
        return Solution(answer.source, order.operator, answer.hypothesis, family_of(answer.source) if answer.source else OWN,
                        parents, seed=self.brief.seed, written=written, failed=paper.failed)


def with_test(tool: Tool, width: tuple[int, ...]) -> str:
    """The tool's source as a solution whose only deed is the tool's test."""
    shape = f"(len(predict), {', '.join(map(str, width))})" if width else "len(predict)"
    return (f"{tool.source.rstrip()}\n\n\ndef fit_predict(train, target, predict, task):\n    import numpy\n\n"
            f"    test_tool(train, target, predict, task)\n    return numpy.zeros({shape})\n")
