"""Builds crash-fatality: occupants of crashed cars; all occupants of a test crash are in test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the severity of the injury includes death and is dropped."""
    occupants = packaged.rdataset(raw, "DAAG/nassCDS").drop(columns="injSeverity")
    occupants["died"] = (occupants.pop("dead") == "dead").astype(int)
    split = splitting.grouped_split(occupants, "caseid", test_share=0.25, seed=7)
    splitting.write_competition(split, public, private, seed=7)
