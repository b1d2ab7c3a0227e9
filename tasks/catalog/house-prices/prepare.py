"""Builds house-prices: sales of single homes in Ames, a random 30% of them to be priced."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the two record numbers of the source are dropped."""
    sales = packaged.rdataset(raw, "openintro/ames").drop(columns=["Order", "PID"])
    split = splitting.random_split(sales, test_share=0.3, seed=1)
    splitting.write_competition(split, public, private, seed=1)
