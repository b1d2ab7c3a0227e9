"""The agent's own parts: recipes, bandit, blends, ensembles, racing and the proposer."""

import ast
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from agent.bandit import Bandit
from agent.blend import Blend, ranks, unlinked
from agent.compete import Game, State
from agent.ensemble import build
from agent.operators import Parent, drop_feature, menu, other_seed, tune_block
from agent.portfolio import SEASON, opening
from agent.proposers.embedded import Embedded
from agent.racing import Candidate, cannot_win, is_behind, peers_of
from agent.run import are_names
from agent.solution import Block, Recipe, Solution, Written, render
from agent.threads import Fit
from agent.traits import Traits
from leaderboard.record import Entry
from sandbox import Cost, Trial
from tasks.decision import half
from tasks.metrics import metric

TRAITS = Traits(kind="binary", metric="auc", rows=3000, classes=2, numeric=6, categorical=4, text=1, datetime=1,
                image=0, top_levels=500, grouped=False, timed=False)


def entry(number: int, recipe: Recipe, score: float, *, operator: str = "portfolio") -> Entry:
    return Entry(
        run="r", number=number, source=render(recipe, "x"), parents=(), operator=operator, hypothesis="x",
        family=recipe.family, params={"recipe": recipe.to_json(), "seed": 0}, status="ok", score=score, spread=0.01,
        fold_scores=(score,) * 5, cost_wall_seconds=1.0, cost_cpu_seconds=1.0, peak_memory_bytes=1, at_seconds=1.0,
        folder="", log="",
    )


def test_a_rendered_recipe_is_python_that_imports_the_kit_only() -> None:
    for recipe, hypothesis in opening(TRAITS):
        tree = ast.parse(render(recipe, hypothesis))
        assert [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)] == ["kit"]


def test_a_hypothesis_cannot_break_out_of_its_docstring() -> None:
    source = render(Recipe("boosters.lightgbm"), 'x"""\nimport os\n"""')
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import)]


def test_a_recipe_reads_back_what_was_written() -> None:
    recipe = Recipe("boosters.lightgbm", (Block("encoders.counts", {"a": 1}),), {"num_leaves": 7})
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_every_name_that_the_proposer_can_write_exists_in_the_kit() -> None:
    from agent.operators import BLOCK_OPTIONS

    wide = Traits(**{**vars(TRAITS), "numeric": 20, "image": 1, "timed": True, "forward": True})
    names = {b.name for b in menu(wide)} | {r.model for t in (TRAITS, wide) for r, _ in opening(t)} | set(BLOCK_OPTIONS)
    names |= {b.name for r, _ in opening(wide) for b in r.blocks}
    for name in sorted(names):
        module, function = name.split(".")
        source = (Path(__file__).parent.parent / "agent" / "kit" / f"{module}.py").read_text()
        assert function in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}, name


def test_the_proposer_never_writes_the_same_solution_twice() -> None:
    proposer, entries, seen = Embedded(TRAITS, seed=1, greater_is_better=True), [], set()
    rng = np.random.default_rng(0)
    for number in range(1, 60):
        solution = proposer.propose(entries)
        if solution is None:
            break
        assert solution.recipe is not None
        key = (solution.recipe.key, solution.seed)
        assert key not in seen
        seen.add(key)
        made = entry(number, solution.recipe, float(rng.uniform(0.7, 0.9)), operator=solution.operator)
        entries.append(made)
        proposer.observe(made, won=bool(rng.random() < 0.3), gained=0.1)
    assert len(seen) > 40
    assert len({e.operator for e in entries}) >= 5


@pytest.mark.parametrize(("timeless", "taken"), [(0.9, True), (0.7, False)])
def test_the_reading_of_dates_that_did_better_is_that_of_what_follows(timeless: float, taken: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "timed": True, "forward": True, "text": 0})
    marks = [recipe for recipe, _ in opening(traits) if recipe.model == "boosters.lightgbm" and not recipe.params][:2]
    assert [SEASON in recipe.blocks for recipe in marks] == [False, True]
    entries = [entry(k, recipe, score) for k, (recipe, score) in enumerate(zip(marks, (0.8, timeless), strict=True), 1)]
    proposer = Embedded(traits, seed=0, greater_is_better=True)
    for known in entries:
        proposer.observe(known, won=True, gained=0.1)
    recipes = [solution.recipe for _ in range(4) if (solution := proposer.propose(entries)) is not None]
    dated = [recipe for recipe in recipes if recipe is not None and recipe.has("features.dates")]
    assert dated and all((SEASON in recipe.blocks) == taken for recipe in dated)


@pytest.mark.parametrize(("gains", "taken"), [((0.02,) * 5, True), ((0.05, 0.05, 0.05, 0.05, -0.001), False)])
def test_fewer_columns_are_taken_over_where_they_were_better_on_every_fold(gains: tuple[float, ...], taken: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "numeric": 40})
    marks = [recipe for recipe, _ in opening(traits)][:2]
    assert [recipe.has("selection.telling") for recipe in marks] == [False, True]
    whole, fewer = entry(1, marks[0], 0.8), entry(2, marks[1], 0.8 + float(np.mean(gains)))
    entries = [whole, replace(fewer, fold_scores=tuple(0.8 + gain for gain in gains))]
    proposer = Embedded(traits, seed=0, greater_is_better=True)
    for known in entries:
        proposer.observe(known, won=True, gained=0.1)
    recipes = [solution.recipe for _ in range(5) if (solution := proposer.propose(entries)) is not None]
    assert len(recipes) == 5
    assert all(recipe is not None and recipe.has("selection.telling") == taken for recipe in recipes)


def test_names_beside_many_columns_are_text_only_where_they_tell_something() -> None:
    traits = Traits(**{**vars(TRAITS), "text": 1, "numeric": 20, "names": True})
    moves = [recipe for recipe, _ in opening(traits)]
    assert [recipe.has("text.reduce") for recipe in moves[:3]] == [False, True, False]
    assert not any(recipe.model.startswith("text.") or recipe.has("text.reduce") for recipe in moves[2:])
    entries = [entry(1, moves[0], 0.8), entry(2, moves[1], 0.82)]
    proposer = Embedded(traits, seed=0, greater_is_better=True)
    for known in entries:
        proposer.observe(known, won=True, gained=0.1)
    recipes = [solution.recipe for _ in range(4) if (solution := proposer.propose(entries)) is not None]
    assert all(recipe is not None and recipe.has("text.reduce") for recipe in recipes)


@pytest.mark.parametrize(("texts", "columns", "named"), [
    (["Ada Lovelace", "Alan Turing", "Grace Hopper"], 14, True), (["Ada Lovelace", "Alan Turing", "Grace Hopper"], 5, False),
    (["she wrote the first program", "he broke a code in the war"], 14, False), (["B-17", "C-22 x"], 14, False)])
def test_names_are_texts_of_a_word_or_three(texts: list[str], columns: int, named: bool) -> None:
    roles = {"who": "text", **{f"x{k}": "numeric" for k in range(columns)}}
    assert are_names(roles, pd.DataFrame({"who": texts * 9})) == named


@pytest.mark.parametrize(("trait", "block"), [("grouped", "groups.within"), ("panel", "history.around")])
@pytest.mark.parametrize(("gain", "taken"), [(0.02, True), (-0.001, False)])
def test_what_a_group_or_a_panel_shows_is_taken_over_where_it_was_better(
    trait: str, block: str, gain: float, taken: bool,
) -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "numeric": 5, trait: True})
    marks = [recipe for recipe, _ in opening(traits)][:2]
    assert [recipe.has(block) for recipe in marks] == [False, True]
    entries = [entry(1, marks[0], 0.8), entry(2, marks[1], 0.8 + gain)]
    proposer = Embedded(traits, seed=0, greater_is_better=True)
    first = proposer.propose([])
    second = proposer.propose(entries[:1])
    assert first is not None and second is not None and second.must_beat == first.recipe
    for known in entries:
        proposer.observe(known, won=True, gained=0.1)
    recipes = [solution.recipe for _ in range(8) if (solution := proposer.propose(entries)) is not None]
    plain = [recipe for recipe in recipes if recipe is not None and not recipe.has("features.pairs")]  # rich ones look at groups
    assert plain and all(recipe.has(block) == taken for recipe in plain)


def test_what_was_begun_before_the_columns_were_chosen_is_begun_again_with_fewer() -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "numeric": 40, "categorical": 0, "datetime": 0, "top_levels": 0})
    proposer, made = Embedded(traits, seed=0, greater_is_better=True), []
    for _ in range(3):  # the third while the second is on its way
        solution = proposer.propose(made[:1])
        assert solution is not None and solution.recipe is not None
        made.append(entry(len(made) + 1, solution.recipe, 0.8 + 0.01 * len(made)))
    assert [known.params["recipe"]["blocks"] == [] for known in made[:1]] == [True]
    third = proposer.propose(made)
    assert third is not None and third.recipe is not None
    early = Recipe.from_json(made[2].params["recipe"])
    assert not early.has("selection.telling") and third.recipe.key == early.with_block(Block("selection.telling")).key
    after = proposer.propose(made)
    assert after is not None and after.recipe is not None and after.recipe.model != early.model


def test_of_vast_tables_the_columns_that_tell_most_come_first_and_stay_unless_all_are_better() -> None:
    vast = Traits(**{**vars(TRAITS), "numeric": 3000, "text": 0})
    proposer = Embedded(vast, seed=0, greater_is_better=True)
    first = proposer.propose([])
    assert first is not None and first.recipe is not None and first.recipe.has("selection.telling") and first.must_beat is None
    known = entry(1, first.recipe, 0.8)
    second = proposer.propose([known])
    assert second is not None and second.recipe is not None and not second.recipe.has("selection.telling")
    assert second.must_beat == first.recipe
    late = replace(entry(2, second.recipe, 0.0), status="timeout", score=None, fold_scores=())
    third = proposer.propose([known, late])
    assert third is not None and third.recipe is not None and third.recipe.has("selection.telling") and third.must_beat is None
    better = entry(2, second.recipe, 0.9)
    fourth = proposer.propose([known, better])
    assert fourth is not None and fourth.recipe is not None and not fourth.recipe.has("selection.telling")


@pytest.mark.parametrize(("scores", "answered"), [({0: 0.79}, True), ({0: 0.81}, False), ({0: 0.79, 1: 0.85}, False),
                                                  ({}, False)])
def test_what_only_asks_whether_it_is_better_ends_with_the_answer(scores: dict[int, float], answered: bool) -> None:
    assert is_behind(metric("auc"), scores, {0: 0.8, 1: 0.8, 2: 0.8}) == answered
    assert is_behind(metric("rmse"), {fold: -score for fold, score in scores.items()}, {0: -0.8, 1: -0.8}) == answered


def test_of_a_single_year_no_recipe_goes_on_from_its_last_days() -> None:
    traits = Traits(**{**vars(TRAITS), "kind": "regression", "metric": "mae", "timed": True, "forward": True, "one_year": True})
    recipes = [recipe for recipe, _ in opening(traits)]
    blocks = [*(block for recipe in recipes for block in recipe.blocks), *menu(traits)]
    assert all(SEASON in recipe.blocks for recipe in recipes)
    assert not [block for block in blocks if block.name.startswith(("calendar", "forecast")) or block == Block("features.dates")]
    assert not [recipe for recipe in recipes if recipe.model.startswith("forecast")]
    rng = np.random.default_rng(0)
    parents = [Parent(entry(1, Recipe("boosters.lightgbm", (SEASON,)), 0.8), Recipe("boosters.lightgbm", (SEASON,)))]
    assert tune_block(parents, traits, rng) is None and drop_feature(parents, traits, rng) is None


@pytest.mark.parametrize(("numbers", "there"), [(20, True), (1500, False)])
def test_effects_of_levels_are_no_early_entry_where_numbers_are_most_of_the_table(numbers: int, there: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "categorical": 3, "numeric": numbers, "top_levels": 900})
    assert any(recipe.model == "linear.biases" for recipe, _ in opening(traits)) == there


@pytest.mark.parametrize(
    ("kind", "classes", "sooner"), [("multiclass", 30, True), ("multiclass", 5, False), ("binary", 2, False)],
)
def test_of_many_classes_a_linear_view_comes_before_what_grows_a_tree_for_each(kind: str, classes: int, sooner: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "kind": kind, "metric": "log_loss", "classes": classes, "text": 0, "rows": 9_000,
                       "numeric": 40})
    models = [recipe.model for recipe, _ in opening(traits)]
    assert models[0] == "boosters.lightgbm"
    assert (models.index("linear.regularised") < models.index("boosters.catboost")) == sooner


@pytest.mark.parametrize(("numbers", "categorical", "places"), [(6, 4, [3, 4]), (15, 0, [3, 2]), (40, 0, [6, 2])])
def test_a_forest_and_a_net_come_before_a_third_booster_and_first_where_numbers_are_smooth(
    numbers: int, categorical: int, places: list[int],
) -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "datetime": 0, "numeric": numbers, "categorical": categorical})
    models = [recipe.model for recipe, _ in opening(traits) if not recipe.model.startswith("linear.")]
    assert [models.index("forests.extra_trees"), models.index("nets.mlp")] == places
    assert models.count("forests.extra_trees") == models.count("nets.mlp") == 1


@pytest.mark.parametrize(("kind", "rows", "numbers", "soon"), [
    ("regression", 3_000, 6, True), ("binary", 3_000, 6, True), ("binary", 9_000, 20, False), ("regression", 9_000, 20, True),
    ("regression", 25_000, 6, False)])
def test_smooth_curves_added_up_come_before_what_takes_time(kind: str, rows: int, numbers: int, soon: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "kind": kind, "metric": "rmse" if kind == "regression" else "auc", "rows": rows, "text": 0,
                       "datetime": 0, "numeric": numbers, "categorical": 3, "top_levels": 5})
    recipes = [recipe for recipe, _ in opening(traits)]
    curves = next(place for place, recipe in enumerate(recipes) if "splines" in recipe.params)
    assert (curves < next(place for place, recipe in enumerate(recipes) if recipe.model == "boosters.catboost")) == soon


@pytest.mark.parametrize(("rows", "early"), [(3_000, True), (9_000, True), (25_000, False)])
def test_what_takes_a_second_of_a_small_table_comes_before_what_takes_ten(rows: int, early: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "datetime": 0, "categorical": 0, "rows": rows, "numeric": 10})
    models = [recipe.model for recipe, _ in opening(traits)]
    assert (models.index("linear.regularised") < models.index("boosters.catboost")) == early
    assert (models.index("neighbours.knn") < models.index("boosters.xgboost")) == early


@pytest.mark.parametrize(("numbers", "short"), [(300, True), (30, False)])
def test_of_nearly_as_many_columns_as_rows_a_linear_model_and_a_kernel_machine_come_first(numbers: int, short: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "rows": 500, "text": 0, "datetime": 0, "categorical": 0, "numeric": numbers})
    recipes = [recipe for recipe, _ in opening(traits)]
    models = [recipe.model for recipe in recipes]
    assert (models[:3] == ["linear.regularised", "linear.support_vectors", "boosters.lightgbm"]) == short
    assert models.index("nets.mlp") < models.index("forests.extra_trees")
    assert any(recipe.has("features.pairs") for recipe in recipes) != short
    assert len({recipe.key for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize(("classes", "rows", "first"), [
    (40, 3_000, "nets.mlp"), (4, 3_000, "boosters.lightgbm"), (40, 6_000, "boosters.lightgbm")])
def test_of_many_classes_of_smooth_numbers_a_net_and_a_kernel_machine_come_first(classes: int, rows: int, first: str) -> None:
    traits = Traits(**{**vars(TRAITS), "kind": "multiclass", "metric": "log_loss", "classes": classes, "rows": rows, "text": 0,
                       "datetime": 0, "categorical": 0, "numeric": 20})
    models = [recipe.model for recipe, _ in opening(traits)]
    assert models[0] == first and models.count("linear.support_vectors") == 1
    assert (models[1] == "linear.support_vectors") == (first == "nets.mlp")


def test_texts_that_have_to_do_with_each_other_are_compared_before_any_model_reads_them() -> None:
    traits = Traits(**{**vars(TRAITS), "text": 2, "numeric": 0, "categorical": 1, "datetime": 0, "alike": True, "parted": True})
    recipes = [recipe for recipe, _ in opening(traits)]
    assert all(recipe.has("likeness.features") for recipe in recipes)
    assert all(recipe.has("encoders.parts") for recipe in recipes if not recipe.model.startswith("text."))
    wide = [recipe for recipe, _ in opening(replace(traits, numeric=20, same=True))]
    assert not wide[0].has("likeness.features") and wide[0].has("likeness.same") and any(r.has("likeness.features") for r in wide)
    assert not any(recipe.has(name) for recipe, _ in opening(replace(traits, alike=False, parted=False))
                   for name in ("likeness.features", "encoders.parts"))


def test_of_series_to_go_on_with_what_goes_on_comes_right_after_the_mark() -> None:
    traits = Traits(**{**vars(TRAITS), "kind": "regression", "metric": "rmse", "text": 0, "forward": True, "timed": True})
    models = [recipe.model for recipe, _ in opening(traits)]
    assert models[:3] == ["boosters.lightgbm", "forecast.smoothed", "forecast.relative"]
    assert sum(model.startswith("forecast.") for model in models) == 2


def test_sequences_are_read_before_any_model_but_those_of_words() -> None:
    traits = Traits(**{**vars(TRAITS), "text": 1, "numeric": 0, "categorical": 0, "datetime": 0, "sequences": True})
    recipes = [recipe for recipe, _ in opening(traits)]
    assert all(recipe.has("sequences.features") for recipe in recipes if not recipe.model.startswith("text."))
    assert "linear.regularised" in [recipe.model for recipe in recipes[:2]]  # it takes a second, and may be the best by far


def test_no_second_seed_is_tried_of_a_model_that_draws_nothing() -> None:
    rng, settled = np.random.default_rng(0), Recipe("linear.regularised")
    parents = [Parent(entry(1, settled, 0.9), settled)]
    assert other_seed(parents, TRAITS, rng) is None
    drawn = Recipe("nets.mlp")
    move = other_seed([*parents, Parent(entry(2, drawn, 0.8), drawn)], TRAITS, rng)
    assert move is not None and move.recipe == drawn


@pytest.mark.parametrize(("levels", "paired", "sooner"), [(900, True, True), (900, False, False), (20, False, True)])
def test_features_come_before_catboost_where_levels_are_few_or_rows_are_pairs(levels: int, paired: bool, sooner: bool) -> None:
    traits = Traits(**{**vars(TRAITS), "text": 0, "categorical": 2, "numeric": 2, "top_levels": levels, "paired": paired})
    moves = [recipe for recipe, _ in opening(traits)]
    featured = next(place for place, recipe in enumerate(moves)
                    if recipe.has("encoders.target_mean") and recipe.model == "boosters.lightgbm")
    assert (featured < [recipe.model for recipe in moves].index("boosters.catboost")) == sooner


def test_an_operator_that_has_nothing_new_does_not_end_the_search() -> None:
    """A second seed is always new, whatever the bandit thinks of it."""
    entries = [entry(1, Recipe("nets.tabm"), 0.8)]
    proposer = Embedded(TRAITS, seed=0, greater_is_better=True, opening_moves=0)
    proposer.bandit.beliefs = {name: (1.0, 1e3) if name == "seed" else (1e3, 1.0) for name in proposer.arms}
    assert all(proposer.propose(entries) for _ in range(60))


def test_the_bandit_comes_to_prefer_the_arm_that_wins() -> None:
    rng, bandit = np.random.default_rng(0), Bandit(["good", "bad"])
    for _ in range(200):
        arm = bandit.choose(rng, ["good", "bad"])
        bandit.update(arm, rng.random() < (0.6 if arm == "good" else 0.1), 1.0)
    draws = [bandit.choose(rng, ["good", "bad"]) for _ in range(100)]
    assert draws.count("good") > 90


def test_ranks_share_ties_and_stay_inside_zero_and_one() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])) == pytest.approx([0.75, 0.125, 0.75, 0.375])


@pytest.mark.parametrize("link", ["identity", "logit", "rank"])
def test_a_blend_of_one_keeps_its_order(link: str) -> None:
    prediction = np.random.default_rng(0).uniform(size=50)
    blended = Blend("x", link, {3: 1.0}).apply({3: prediction})
    assert (np.argsort(blended) == np.argsort(prediction)).all()


def test_an_ensemble_of_views_that_err_apart_beats_the_best_single() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=2000)
    predictions = {n: truth + rng.normal(size=2000) for n in range(1, 6)}
    made = build(metric("rmse"), "regression", truth, predictions, seed=0)
    assert made.blend.method != "best single"
    assert made.honest < 0.6
    assert abs(made.honest - made.score) < 3 * made.standard_error


def test_rows_of_a_group_are_no_independent_witnesses() -> None:
    """Forty groups of fifty rows, each with an error of its own: the noise is that of forty, not of two thousand."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 50)
    truth = rng.normal(size=2000)
    predictions = {n: truth + rng.gamma(1.0, 1.0, 40)[groups] for n in (1, 2)}
    by_rows, by_groups = (build(metric("rmse"), "regression", truth, predictions, seed=0, units=units)
                          for units in (None, groups))
    assert by_groups.standard_error > 3 * by_rows.standard_error
    left = half(truth, seed=0, groups=groups)
    assert all(len(np.unique(left[groups == g])) == 1 for g in range(40)) and left.sum() == 1000


def test_noise_entries_do_not_lift_the_honest_estimate() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 600)
    predictions = {n: rng.uniform(size=600) for n in range(1, 20)}
    made = build(metric("auc"), "binary", truth, predictions, seed=0)
    assert made.score > made.honest
    assert abs(made.honest - 0.5) < 3 * made.standard_error


def test_no_blend_is_scaled_where_the_validated_rows_are_not_of_the_tests_season() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=600) + 10
    views = {n: 1.5 * truth + rng.normal(size=600) for n in (1, 2, 3)}
    free, kept = (build(metric("rmse"), "regression", truth, views, seed=0, scaled=scaled) for scaled in (True, False))
    assert free.blend.method == "linear stack" and sum(free.blend.weights.values()) < 0.8
    assert kept.blend.method != "linear stack" and sum(kept.blend.weights.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_members_that_are_all_too_unsure_blend_into_true_probabilities(kind: str) -> None:
    """A mean of such members is too unsure too: the stack's weights need not sum to one, which makes it a calibration."""
    rng = np.random.default_rng(0)
    shape = {"binary": (1500,), "multiclass": (1500, 3), "multilabel": (1500, 3)}[kind]
    odds = 2.0 * rng.normal(size=shape)
    chances = np.exp(odds) / np.exp(odds).sum(1, keepdims=True) if kind == "multiclass" else 1 / (1 + np.exp(-odds))
    drawn = rng.random((1500, 1) if kind == "multiclass" else shape)
    truth = (chances.cumsum(1) < drawn).sum(1) if kind == "multiclass" else (drawn < chances).astype(int)
    link, judge = ("log" if kind == "multiclass" else "logit"), metric("mean_log_loss" if kind == "multilabel" else "log_loss")
    views = {n: unlinked(0.4 * odds + 0.2 * rng.normal(size=shape), link) for n in range(1, 4)}
    made = build(judge, kind, truth, views, seed=0)
    mean = Blend("mean", "identity", dict.fromkeys(views, 1 / 3)).apply(views)
    assert made.blend.method == "linear stack" and sum(made.blend.weights.values()) > 1.5
    assert made.honest < judge.score(truth, mean) - 2 * made.standard_error
    read_back = Blend.from_json(made.blend.to_json())  # as an exported solution does
    assert judge.score(truth, made.decision.apply(read_back.apply(views))) == pytest.approx(made.score)


def test_targets_of_other_scales_are_stacked_together() -> None:
    """Members that all stay too near to the mean, in thousands and in thousandths: both columns gain."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(1500, 2)) * [1000.0, 0.001]
    views = {n: 0.6 * truth + 0.1 * rng.normal(size=(1500, 2)) * [1000.0, 0.001] for n in range(1, 4)}
    made = build(metric("mean_rmse"), "multiregression", truth, views, seed=0)
    raw, mean = made.blend.apply(views), Blend("mean", "identity", dict.fromkeys(views, 1 / 3)).apply(views)
    assert made.blend.method == "linear stack" and made.blend.bias == 0.0
    assert (np.abs(raw - truth).mean(axis=0) < 0.5 * np.abs(mean - truth).mean(axis=0)).all()


@pytest.mark.parametrize(("kind", "judge"), [("multiclass", "log_loss"), ("multiclass", "f1_macro")])
def test_distributions_blend_into_distributions(kind: str, judge: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 800)
    views = {n: np.exp(2 * np.eye(4)[truth] + rng.normal(size=(800, 4))) for n in range(1, 5)}
    made = build(metric(judge), kind, truth, {n: v / v.sum(1, keepdims=True) for n, v in views.items()}, seed=0)
    raw = made.blend.apply({n: v / v.sum(1, keepdims=True) for n, v in views.items()})
    assert raw.sum(axis=1) == pytest.approx(np.ones(800), abs=1e-6)


def test_only_code_from_a_recipe_tells_other_folds_what_it_found() -> None:
    trial = Trial("ok", np.zeros(4), Cost(1.0, 1.0, 1), log="choice best_rounds={\"learning_rate\":0.1,\"rounds\":[7]}\n")
    own, foreign = (Candidate(1, Solution("", "x", "x", "x", recipe=recipe), 5, 0.0)
                    for recipe in (Recipe("boosters.lightgbm"), None))
    for candidate in (own, foreign):
        candidate.take(0, trial, validation_rows=4)
    assert own.found == {0: [["best_rounds", {"learning_rate": 0.1, "rounds": [7]}]]}
    assert not foreign.found


@pytest.mark.parametrize(("rounds", "status"), [(70, "running"), (9, "timeout")])
def test_a_fit_on_all_rows_that_learned_far_less_than_the_folds_is_not_taken_for_theirs(rounds: int, status: str) -> None:
    def trial(number: int) -> Trial:
        line = f'choice best_rounds={{"learning_rate":0.1,"rounds":[{number}],"part":null}}\n'
        return Trial("ok", np.zeros(4), Cost(1.0, 1.0, 1), log=line)

    candidate = Candidate(1, Solution("", "x", "x", "x", recipe=Recipe("boosters.lightgbm")), 3, 0.0)
    for fold, number, validated in ((0, 60, 4), (1, 80, 4), (2, rounds, 0)):
        candidate.take(fold, trial(number), validation_rows=validated)
    assert candidate.status == status
    assert (2 in candidate.tested) == (status == "running")


def test_folds_that_are_fitted_on_more_rows_are_expected_to_take_longer() -> None:
    candidate = Candidate(1, Solution("", "x", "x", "x", recipe=Recipe("nets.mlp")), 4, 0.0)
    assert candidate.rest(1, [100, 200, 300, 400], hints=True) == 0.0
    candidate.validated[0] = np.zeros(4)
    candidate.fits.append(Fit(0, 1, False, 100, 2.0, 2.0))
    assert candidate.rest(1, [100, 200, 300, 400], hints=True) == pytest.approx(18.0)
    assert candidate.rest(1, [100, 100, 100, 100], hints=True) == pytest.approx(6.0)
    assert candidate.rest(3, [100, 100, 100, 100], hints=True) == pytest.approx(2.0)


def test_racing_stops_what_is_far_behind_and_spares_what_is_near() -> None:
    rivals = [{0: 0.80, 1: 0.82}]
    assert cannot_win(metric("auc"), {0: 0.70}, rivals, peers=1, reach=0.3)
    assert not cannot_win(metric("auc"), {0: 0.797}, rivals, peers=1, reach=0.3)
    assert not cannot_win(metric("auc"), {0: 0.74}, rivals, peers=0, reach=0.3)


def test_racing_does_not_ask_a_candidate_to_beat_whoever_was_lucky_on_its_fold() -> None:
    lucky = {0: 0.82, 1: 0.76, 2: 0.76}
    assert not cannot_win(metric("auc"), {0: 0.80}, [{0: 0.80, 1: 0.81, 2: 0.80}, lucky], peers=2, reach=0.3)


def test_racing_knows_how_much_gaps_between_good_entries_are_chance() -> None:
    alike = [{0: 0.80, 1: 0.80, 2: 0.80}, {0: 0.79, 1: 0.80, 2: 0.80}]
    unlike = [{0: 0.80, 1: 0.80, 2: 0.80}, {0: 0.74, 1: 0.84, 2: 0.79}]
    assert cannot_win(metric("auc"), {0: 0.785}, alike, peers=1, reach=0.3)
    assert not cannot_win(metric("auc"), {0: 0.785}, unlike, peers=1, reach=0.3)
    assert cannot_win(metric("auc"), {0: 0.76}, unlike, peers=1, reach=0.3)
    assert not cannot_win(metric("rmse"), {0: 0.32}, [{0: 0.30, 1: 0.31}, {0: 0.38, 1: 0.25}], peers=1, reach=0.3)
    assert not cannot_win(metric("auc"), {0: 0.5}, [{1: 0.8}], peers=1, reach=0.3)


def test_a_mind_s_draft_is_a_view_of_its_own_and_its_change_of_an_entry_is_not() -> None:
    entries = [entry(number, Recipe("linear.biases"), 0.8) for number in (1, 2)]
    made = {name: Solution("", name, "x", "biases", written=Written("m")) for name in ("draft", "cross", "debug", "improve")}
    assert {name: peers_of(solution, entries) for name, solution in made.items()} == {
        "draft": 0, "cross": 0, "debug": 0, "improve": 2}
    assert peers_of(Solution("", "tune", "x", "biases", recipe=Recipe("linear.biases")), entries) == 2


@pytest.mark.parametrize(("last", "members", "left"), [
    ((0.0, 1), 3, 50.0), ((0.5, 3), 3, 50.0), ((6.0, 3), 5, 39.0), ((6.0, 20), 30, 45.0),
])
def test_what_the_last_blend_will_take_is_no_time_for_trials(last: tuple[float, int], members: int, left: float) -> None:
    """By the one before it, for as many members as there will be; a second is kept back for it anyway, and 20 are the most."""
    entries = [entry(number, Recipe("linear.biases"), 0.8) for number in range(1, members + 1)]
    state = State(entries=entries, out_of_fold=dict.fromkeys(range(1, members + 1), np.zeros(1)), last_blend=last)
    game = SimpleNamespace(state=state, setting=SimpleNamespace(deadline=150.0), clock=lambda: 100.0)
    assert Game.left(game) == pytest.approx(left)  # type: ignore[arg-type]
