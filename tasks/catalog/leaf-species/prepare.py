"""Builds leaf-species: 32 kinds of leaves in measurements, a random 40% of each kind to be named."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files."""
    leaves = packaged.rdataset(raw, "modeldata/leaf_id_flavia")
    split = splitting.random_split(leaves, test_share=0.4, seed=22, stratify="species")
    splitting.write_competition(split, public, private, seed=22)
