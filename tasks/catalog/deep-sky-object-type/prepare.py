"""Builds deep-sky-object-type: measured objects of the NGC and IC catalogues, a random 30% of them to be typed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd

from tasks import packaged, splitting

NOT_AN_OBJECT_OR_TOO_RARE = ["Dup", "NonEx", "Nova", "DrkN", "EmN", "GGroup", "SNR"]
POSITION_AND_SIZE = ["ra", "dec", "const", "majax", "minax", "pa"]
MAGNITUDES = ["bmag", "vmag", "jmag", "hmag", "kmag", "sbrightn"]
MOTION = ["radvel", "pmra", "pmdec", "parallax"]


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; names, Hubble types, redshifts and notes give the type away and stay out."""
    objects = _objects(raw)
    objects = objects[~objects["type"].isin(NOT_AN_OBJECT_OR_TOO_RARE)]
    measured = objects[["type", *POSITION_AND_SIZE, *MAGNITUDES, *MOTION]]
    split = splitting.random_split(measured, test_share=0.3, seed=4, stratify="type")
    splitting.write_competition(split, public, private, seed=4)


def _objects(raw: Path) -> pd.DataFrame:
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(packaged.read(raw, "pyongc", "pyongc/ongc.db"))
        return pd.read_sql("select * from objects", database)
