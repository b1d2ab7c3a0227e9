"""Builds package-check-time: how long the checks of R packages take, a random quarter to be foretold."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the outcome of the check, known only afterwards, is dropped."""
    packages = packaged.rdataset(raw, "modeldata/check_times").drop(columns="status")
    split = splitting.random_split(packages, test_share=0.25, seed=23)
    splitting.write_competition(split, public, private, seed=23)
