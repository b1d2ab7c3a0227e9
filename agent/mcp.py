"""Offers a run over the Model Context Protocol: another mind proposes solutions, the host runs, grades, blends and records them.

Whoever calls gets what our own model gets: the page of the data, the contract, the kit, the reasons of failures. The labels of
predicted rows, the folds and the scores stay the host's.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from agent import kaggle_run
from agent import run as runs_of
from agent.attach import PAGE, own_kit
from agent.compete import Game, State, Work, best_entry
from agent.pool import Pool
from agent.prompting.answers import clean, family_of
from agent.prompting.data_card import said, wanted_shape
from agent.prompting.failures import failing_lines, problem, tail
from agent.prompting.kit_card import kit_card
from agent.prompting.prompts import Prompts
from agent.prompting.state import gain, line_of
from agent.smoke import smoke_run
from agent.solution import Solution, Written
from agent.spending import Unspent
from agent.view import Quiet
from leaderboard.kaggle import KaggleError
from leaderboard.kaggle.folder import facts
from leaderboard.record import Entry
from sandbox import SandboxError
from sandbox import executor as make_executor
from tasks.tables import TaskError

Answer = TypeVar("Answer")
LONGEST_SOURCE = 200_000
ANSWER_SECONDS = 45.0  # clients give a call a minute
INSTRUCTIONS = """\
You compete in a machine-learning competition through this server. First read task_card: it holds the data, the contract of
solution.py and the kit. Then propose a solution (it is checked on a few rows and you are told what is wrong), run it (all folds,
graded by the host), look at entries, improve. submit writes the blend of all entries as the run's submission. Several good
entries that err differently blend into more than one best entry."""


class Waiting:
    """A proposer for solutions that come from outside."""

    def __init__(self) -> None:
        self.solutions: deque[Solution] = deque()

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        return self.solutions.popleft() if self.solutions else None

    def turn(self, entries: Sequence[Entry]) -> None:
        pass

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        return False


class Bench:
    """One run with its sandbox and record, for a caller that has its own mind. Every method answers in plain data."""

    def __init__(
        self, folder: Path, options: runs_of.Options, *, runs: Path, started: float, author: str, a_day: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads the task, opens the run, records the constant. `author`: who its entries are said to be by; `a_day`: the
        most submissions a day that its host is sent."""
        self.options, self.author, self.clock, self.view, self.a_day = options, author, clock, Quiet(), a_day
        self.open = ExitStack()
        self.executor = self.open.enter_context(make_executor(options.executor))
        self.record = self.open.enter_context(runs_of.open_record(runs))
        options = runs_of.settled(options, self.executor)
        begun = runs_of.begin(folder, options, record=self.record, runs=runs, started=started, clock=clock, going_on=self.open)
        self.plan, self.traits = begun.plan, begun.known.traits
        self.setting = replace(begun.setting, kit=own_kit(begun.setting.kit, begun.setting.folder))
        self.proposer, self.proposals, self.numbers = Waiting(), dict[int, Solution](), count(1)
        self.game = Game(self.setting, self.record, self.executor, self.proposer, self.view, clock, State())
        self.game.enter_prior()

    def close(self) -> None:
        """End what runs; the run stays in the record."""
        self.executor.cancel()
        self.open.close()

    def task_card(self) -> str:
        """The contract, the kit, the lessons in scope, the data."""
        prompts, page = Prompts(), (self.setting.folder / PAGE).read_text(encoding="utf-8")
        return prompts.system(kit=kit_card(self.setting.kit), card=page, shape=wanted_shape(self.setting.task),
                              lessons=prompts.lessons(self.traits))

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return [self._line(entry) for entry in self.game.state.entries]

    def entry(self, number: int) -> dict[str, Any]:
        """One entry with its source and what it printed last."""
        found = next((entry for entry in self.game.state.entries if entry.number == number), None)
        if found is None:
            return {"problem": f"no entry {number}; there are: {', '.join(str(e.number) for e in self.game.state.entries)}"}
        return {**self._line(found), "source": found.source, "log": tail(found.log), **self._why(found)}

    def propose(self, source: str, hypothesis: str, parents: Sequence[int] = ()) -> dict[str, Any]:
        """Check a solution on a few rows; returns the proposal's number to be run, or what is wrong with it."""
        source = clean(source)
        if len(source) > LONGEST_SOURCE:
            return {"status": "invalid", "problem": f"the source has {len(source)} characters, more than {LONGEST_SOURCE}"}
        trial = smoke_run(self.setting, self.executor, source, card=self.game.card, left=self.game.left())
        if trial.status != "ok":
            log = f"--- smoke run on a few rows: {trial.status} {trial.reason}\n{trial.log}\n"
            return {"status": trial.status, **self._explained(trial.status, source, log)}
        known = {entry.number for entry in self.game.state.entries}
        number = next(self.numbers)
        self.proposals[number] = Solution(
            source, "proposal", said(hypothesis, 400), family_of(source), tuple(n for n in parents if n in known),
            seed=self.setting.seed, written=Written(self.author, costs=(trial.cost,)))
        return {"status": "ok", "proposal": number, "next": f"run_proposal({number}) fits it on all folds", **self._time()}

    def run(self, proposal: int) -> dict[str, Any]:
        """Run a proposal on all folds; returns its entry, graded, with the blend that it led to."""
        if proposal not in self.proposals:
            waiting = ", ".join(map(str, self.proposals)) or "none"
            return {"problem": f"no proposal {proposal} waits to be run; there are: {waiting}"}
        if self.game.left() <= 0:
            return {"problem": f"the run's {self.options.budget:g} s are over: submit, or start another with a larger --budget"}
        before, known = self.game.state.ensemble, {entry.number for entry in self.game.state.entries}
        self.proposer.solutions.append(self.proposals.pop(proposal))
        pool: Pool[Work] = Pool(self.setting.slots, self.game.run_trial)
        try:
            self.game.play(pool)
        finally:
            pool.close()
        made, ensemble = self.game.state.entries[-1], self.game.state.ensemble
        if made.number in known:
            return {"problem": "the run's time was over before its folds were: nothing is recorded of it; submit", **self._time()}
        moved = {"honest_before": before.honest if before else None, "honest_after": ensemble.honest if ensemble else None}
        return {**self._line(made), **self._why(made), **moved, **self._time()}

    def blend(self) -> dict[str, Any]:
        """The blend of all entries, built anew where there are new ones."""
        self.game.blend(final=True)
        ensemble = self.game.state.ensemble
        assert ensemble is not None  # the constant is always there
        return {"method": ensemble.blend.method, "score": ensemble.score, "honest": ensemble.honest,
                "standard_error": ensemble.standard_error,
                "weights": {str(number): round(weight, 4) for number, weight in ensemble.blend.weights.items()}}

    def submit(self) -> dict[str, Any]:
        """Blend, write and check the submission, write report and solution, close the run in the record, and send it to the
        host of the competition where there is one; may be repeated."""
        blend = self.blend()
        outcome = runs_of.finish(self.setting, self.record, self.game.state, self.options, self.plan, self.view, self.clock)
        return {"submission": str(self.setting.folder / "submission.csv"), "report": str(self.setting.folder / "report.html"),
                "blend": blend, "public": outcome.public, "private": outcome.private, "rank": outcome.rank, "host": self._sent()}

    def _sent(self) -> dict[str, Any]:
        """What the competition's host says of the submission; why none was sent, where none was."""
        known = self.record.run(self.setting.run)
        slug = facts(Path(known.settings["folder"])).get("slug")
        if not slug:
            return {"sent": False, "problem": "this competition has no host: its folder was not downloaded as kaggle:SLUG"}
        try:
            with kaggle_run.client(slug) as kaggle:
                standing = kaggle_run.submit(self.record, known, kaggle, a_day=self.a_day)
        except (KaggleError, Unspent) as error:
            return {"sent": False, "problem": str(error)}
        return {"sent": True, **standing.to_json()}

    def _line(self, entry: Entry) -> dict[str, Any]:
        greater = self.setting.task.greater_is_better
        best = best_entry(self.game.state.entries, self.game.judge)
        return {
            "entry": entry.number, "status": entry.status, "score": entry.score, "spread": entry.spread,
            "metric": self.setting.task.metric, "greater_is_better": greater, "family": entry.family,
            "fold_scores": list(entry.fold_scores), "parents": list(entry.parents), "hypothesis": entry.hypothesis,
            "gain": gain(entry, self.game.state.entries, greater_is_better=greater),
            "seconds": round(entry.cost_wall_seconds, 1), "best_entry": best.number if best else None,
        }

    def _time(self) -> dict[str, Any]:
        """What the run has left, and what one fit may take."""
        setting = self.setting
        return {"seconds_left": max(0, round(self.game.left())), "seconds_a_fit": round(setting.fair_seconds),
                "fits_an_entry": setting.arrays.fits}

    def _why(self, entry: Entry) -> dict[str, Any]:
        """What went wrong with an entry, if something did."""
        if entry.status == "ok":
            return {}
        if entry.status == "stopped":
            greater = self.setting.task.greater_is_better
            far = line_of(entry, self.game.state.entries, greater_is_better=greater)
            return {"problem": f"too far behind the best entry to win or to help the blend: {far}"}
        return self._explained(entry.status, entry.source, entry.log)

    def _explained(self, status: str, source: str, log: str) -> dict[str, Any]:
        what = problem(status, log, shape=wanted_shape(self.setting.task), seconds=self.setting.fair_seconds)
        return {"problem": what, "lines": failing_lines(source, log), "log": tail(log)}


def serve(make: Callable[[], Bench], *, patience: float = ANSWER_SECONDS) -> None:
    """Speak the protocol on standard input and output until the client leaves. What writes is done in one thread: the record's.

    patience: seconds after which a call that still runs is answered with "running".
    """
    from mcp.server import MCPServer

    worker = ThreadPoolExecutor(1, thread_name_prefix="bench")
    made = worker.submit(make)  # a large task takes a while to read; a client gives the first answer seconds
    server = MCPServer("medalist", instructions=INSTRUCTIONS)
    _add_tools(server, made, worker, patience)
    try:
        server.run("stdio")
    except* BrokenPipeError:
        pass  # the client is gone
    finally:
        bench = made.result()
        bench.executor.cancel()  # a proposal that is being fitted for nobody
        worker.submit(bench.close).result()
        worker.shutdown()


def _add_tools(server: Any, made: Future[Bench], worker: ThreadPoolExecutor, patience: float) -> None:
    """The tools, each a method of the bench. What only looks, or tries on a few rows, answers while a proposal is fitted."""
    import asyncio

    from mcp.server.mcpserver.exceptions import ToolError

    running: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def bench_of() -> Bench:
        try:
            return await asyncio.shield(asyncio.wrap_future(made))
        except (TaskError, SandboxError) as error:  # the client is told why there is no run
            raise ToolError(" ".join(str(error).split())) from error

    async def work(task: Callable[[Bench], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(worker, task, await bench_of())

    async def look(task: Callable[[Bench], Answer]) -> Answer:
        return await asyncio.to_thread(task, await bench_of())

    async def task_card() -> str:
        """The competition: data, target, metric, validation; the contract of solution.py; the kit. Read it first."""
        return await look(Bench.task_card)

    async def list_entries() -> list[dict[str, Any]]:
        """Every entry so far: score over the folds, spread, gain over its parent, status, hypothesis."""
        return await look(Bench.entries)

    async def show_entry(entry: int) -> dict[str, Any]:
        """One entry with its source and its log; where it failed, what failed and at which lines."""
        return await look(lambda bench: bench.entry(entry))

    async def propose_solution(source: str, hypothesis: str, parents: list[int] | None = None) -> dict[str, Any]:
        """Check the whole text of a solution.py on a few hundred rows in the sandbox. Returns a proposal to run, or the problem.

        hypothesis: one sentence, what it exploits and why it should gain. parents: the entries that it was made from.
        """
        return await look(lambda bench: bench.propose(source, hypothesis, parents or ()))

    async def run_proposal(proposal: int) -> dict[str, Any]:
        """Fit a proposal on every fold, grade it, blend it in. Returns the entry, and the honest estimate before and after.

        Answers within a minute: where the fits take longer, with status "running"; then call it again for the rest. Meanwhile
        other proposals can be written and checked.
        """
        if proposal not in running:
            running[proposal] = asyncio.ensure_future(work(lambda bench: bench.run(proposal)))
        done, _ = await asyncio.wait([running[proposal]], timeout=patience)
        if not done:
            return {"status": "running", "proposal": proposal, "next": f"run_proposal({proposal}) again waits for its entry",
                    "seconds_left": round(made.result().game.left()) if made.done() else None}
        return running.pop(proposal).result()

    async def blend() -> dict[str, Any]:
        """The host's blend of all entries: method, weights, apparent and honest (cross-fitted) score."""
        return await work(Bench.blend)

    async def submit() -> dict[str, Any]:
        """Write the blend as the run's submission.csv, checked, with report and solution; send it to the host if there is one."""
        return await work(Bench.submit)

    for tool in (task_card, list_entries, show_entry, propose_solution, run_proposal, blend, submit):
        server.tool()(tool)
