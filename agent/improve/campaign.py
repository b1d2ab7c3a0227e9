"""The loop over the loop: propose a change of the playbook, gate it, write the ledger's line, move the pointer or not.

Each step first looks into the journal, so that a campaign killed anywhere goes on with the same ledger as without the kill.
The ledger's line comes first, then the pointer, which is a function of the ledger.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agent.improve import cheats
from agent.improve.epoch import proposing
from agent.improve.evaluator import Arm, Evaluator, GateTask
from agent.improve.evidence import Evidence
from agent.improve.journal import Journal
from agent.improve.ledger import FILE, Ledger, Line, confirmations, proposals, tested
from agent.improve.pools import Pools, order
from agent.improve.proposers import LLM_NAME, PLACEBO, Context, Proposal, names, proposer
from agent.improve.statistics import Verdict, confirm, gain, share_of_error, smallest_effect
from agent.llm import LLM
from agent.operators import OPERATORS
from agent.playbook.bundle import Bundle, PlaybookError, difference, read, write
from agent.playbook.policy import policy_of
from agent.playbook.store import SHIPPED, Store

PLACEBO_SHARE = 0.15
SCREENED = 8
TRIES = 12
REFERENCE_TIMES = 4  # the budget of an arm that says whether a result is too good
MOST_FAILED = 1  # arms of the candidate that may fail on the screen


@dataclass(frozen=True)
class Terms:
    """What is registered before anything is measured."""

    cpu_seconds: float = 10.0   # that an arm has
    seeds: int = 1              # runs of each arm on each task
    alpha: float = 0.05         # the chance that a campaign accepts anything where nothing is worth anything
    confirmations: int = 20     # at most, in an epoch
    seed: int = 0


@dataclass
class Campaign:
    """One home's loop. `gather` collects the evidence when a proposal is to be made; `say` is told each ledger line."""

    store: Store
    pools: Pools
    evaluator: Evaluator
    gather: Callable[[], Evidence]
    terms: Terms = Terms()
    llm: LLM | None = None
    say: Callable[[Line], None] = lambda line: None
    proposers: Sequence[str] = field(default_factory=names)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store.home / FILE)
        self.journal = Journal(self.store.home / "workshop" / "journal.jsonl")

    def round(self) -> Line | None:
        """One proposal from first to last; None where nobody has anything to propose. Goes on with one that was cut off."""
        self.settle()
        noise = self.noise()
        made = self.journal.once("proposal", self._propose)
        if not made["changes"]:
            self.journal.close()
            return None
        facts = self._judged(made, noise)
        return self.write("proposal", facts)

    def settle(self) -> None:
        """The pointer where the ledger says, and no journal of what the ledger knows: what a kill may have left undone."""
        lines = self.ledger.lines()
        moved = [line.facts["now"] for line in lines if line.facts.get("now")]
        if moved and self.store.current != moved[-1]:
            self.store.point(moved[-1])
        if self.journal.read().get("begun", {}).get("lines", len(lines)) != len(lines):
            self.journal.close()
        self.journal.once("begun", lambda: {"lines": len(lines)})

    def noise(self) -> float:
        """The noise floor of this epoch, budget and version, measured once on the gate: two seeds of the version in use. A
        version that leaves less to chance has less of it."""
        def known() -> list[float]:
            return [float(line.facts["noise"]) for line in self.ledger.lines() if line.kind == "noise"
                    and (line.facts["epoch"], line.facts["version"]) == (self.epoch, self.store.current)]
        if not known():
            folder, gains, spent = self.store.folder("current"), [], 0.0
            for place, task in enumerate(self.pools.gate):
                pair = [self._arm(f"noise {place} {k}", folder, task, self._seed(place, k)) for k in (0, 1)]
                spent += sum(arm.cpu_seconds for arm in pair)
                if pair[0].loss is not None and pair[1].loss is not None:
                    gains.append(gain([pair[0].loss], [pair[1].loss]))
            deviation = float(np.sqrt(np.mean(np.square(gains)) / self.terms.seeds))
            self.write("noise", {"epoch": self.epoch, "noise": deviation, "tasks": len(gains), "gains": gains,
                                  "version": self.store.current, "cpu_seconds": round(spent, 2), "terms": asdict(self.terms)})
            self.settle()
        return known()[-1]

    @property
    def epoch(self) -> str:
        return f"{self.evaluator.epoch}/{self.terms.cpu_seconds:g}s"

    def _propose(self) -> dict[str, Any]:
        """The next proposal that was not tested before, with all that is needed to make it again."""
        lines, evidence, parent = self.ledger.lines(), self.gather(), self.store.load("current")
        place = self.store.home / "evidence" / f"{evidence.hash}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(evidence.text(), encoding="utf-8")
        for attempt in range(TRIES):
            name = scheduled(self.proposers, self.terms.seed, len(proposals(lines)), attempt)
            found = proposed(name, parent, evidence, self._rng_seed(lines, attempt), history(lines), self.llm,
                             self.terms.cpu_seconds)
            if found is not None and (child := child_of(parent, found, self.epoch)) is not None:
                diff = difference(parent, child)
                if diff and diff_hash(diff) not in tested(lines):
                    write(child, self._candidates)
                    return {"proposer": name, "attempt": attempt, "rng": self._rng_seed(lines, attempt),
                            "evidence": evidence.hash, "parent": parent.hash, "child": child.hash, "diff": diff,
                            "hypothesis": found.hypothesis, "predicted": found.predicted, "kinds": list(found.kinds),
                            "changes": dict(found.changes), "arm_seconds": self.terms.cpu_seconds,
                            "code": proposing()}
        return {"changes": {}}

    def _rng_seed(self, lines: Sequence[Line], attempt: int) -> list[int]:
        return [self.terms.seed, len(proposals(lines)), attempt]

    @property
    def _candidates(self) -> Path:
        return self.store.home / "workshop" / "candidates"

    def _judged(self, made: Mapping[str, Any], noise: float) -> dict[str, Any]:
        """All stages in order, to the first that rejects; the facts of the ledger's line."""
        parent = self.store.load(made["parent"])
        child = read(self._candidates / made["child"][:12])
        lines = self.ledger.lines()
        facts: dict[str, Any] = {
            **{key: made[key] for key in ("proposer", "attempt", "rng", "evidence", "parent", "child", "diff", "hypothesis",
                                          "predicted", "kinds", "changes", "arm_seconds", "code")},
            "diff_hash": diff_hash(made["diff"]), "epoch": self.epoch, "noise": noise, "cheap": False,
            "confirmation": 0, "alpha": 0.0, "level": 0.0, "screen": [], "confirm": [], "planned": len(self.pools.gate),
        }
        verdict, stage, reason = "rejected", "static", self._static(parent, child)
        if not reason:
            level = share_of_error(self.terms.alpha, confirmations(lines, self.epoch) + 1, self.terms.confirmations)
            facts["level"] = level
            stage, reason = "noise floor", too_small(made["predicted"], noise, level, len(self.pools.gate))
        if not reason:
            stage, (facts["screen"], reason) = "screen", self._screen(parent, child, noise, len(lines))
        if not reason:
            facts |= {"confirmation": confirmations(lines, self.epoch) + 1, "alpha": level}
            stage, (facts["confirm"], reason, accepted) = "confirm", self._confirm(parent, child, noise, level, len(lines))
            verdict = "accepted" if accepted else verdict
        alarm = cheats.is_alarm(reason)
        now = {"now": child.short} if verdict == "accepted" else {}
        if now:
            self.store.add(child)
        spent = sum(pair["cpu_seconds"] for pair in (*facts["screen"], *facts["confirm"]))
        return {**facts, **now, "stage": stage, "verdict": verdict, "reason": reason, "alarm": alarm,
                "cpu_seconds": round(spent, 2)}

    def _static(self, parent: Bundle, child: Bundle) -> str:
        return cheats.static(parent, child, self.pools.all) or readable(child)

    def _screen(self, parent: Bundle, child: Bundle, noise: float, lines: int) -> tuple[list[dict[str, Any]], str]:
        """A few practice tasks: kills disasters, promotes nothing."""
        pairs: list[dict[str, Any]] = []
        for place, task in enumerate(order(self.pools.practice, lines)[:SCREENED]):
            pairs.append(pair := self.pair(f"screen {place}", parent, child, task, place, lines))
            if pair["alarm"]:
                return pairs, pair["alarm"]
        failed = sum(pair["gain"] is None for pair in pairs)
        gains = [pair["gain"] for pair in pairs if pair["gain"] is not None]
        if failed > MOST_FAILED:
            return pairs, f"{failed} of {len(pairs)} runs failed"
        if gains and np.mean(gains) < -2 * noise / len(gains) ** 0.5 and np.mean(np.asarray(gains) < 0) > 0.5:
            return pairs, f"a disaster on practice: mean gain {np.mean(gains):.3g}"
        return pairs, ""

    def _confirm(
        self, parent: Bundle, child: Bundle, noise: float, level: float, lines: int,
    ) -> tuple[list[dict[str, Any]], str, bool]:
        """The gate tasks in the registered order, with looks; before an acceptance the canaries."""
        tasks, pairs = order(self.pools.gate, lines), list[dict[str, Any]]()
        verdict = Verdict("reject", "there is no gate task", 0, 0.0, 0.0, 1.0, level)
        for place, task in enumerate(tasks):
            pairs.append(pair := self.pair(f"confirm {place}", parent, child, task, place, lines))
            if pair["alarm"]:
                return pairs, pair["alarm"], False
            verdict = verdict_of(pairs, planned=len(tasks), alpha=level, noise=noise)
            if verdict.decision != "go on":
                break
        if verdict.decision == "accept":
            for place, task in enumerate(self.pools.canaries):
                arm = self._arm(f"canary {place}", self._folder(child), task, self._seed(place, lines))
                if alarm := cheats.played(task, arm, cpu_seconds=self.terms.cpu_seconds, best_known=None):
                    return pairs, alarm, False
        return pairs, verdict.reason, verdict.decision == "accept"

    def pair(
        self, key: str, parent: Bundle, child: Bundle, task: GateTask, place: int, lines: int, *, seeds: int | None = None,
    ) -> dict[str, Any]:
        """Both arms on a task, the same seeds, who goes first taking turns. gain: None where the candidate's run failed."""
        losses: dict[str, list[float | None]] = {"present": [], "candidate": []}
        spent, alarm = 0.0, ""
        for k in range(seeds or self.terms.seeds):
            arms = {"present": parent, "candidate": child}
            turns = list(arms) if (place + k) % 2 == 0 else list(arms)[::-1]
            played = {who: self._arm(f"{key} {k} {who}", self._folder(arms[who]), task, self._seed(place, lines, k))
                      for who in turns}
            spent += sum(arm.cpu_seconds for arm in played.values())
            alarm = alarm or self._alarm(f"{key} {k}", task, played, self._seed(place, lines, k))
            for who, arm in played.items():
                losses[who].append(arm.loss)
        return {"task": task.name, "family": task.family, **losses, "gain": _gain(losses), "alarm": alarm,
                "cpu_seconds": round(spent, 2)}

    def _alarm(self, key: str, task: GateTask, played: Mapping[str, Arm], seed: int) -> str:
        """What is wrong with the candidate's result. What is too good beside the present version's is compared with the version
        made by hand too, in more time, and with all that practice found on this task: the present one may know little."""
        judged = partial(cheats.played, task, played["candidate"], cpu_seconds=self.terms.cpu_seconds)
        found = judged(best_known=played["present"].loss)
        if not found.startswith(cheats.TOO_GOOD):
            return found
        by_hand = self._arm(f"{key} by hand", Store(SHIPPED).folder("current"), task, seed, times=REFERENCE_TIMES).loss
        practised = self.journal.once(f"{key} practised", lambda: {"losses": self._practised(task)})["losses"]
        known = [*practised, *([] if by_hand is None else [by_hand])]
        return judged(best_known=min(known)) if known else found

    def _practised(self, task: GateTask) -> list[float]:
        """The losses of all recipes that practice tried on this task; the gate's are not in the evidence."""
        return [row.loss for row in self.gather().tried if row.task == task.name]

    def _arm(self, key: str, version: Path, task: GateTask, seed: int, *, times: int = 1) -> Arm:
        return Arm.from_json(self.journal.once(key, lambda: self.evaluator.play(
            version, task, seed=seed, cpu_seconds=times * self.terms.cpu_seconds).to_json()))

    def _folder(self, bundle: Bundle) -> Path:
        known = self.store.folders()
        return known[bundle.short] if bundle.short in known else self._candidates / bundle.short

    def _seed(self, *parts: int) -> int:
        """A seed that no other place of the campaign has, the same for both arms."""
        return int(np.random.default_rng([self.terms.seed, *parts]).integers(1, 1_000_000))

    def write(self, kind: str, facts: Mapping[str, Any]) -> Line:
        """A ledger line, and then what follows from it: the pointer, an empty journal, a word to whoever watches."""
        line = self.ledger.append(kind, facts)
        self.settle()
        self.say(line)
        return line


def _gain(losses: Mapping[str, Sequence[float | None]]) -> float | None:
    present, candidate = ([loss for loss in losses[who] if loss is not None] for who in ("present", "candidate"))
    if len(candidate) < len(losses["candidate"]):
        return None
    return gain(present, candidate) if len(present) == len(candidate) else 0.0


def verdict_of(pairs: Sequence[Mapping[str, Any]], *, planned: int, alpha: float, noise: float) -> Verdict:
    """The gate's verdict on pairs as the ledger keeps them; a run of the candidate that failed counts as a whole loss."""
    gains = [-1.0 if pair["gain"] is None else float(pair["gain"]) for pair in pairs]
    return confirm(gains, [pair["family"] for pair in pairs], planned=planned, alpha=alpha, noise=noise)


def scheduled(proposers: Sequence[str], seed: int, count: int, attempt: int) -> str:
    """Whose turn it is: placebos at their share, the others one after the other."""
    rng = np.random.default_rng([seed, count, 7])
    if PLACEBO in proposers and attempt == 0 and rng.random() < PLACEBO_SHARE:
        return PLACEBO
    others = sorted((name for name in proposers if name != PLACEBO), key=FIRST.__getitem__)
    return others[(count + attempt) % len(others)] if others else PLACEBO


FIRST = {name: place for place, name in enumerate(
    ("portfolio", LLM_NAME, "stopping", "priors", "scalar", "macro", "prune"))}


def proposed(
    name: str, parent: Bundle, evidence: Evidence, seed: Sequence[int], told: Sequence[Mapping[str, str]], llm: LLM | None,
    seconds: float,
) -> Proposal | None:
    """What that proposer makes of this evidence; the same arguments make the same proposal, but for a model's."""
    return proposer(name).propose(Context(parent, evidence, np.random.default_rng(list(seed)), told, llm, seconds))


def child_of(parent: Bundle, proposal: Proposal, epoch: str) -> Bundle | None:
    """The version that a proposal would make, None where it is none that a bundle may be."""
    try:
        return parent.child(proposal.changes, epoch=epoch)
    except PlaybookError:
        return None


def too_small(predicted: float, noise: float, level: float, tasks: int) -> str:
    """Why a confirmation is not begun: no error left to spend, or an effect that the gate could not tell from noise."""
    if level <= 0:
        return "all confirmations of this epoch are spent"
    least = smallest_effect(noise, tasks=tasks, alpha=level)
    return f"predicts {predicted:.3g}; what {tasks} tasks can tell from noise is {least:.3g}" if predicted < least else ""


def readable(child: Bundle) -> str:
    """Why a version cannot be played, "" where it can."""
    try:
        policy = policy_of(child)
    except PlaybookError as error:
        return str(error)
    able = {*OPERATORS, "tune"}
    strange = [step for steps in policy.macros.values() for step in steps if step not in able]
    return f"unknown operator: {strange[0]}" if strange else ""


def history(lines: Sequence[Line]) -> list[dict[str, str]]:
    """What proposers may know of earlier proposals: the words, and yes or no."""
    return [{"hypothesis": line.facts["hypothesis"], "verdict": line.facts["verdict"]} for line in proposals(lines)
            if line.facts["proposer"] != PLACEBO]


def diff_hash(diff: str) -> str:
    return hashlib.sha256(diff.encode()).hexdigest()
