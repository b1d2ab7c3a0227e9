"""Builds grant-success: applications for research grants in 1,500 columns, a random quarter of them to be foretold."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; exact repeats of an application are kept once."""
    grants = packaged.rdataset(raw, "modeldata/grants_other").drop_duplicates(ignore_index=True)
    grants["successful"] = (grants.pop("class").astype(str) == "successful").astype(int)
    split = splitting.random_split(grants, test_share=0.25, seed=21, stratify="successful")
    splitting.write_competition(split, public, private, seed=21)
