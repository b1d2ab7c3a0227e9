"""Builds bird-strike-phase: reports of collisions with birds, a random quarter to be put into phases of flight."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; phases with a handful of reports are left out, dates become ISO dates."""
    strikes = packaged.rdataset(raw, "openintro/birds").rename(columns={"phase_of_flt": "phase"}).drop_duplicates()
    strikes = strikes[strikes["phase"].notna() & ~strikes["phase"].isin(["Taxi", "Parked"])].reset_index(drop=True)
    days = strikes["date"].str.split(" ").str[0].str.split("/", expand=True)
    strikes["date"] = days[2] + "-" + days[0].str.zfill(2) + "-" + days[1].str.zfill(2)
    split = splitting.random_split(strikes, test_share=0.25, seed=31, stratify="phase")
    splitting.write_competition(split, public, private, seed=31)
