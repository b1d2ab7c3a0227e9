"""A small competition in which the best column must be read out of a code: for tests of what a language model can do."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from agent.playbook.bundle import write
from agent.playbook.store import Store

DESCRIPTION = """# What does a parcel cost?

A carrier wants to know beforehand what a parcel will cost to deliver.
Submissions are scored by the root mean squared error (RMSE).

| column | meaning |
|---|---|
| `id` | row number |
| `cost` | **target**, cost of delivery |
| `code` | the parcel's code: country, routing number, service class |
| `weight` | in kg; above 20 kg there is a surcharge |
| `depot` | where the parcel was handed in |

The digits of the routing number sum, modulo 9, to the hops that the parcel takes. The service class is the last two digits
modulo 4.
"""
FACTS = 'metric = "rmse"\nkind = "regression"\nid = "id"\ntargets = ["cost"]\nsubmission = "value"\ntitle = "Parcels"\n'


def parcels(place: Path, *, rows: int = 700, description: str = DESCRIPTION) -> Path:
    """Writes public/ and answers.csv below `place`; returns the public folder."""
    rng = np.random.default_rng(7)
    countries = np.array(["AT", "DE", "FR", "IT", "NL"])
    country, routing, last = rng.integers(0, 5, rows), rng.integers(1000, 10000, rows), rng.integers(0, 100, rows)
    weight = rng.gamma(2.0, 6.0, rows).round(1)
    hops = np.array([sum(map(int, str(number))) % 9 for number in routing])
    cost = (np.array([2.0, 3.5, 5.0, 8.0, 4.0])[country] + 0.9 * hops + np.array([0.1, 0.2, 0.35, 0.6])[last % 4] * weight
            + 0.4 * np.maximum(weight - 20, 0) + rng.normal(0, 0.3, rows))
    frame = pd.DataFrame({
        "id": np.arange(rows), "weight": weight, "depot": rng.choice([f"depot-{k}" for k in range(40)], rows),
        "code": [f"{countries[c]}-{r}-{n:02d}" for c, r, n in zip(country, routing, last, strict=True)], "cost": cost.round(2),
    })
    public = place / "public"
    public.mkdir(parents=True)
    train, test = frame[:500], frame[500:]
    train.to_csv(public / "train.csv", index=False)
    test.drop(columns="cost").to_csv(public / "test.csv", index=False)
    test[["id"]].assign(cost=0.0).to_csv(public / "sample_submission.csv", index=False)
    usage = np.where(rng.random(rows - 500) < 0.3, "Public", "Private")
    test[["id", "cost"]].assign(Usage=usage).to_csv(place / "answers.csv", index=False)
    (public / "task.toml").write_text(FACTS)
    (public / "description.md").write_text(description)
    return public


def one_model(place: Path) -> Path:
    """A version of the playbook, below `place`, with a linear model and hardly a move after it: the embedded proposer is done
    soon, and what a run costs is the language model's."""
    others = ("boosters.lightgbm", "boosters.xgboost", "boosters.catboost", "forests.extra_trees", "linear.biases",
              "linear.support_vectors", "neighbours.knn", "nets.mlp", "nets.tabm", "text.ridge", "text.linear_model")
    moves = ("add_feature", "change_family", "crossover", "seed", "tune", "tune_block")
    changes = {"portfolio.toml": f"without = {json.dumps(others)}", "operators.toml": f"unused = {json.dumps(moves)}"}
    return write(Store().load("current").child(changes, epoch=""), place)
