"""Builds liver-cohort-survival: patients with their past laboratory values, a random quarter to be ranked."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/labs.csv; nothing after the first day is given."""
    people, labs, events = (packaged.rdataset(raw, f"survival/nafld{part}") for part in (1, 2, 3))
    number = pd.Series(np.random.default_rng(56).permutation(len(people)), index=people["id"])
    people, labs, events = (table.assign(patient=table["id"].map(number)).drop(columns="id") for table in (people, labs, events))
    labs = labs[(labs["days"] <= 0) & labs["patient"].notna()].astype({"patient": int}).sort_values(["patient", "days"])
    known = people.drop(columns="case.id").merge(_summaries(labs), on="patient", how="left")
    known = known.merge(_diagnoses(events[events["days"] <= 0]), on="patient", how="left")
    had = [name for name in known if name.startswith("had_")]
    known[had] = known[had].fillna(0).astype(int)
    labs[["patient", "days", "test", "value"]].to_csv(public / "labs.csv", index=False)
    split = splitting.random_split(known[known["futime"] > 0].reset_index(drop=True), test_share=0.25, seed=56, stratify="status")
    splitting.write_competition(split, public, private, seed=56)


def _summaries(labs: pd.DataFrame) -> pd.DataFrame:
    """One row a patient: last_, mean_ and count_ of each test."""
    wide = labs.groupby(["patient", "test"])["value"].agg(["last", "mean", "count"]).unstack("test")
    wide.columns = [f"{what}_{test}" for what, test in wide.columns]
    return wide.reset_index()


def _diagnoses(events: pd.DataFrame) -> pd.DataFrame:
    """One row a patient: had_ each diagnosis."""
    flags = pd.crosstab(events["patient"], events["event"]).clip(upper=1).add_prefix("had_")
    return flags.reset_index()
