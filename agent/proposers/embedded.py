"""The embedded proposer: an ordered portfolio, then operators chosen by a bandit. Needs no LLM."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from agent.bandit import Bandit
from agent.operators import OPERATORS, WHOLE, Move, Parent, pick
from agent.playbook.policy import BY_HAND, Policy
from agent.playbook.scope import holds
from agent.portfolio import DATES, QUESTIONS, SEASON, STRONGEST, TELLING
from agent.solution import Block, Recipe, Solution, render
from agent.spaces import SPACES, plain
from agent.traits import Traits
from leaderboard.record import Entry

optuna.logging.set_verbosity(logging.WARNING)
TRIES = 20
MISSES = 2  # of one operator, in search of one proposal


class Embedded:
    """Proposes recipes; remembers what it proposed so that nothing runs twice."""

    def __init__(
        self, traits: Traits, *, seed: int, greater_is_better: bool,
        priors: Mapping[str, tuple[float, float]] | None = None, opening_moves: int | None = None,
        policy: Policy = BY_HAND,
    ) -> None:
        self.traits = traits
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.sign = 1.0 if greater_is_better else -1.0
        self.macros, self.tools = policy.macros, [name for name, has in policy.tools if holds({"has": has}, traits)]
        arms = (*OPERATORS, "tune", *policy.macros, *(["add_tool"] if self.tools else []))
        self.arms = [name for name in arms if name not in policy.unused]
        self.bandit = Bandit(self.arms, joined(policy.priors, priors or {} if policy.learns else {}),
                             strength=policy.allocation.prior_strength)
        self.waiting = policy.portfolio.moves(traits, seed)[:opening_moves]
        self.seen: set[str] = set()
        self.studies: dict[str, optuna.Study] = {}
        self.asked: dict[str, optuna.trial.Trial] = {}

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        chosen = answers(entries, self.sign)
        self.waiting = [*self._too_early(entries, chosen), *self.waiting]
        while self.waiting:
            recipe, hypothesis = self.waiting.pop(0)
            recipe = with_answers(dates_as_found(recipe, entries, self.sign), chosen)
            if self._is_new(recipe, self.seed):
                return replace(self._solution(Move(recipe, hypothesis, ()), "portfolio"), must_beat=self._twin(recipe))
        parents = self._parents(entries)
        return self._evolve(parents) if parents else None

    def turn(self, entries: Sequence[Entry]) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        return False

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        self.bandit.update(entry.operator, won, entry.cost_cpu_seconds)
        recipe = recipe_of(entry)
        if recipe is None:
            return
        self.seen.add(f"{recipe.key}#{entry.params.get('seed', 0)}")
        self.waiting = [(waiting, why) for waiting, why in self.waiting if waiting.key != recipe.key]
        if recipe.family in SPACES:
            self._tell(recipe, entry.score)

    def _evolve(self, parents: Sequence[Parent]) -> Solution | None:
        misses: Counter[str] = Counter()
        for _ in range(TRIES):
            arms = [name for name in self.arms if misses[name] < MISSES]  # else one that has nothing new could take all tries
            if not arms:
                return None
            name = self.bandit.choose(self.rng, arms)
            move = self._move(self.macros.get(name, (name,)), parents)
            if move is not None and self._is_new(move.recipe, move.seed or self.seed):
                return self._solution(move, name)
            misses[name] += 1
        return None

    def _move(self, steps: Sequence[str], parents: Sequence[Parent]) -> Move | None:
        """One operator, or several, each upon what the one before it made."""
        move: Move | None = None
        for name in steps:
            among = parents if move is None else [Parent(self._entry(move, parents), move.recipe)]
            own = {"tune": self._tune, "add_tool": self._add_tool}.get(name)
            move = own(among) if own else OPERATORS[name](among, self.traits, self.rng)
            if move is None:
                return None
        return move

    def _add_tool(self, parents: Sequence[Parent]) -> Move | None:
        """A block of the playbook's own on a good recipe."""
        parent = pick(parents, self.rng)
        missing = [name for name in self.tools if not parent.recipe.has(name)]
        if not missing or parent.recipe.model.startswith(WHOLE):
            return None
        name = missing[int(self.rng.integers(len(missing)))]
        return Move(parent.recipe.with_block(Block(name)), f"The playbook's {name} adds what entry {parent.entry.number} misses",
                    (parent.entry.number,))

    @staticmethod
    def _entry(move: Move, parents: Sequence[Parent]) -> Entry:
        return next(parent.entry for parent in parents if parent.entry.number == move.parents[0])

    def _tune(self, parents: Sequence[Parent]) -> Move | None:
        tunable = [parent for parent in parents if parent.recipe.family in SPACES]
        if not tunable:
            return None
        parent = pick(tunable, self.rng)
        trial = self._study(parent.recipe.family).ask(SPACES[parent.recipe.family])
        params = {name: plain(value) for name, value in trial.params.items()}
        words = ", ".join(f"{name}={value}" for name, value in params.items())
        recipe = parent.recipe.with_params(**params)
        self.asked[recipe.key] = trial
        return Move(recipe, f"Settings of {recipe.family}: {words}", (parent.entry.number,))

    def _tell(self, recipe: Recipe, score: float | None) -> None:
        """Every entry of the family that has all settings teaches its study, whoever proposed it."""
        study, space = self._study(recipe.family), SPACES[recipe.family]
        trial = self.asked.pop(recipe.key, None)
        if trial is not None:
            study.tell(trial, None if score is None else self.sign * score,
                       state=TrialState.FAIL if score is None else TrialState.COMPLETE)
        elif score is not None and set(space) <= set(recipe.params):
            params = {name: recipe.params[name] for name in space}
            study.add_trial(create_trial(params=params, distributions=space, value=self.sign * score))

    def _study(self, family: str) -> optuna.Study:
        if family not in self.studies:
            sampler = optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=6, multivariate=True, constant_liar=True)
            self.studies[family] = optuna.create_study(direction="maximize", sampler=sampler)
        return self.studies[family]

    def _parents(self, entries: Sequence[Entry]) -> list[Parent]:
        """Scored entries with recipes, best first, the best few of each family."""
        scored = [entry for entry in entries if entry.status == "ok" and entry.score is not None]
        scored.sort(key=lambda entry: -self.sign * (entry.score or 0.0))
        parents: list[Parent] = []
        for entry in scored:
            recipe = recipe_of(entry)
            if recipe and sum(p.recipe.family == recipe.family for p in parents) < 3:
                parents.append(Parent(entry, recipe))
        return parents

    def _too_early(self, entries: Sequence[Entry], chosen: Sequence[tuple[Recipe, Block]]) -> list[tuple[Recipe, str]]:
        """What was begun before it was known that fewer columns, or those of groups, are better, with these."""
        moves: dict[str, tuple[Recipe, str]] = {}
        for entry in entries:
            if entry.operator != "portfolio" or (recipe := recipe_of(entry)) is None:
                continue
            again = with_answers(recipe, chosen)
            if again != recipe and f"{again.key}#{self.seed}" not in self.seen:
                moves[again.key] = (again, f"Entry {entry.number} with the choice of columns that proved better since")
        known = {waiting.key for waiting, _ in self.waiting}
        return [move for key, move in moves.items() if key not in known]

    def _twin(self, recipe: Recipe) -> Recipe | None:
        """The recipe that was proposed before and differs in one question's block alone."""
        others = [recipe.without(name) for name in QUESTIONS if recipe.has(name)]
        others += [] if recipe.has(TELLING.name) else [recipe.with_block(STRONGEST)]
        return next((other for other in others if f"{other.key}#{self.seed}" in self.seen), None)

    def _is_new(self, recipe: Recipe, seed: int) -> bool:
        key = f"{recipe.key}#{seed}"
        new = key not in self.seen
        self.seen.add(key)
        return new

    def _solution(self, move: Move, operator: str) -> Solution:
        source = render(move.recipe, move.hypothesis)
        return Solution(source, operator, move.hypothesis, move.recipe.family, move.parents, move.recipe,
                        move.seed or self.seed)


def dates_as_found(recipe: Recipe, entries: Sequence[Entry], sign: float) -> Recipe:
    """The recipe with dates as times of the year alone, where an entry that differed in nothing else was the better for it."""
    scores = {known.key: sign * entry.score for entry in entries
              if entry.status == "ok" and entry.score is not None and (known := recipe_of(entry)) is not None}
    timeless = [known for entry in entries if (known := recipe_of(entry)) is not None and SEASON in known.blocks]
    better = any(scores.get(known.key, -np.inf) > scores.get(known.swapped(SEASON, DATES).key, np.inf) for known in timeless)
    return recipe.swapped(DATES, SEASON) if better else recipe


def answers(entries: Sequence[Entry], sign: float) -> list[tuple[Recipe, Block]]:
    """Recipes of the opening that ask a question, with the block that it is about, where no entry that lacked it and differed in
    nothing else was as good on any fold."""
    done = {known.key: (known, sign * np.array(entry.fold_scores)) for entry in entries
            if entry.status == "ok" and entry.operator == "portfolio" and (known := recipe_of(entry)) is not None}
    found = []
    for known, mine in done.values():
        for block in (block for block in known.blocks if block.name in QUESTIONS):
            twin = done.get(known.without(block.name).key)
            alone = twin is None and block.name == TELLING.name  # of vast tables nothing else is run
            if alone or (twin is not None and len(mine) == len(twin[1]) and (mine > twin[1]).all()):
                found.append((known, block))
    return found


def with_answers(recipe: Recipe, chosen: Sequence[tuple[Recipe, Block]]) -> Recipe:
    """The recipe with the first answer to each question, but for the twin of the recipe that has it: that is to be run."""
    if recipe.model.startswith(WHOLE):
        return recipe
    made = recipe
    for name in QUESTIONS:
        blocks = (block for known, block in chosen if block.name == name and known.without(name).key != recipe.key)
        if not recipe.has(name) and (block := next(blocks, None)) is not None:
            made = made.with_block(block)
    return made


def joined(*known: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Wins and losses of each operator over several sources."""
    names = {name for counts in known for name in counts}
    pairs = {name: [counts[name] for counts in known if name in counts] for name in names}
    return {name: (sum(wins for wins, _ in found), sum(losses for _, losses in found)) for name, found in pairs.items()}


def recipe_of(entry: Entry) -> Recipe | None:
    """The recipe that wrote an entry, or None where its source was not written from one, or it was shown other entries too."""
    data = None if entry.params.get("upon") else entry.params.get("recipe")
    return Recipe.from_json(data) if data else None
