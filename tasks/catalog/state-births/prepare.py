"""Builds state-births: births of each day and state; the year 1988 is test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; year, month and day, which the date contains, are dropped."""
    days = packaged.rdataset(raw, "mosaicData/Birthdays")
    days["date"] = days["date"].astype(str).str.slice(0, 10)
    days = days[["state", "date", "wday", "births"]].drop_duplicates(["state", "date"], keep=False)
    split = splitting.time_split(days, "date", test_from="1988", seed=47)
    splitting.write_competition(split, public, private, seed=47)
