"""Builds employment-outlook: 148 monthly series; the last 24 months of all are test."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; months before a series begins are left out."""
    months = packaged.rdataset(raw, "fpp3/us_employment")
    months = months.rename(columns={"Month": "month", "Series_ID": "series", "Title": "title", "Employed": "employed"})
    months = months[months["employed"].notna()]
    months["month"] = pd.to_datetime(months["month"].astype(str), format="%Y %b").dt.strftime("%Y-%m-%d")
    split = splitting.time_split(months, "month", test_from="2017-10-01", seed=45)
    splitting.write_competition(split, public, private, seed=45)
