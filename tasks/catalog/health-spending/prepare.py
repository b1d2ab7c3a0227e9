"""Builds health-spending: persons over years; all years of a test person are in test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; parts, counts and logs of the year's spending are dropped."""
    parts = ["outpdol", "drugdol", "suppdol", "mentdol", "inpdol", "totadm", "inpmis", "mentvis", "mdvis", "notmdvis",
             "lnmeddol", "binexp"]
    years = packaged.rdataset(raw, "sampleSelection/RandHIE").drop(columns=parts).rename(columns={"zper": "person"})
    years["person"] = years["person"].rank(method="dense").astype(int)
    split = splitting.grouped_split(years, "person", test_share=0.25, seed=25)
    splitting.write_competition(split, public, private, seed=25)
