"""Builds bundesliga-outcome: matches in the order they were played; the seasons from 2000 on are test."""

from pathlib import Path

import numpy as np

from tasks import packaged, splitting

# The day of the other matches of that round (17, season 1998), for the two that have none.
MISSING_DATE = "1998-12-12T14:30:00Z"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; goals become the outcome for the home team and are dropped."""
    matches = packaged.rdataset(raw, "vcd/Bundesliga")
    lead = matches.pop("HomeGoals") - matches.pop("AwayGoals")
    matches["outcome"] = np.select([lead > 0, lead < 0], ["home", "away"], "draw")
    matches["Date"] = matches["Date"].fillna(MISSING_DATE).str[:16].str.replace("T", " ")
    split = splitting.time_split(matches, "Date", test_from="2000-07-01", seed=9)
    splitting.write_competition(split, public, private, seed=9)
