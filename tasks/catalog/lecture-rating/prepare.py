"""Builds lecture-rating: marks given by students to lecturers, a random quarter of them to be foretold."""

from pathlib import Path

from tasks import packaged, splitting

NAMES = {
    "s": "student",
    "d": "lecturer",
    "studage": "semesters_studied",
    "lectage": "semesters_since_lecture",
    "service": "service_lecture",
    "dept": "department",
    "y": "rating",
}


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files under readable column names."""
    ratings = packaged.rdataset(raw, "lme4/InstEval").rename(columns=NAMES)
    split = splitting.random_split(ratings, test_share=0.25, seed=5, stratify="rating")
    splitting.write_competition(split, public, private, seed=5)
