"""Whether predictions of the test rows say that they are other rows than the validated ones."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import write_folder
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import main
from agent.shift import ByFold, prediction_shift

ROWS = 2000


def seen(rng: np.random.Generator, test: float, centres: tuple[float, ...] = (0.0, 0.0, 0.0)) -> tuple[ByFold, ByFold]:
    """Predictions of three folds, each around a centre of its own, and of test rows around one of theirs."""
    validated = {fold: rng.normal(centre, 1.0, ROWS) for fold, centre in enumerate(centres)}
    return validated, {fold: rng.normal(test, 1.0, ROWS) for fold in validated}


@pytest.mark.parametrize(("test", "told"), [(0.0, False), (0.3, True), (0.05, False)])  # the last: too small to matter
def test_predictions_of_test_rows_that_are_distributed_otherwise_are_told(test: float, told: bool) -> None:
    found = prediction_shift(*seen(np.random.default_rng(0), test))
    assert found is not None and found.told == told, found


@pytest.mark.parametrize(("test", "told"), [(0.3, False), (1.5, True)])
def test_times_that_differ_as_much_among_themselves_say_nothing(test: float, told: bool) -> None:
    found = prediction_shift(*seen(np.random.default_rng(0), test, (0.0, 0.3, -0.3)), forward=True)
    assert found is not None and found.told == told, found


@pytest.mark.parametrize(("apart", "told"), [(0.0, False), (3.0, True)])
def test_a_few_groups_that_happen_to_be_others_say_nothing(apart: float, told: bool) -> None:
    """Groups of fifty rows with levels of their own: ten in each fold, ten in the test."""
    groups = np.repeat(np.arange(10), 50)
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        draw = lambda centre, rng=rng: rng.normal(centre, 1.0, 10)[groups] + rng.normal(0, 0.3, 500)  # noqa: E731
        test = draw(apart)
        found = prediction_shift({k: draw(0.0) for k in range(3)}, {k: test + rng.normal(0, 0.05, 500) for k in range(3)},
                                 units={k: groups + 10 * k for k in range(3)}, test_units=groups + 30)
        assert found is not None
        alarms += found.told
    assert alarms >= 15 if told else alarms <= 1, alarms


@given(seed=st.integers(0, 2**31), width=st.integers(1, 40), rows=st.integers(60, 600))
def test_rows_of_one_world_are_not_told_apart(seed: int, width: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    draw = lambda n: rng.dirichlet(np.ones(width), n) if width > 1 else rng.random(n)  # noqa: E731
    found = prediction_shift({fold: draw(rows) for fold in range(3)}, {fold: draw(rows) for fold in range(3)})
    assert found is not None and not found.told, found


def test_a_class_that_the_test_has_more_of_shows_in_its_own_column() -> None:
    rng = np.random.default_rng(0)
    mine, others = (np.eye(3)[rng.choice(3, ROWS, p=p)] * 0.8 + 0.07 for p in ([0.4, 0.4, 0.2], [0.6, 0.2, 0.2]))
    found = prediction_shift({0: mine}, {0: others})
    assert found is not None and found.told and found.distance == pytest.approx(0.2, abs=0.05)


def test_a_final_fit_is_compared_with_the_last_fold_and_few_rows_say_nothing() -> None:
    rng = np.random.default_rng(0)
    validated = {0: rng.normal(size=ROWS), 1: rng.normal(size=ROWS), 2: np.empty(0)}
    found = prediction_shift(validated, {0: np.empty(0), 2: rng.normal(2.0, 1.0, ROWS)})
    assert found is not None and found.told
    assert prediction_shift({0: np.zeros(20)}, {0: np.ones(20)}) is None


def pairs(rng: np.random.Generator, n: int, *, tried: float) -> pd.DataFrame:
    """Who takes what: a taste of each shopper for each kind of goods, and in test goods that are seldom taken. Columns alone
    look alike in both."""
    goods = rng.permutation(np.repeat(np.arange(40), -(-n // 40)))[:n]
    shoppers = np.where(rng.random(n) < tried, (goods + 20 * rng.integers(0, 2, n)) % 40, (goods + 7) % 40)
    taken = rng.random(n) < np.where((goods - shoppers) % 20 == 0, 0.9, 0.1)
    return pd.DataFrame({"shopper": [f"s{i}" for i in shoppers], "goods": [f"g{i}" for i in goods], "taken": taken.astype(int)})


def test_pairs_of_another_mix_are_said_to_be_before_any_private_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(3)
    train, test = pairs(rng, 3000, tried=0.8), pairs(rng, 1500, tried=0.2)
    table = pd.concat([train, test], ignore_index=True).rename_axis("id").reset_index()
    folder = write_folder(tmp_path / "pairs", table[:3000], table[3000:].drop(columns="taken"),
                          table[3000:][["id"]].assign(taken=0.5))
    assert main(["compete", str(folder), "--budget", "300", "--until", "0.65", "--runs", str(tmp_path / "runs"),
                 "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["shift"]["distance"] > 0.1, outcome["shift"]
    page = (Path(outcome["folder"]) / "report.html").read_text()
    assert "predict test rows otherwise than the rows they were validated on" in page
    plan = json.loads((Path(outcome["folder"]) / "private" / "plan.json").read_text())
    assert plan["adversarial_auc"] < 0.65  # the plan's own check looks at columns, which tell nothing here
