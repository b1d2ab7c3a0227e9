"""Builds crash-fatality: occupants of crashed cars; all occupants of a test crash are in test."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the severity of the injury includes death and is dropped."""
    occupants = packaged.rdataset(raw, "DAAG/nassCDS").drop(columns="injSeverity")
    occupants = occupants.join(_crash(occupants)).drop(columns="caseid")
    occupants["died"] = (occupants.pop("dead") == "dead").astype(int)
    split = splitting.grouped_split(occupants, "crash", test_share=0.25, seed=7)
    splitting.write_competition(split, public, private, seed=7)


def _crash(occupants: pd.DataFrame) -> pd.DataFrame:
    """area, crash and vehicle out of caseid, which is area:case:vehicle and is used anew every year."""
    parts = occupants["caseid"].str.split(":", expand=True)
    crash = occupants["yearacc"].astype(str) + "-" + parts[0] + "-" + parts[1]
    return pd.DataFrame({"area": parts[0], "crash": crash, "vehicle": parts[2]})
