"""Builds bioactivity-cliffs: molecules and assays in the published split."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the concentration itself and the mark of activity cliffs are dropped."""
    with packaged.opened(raw, "moleculeace") as read:
        listing = read("MoleculeACE-3.0.0.dist-info/RECORD").decode("utf-8").splitlines()
        members = [line.split(",")[0] for line in listing if line.startswith("MoleculeACE/Data/benchmark_data/CHEMBL")]
        parts = [packaged.csv(read(member)).assign(assay=Path(member).stem) for member in sorted(members)]
    pairs = pd.concat(parts, ignore_index=True).rename(columns={"y": "activity"})
    split = splitting.chosen_split(pairs[["assay", "smiles", "activity"]], pairs["split"] == "test", seed=51)
    splitting.write_competition(split, public, private, seed=51)
