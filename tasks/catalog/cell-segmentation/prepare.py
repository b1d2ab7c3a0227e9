"""Builds cell-segmentation: measured cells, a random 30% of each class to be judged."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the published split is dropped."""
    cells = packaged.rdataset(raw, "modeldata/cells").drop(columns="case")
    cells["poor"] = (cells.pop("class").astype(str) == "PS").astype(int)
    split = splitting.random_split(cells, test_share=0.3, seed=28, stratify="poor")
    splitting.write_competition(split, public, private, seed=28)
