"""Builds loan-default: loans, one in nineteen bad; a random 30% to be judged."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files."""
    loans = packaged.rdataset(raw, "modeldata/lending_club")
    loans["bad"] = (loans.pop("Class").astype(str) == "bad").astype(int)
    split = splitting.random_split(loans, test_share=0.3, seed=30, stratify="bad")
    splitting.write_competition(split, public, private, seed=30)
