"""Builds delivery-time: orders of a restaurant, a random quarter to be foretold."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files."""
    orders = packaged.rdataset(raw, "modeldata/deliveries")
    split = splitting.random_split(orders, test_share=0.25, seed=32)
    splitting.write_competition(split, public, private, seed=32)
