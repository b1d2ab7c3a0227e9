"""One real round: the agent in the sandbox on tiny tasks, its budget in processor seconds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.improve.campaign import Campaign, Terms
from agent.improve.cutting import made
from agent.improve.evaluator import GateTask
from agent.improve.evidence import gather
from agent.improve.live import Live
from agent.improve.pools import Pools
from agent.improve.practice import practise
from agent.improve.replay import replay
from agent.playbook.store import Store
from tests.folders import rows, write_folder

SECONDS = 2.0


def tiny(place: Path, family: str, seed: int, *, canary: bool = False) -> GateTask:
    """160 train and 160 test rows of a number and a level; canary: the label follows from neither."""
    table = rows(320, seed=seed)
    noise = np.random.default_rng([seed, 1]).normal(size=320)
    table["y"] = noise if canary else 3 * table["size"] + (table.colour == "red") + 0.3 * noise
    folder = write_folder(place / family, table[:160], table[160:].drop(columns="y"),
                          toml='metric = "rmse"\nkind = "regression"\nid = "id"\ntargets = ["y"]\nsubmission = "value"\n')
    answers = place / f"{family}.csv"
    table.loc[160:, ["id", "y"]].to_csv(answers, index=False)
    return GateTask(f"{family}-{seed}", family, f"{family}{seed}" * 3, folder, answers, canary)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tiny_pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    place = tmp_path_factory.mktemp("tasks")
    return Pools((tiny(place, "seen", 1),), (tiny(place, "hidden one", 2), tiny(place, "hidden two", 3)), (),
                 (tiny(place, "random", 4, canary=True),))


def test_a_round_plays_both_arms_with_equal_processor_seconds(home: Path, tiny_pools: Pools) -> None:
    store, runs = Store(home), home / "workshop" / "practice"
    with Live() as evaluator:
        practise(store, tiny_pools.practice, 1, evaluator=evaluator, runs=runs, cpu_seconds=SECONDS, say=lambda text: None)
        campaign = Campaign(store, tiny_pools, evaluator, lambda: gather([runs / "record.db"], hidden=frozenset()),
                            Terms(cpu_seconds=SECONDS), proposers=("placebo",))
        canary = evaluator.play(store.folder("current"), tiny_pools.canaries[0], seed=1, cpu_seconds=SECONDS)
        campaign.noise()
        line = campaign.round()
    noise = campaign.ledger.lines()[0]
    assert noise.kind == "noise" and noise.facts["tasks"] == 2
    assert noise.facts["cpu_seconds"] < 4 * (1.3 * SECONDS + 3)
    assert line is not None and line.facts["verdict"] == "rejected"
    assert replay(store, line.id).same
    assert canary.loss is not None and canary.floor - canary.loss < 3 * canary.noise
    known = gather([runs / "record.db"], hidden=frozenset())
    assert known.tasks == ["seen-1"] and {row.kind for row in known.tried} == {"regression"}
    assert gather([runs / "record.db"], hidden=frozenset({"seen"})).tried == ()


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("how", ["plain", "grouped", "timed"])
def test_a_cut_shares_no_row_between_train_and_test(number: int, how: str) -> None:
    rng = np.random.default_rng(number)
    table = pd.DataFrame({"id": range(900), "x": rng.normal(size=900), "z": rng.normal(size=900).round(2),
                          "colour": rng.choice(["a", "b", "c"], 900), "who": rng.integers(0, 90, 900),
                          "day": pd.date_range("2024-01-01", periods=900).astype(str), "y": rng.integers(0, 2, 900)})
    facts = {"id": "id", "metric": "auc", "kind": "binary", "targets": ["y"], "submission": "probability"}
    facts |= {"grouped": {"group": "who"}, "timed": {"time": "day"}}.get(how, {})
    cut = made(table, facts, number, np.random.default_rng(5))
    assert not set(cut.train.row) & set(cut.test.row)
    assert len(cut.train) >= 100 and len(cut.test) >= 100
    assert set(cut.facts["targets"]) <= set(cut.train)
    if how == "grouped":
        assert not set(cut.train.who) & set(cut.test.who)
    if cut.facts.get("time"):
        assert cut.train.day.max() <= cut.test.day.min()
    assert (number == 2) == (cut.facts["targets"] != ["y"])


def test_the_labels_of_a_canary_say_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    table = pd.DataFrame({"x": x, "y": (x > 0).astype(int)})
    facts = {"metric": "auc", "kind": "binary", "targets": ["y"], "submission": "probability"}
    cut = made(table, facts, 0, np.random.default_rng(5), canary=True)
    assert abs(np.corrcoef(cut.test.x, cut.test.y)[0, 1]) < 0.1
