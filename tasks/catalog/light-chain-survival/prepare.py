"""Builds light-chain-survival: people followed until death or the end, a random quarter to be ranked."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the cause of death is dropped."""
    people = packaged.rdataset(raw, "survival/flchain").drop(columns="chapter")
    people = people[people["futime"] > 0].reset_index(drop=True)
    split = splitting.random_split(people, test_share=0.25, seed=55, stratify="death")
    splitting.write_competition(split, public, private, seed=55)
