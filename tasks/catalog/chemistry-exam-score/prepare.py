"""Builds chemistry-exam-score: pupils of schools; all pupils of a test school are in test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the centred copy of the earlier score is dropped."""
    pupils = packaged.rdataset(raw, "mlmRev/Chem97").drop(columns=["gcsecnt", "student"])
    split = splitting.grouped_split(pupils, "school", test_share=0.25, seed=27)
    splitting.write_competition(split, public, private, seed=27)
