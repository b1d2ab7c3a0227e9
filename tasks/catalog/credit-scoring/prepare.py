"""Builds credit-scoring: consumer credits, a random quarter of them to be judged."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; the status becomes the target `bad` in {0, 1}."""
    credits = packaged.rdataset(raw, "modeldata/credit_data")
    credits["bad"] = (credits.pop("Status") == "bad").astype(int)
    split = splitting.random_split(credits, test_share=0.25, seed=2, stratify="bad")
    splitting.write_competition(split, public, private, seed=2)
