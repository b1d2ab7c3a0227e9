"""Speaks with Kaggle: the real command line as a subprocess, one worker process for what it hides. `kaggle` itself is
never imported here: it authenticates at import and calls exit."""

from leaderboard.kaggle.client import Allowance, Competition, Kaggle, Seconds, Submission
from leaderboard.kaggle.failures import KaggleError

__all__ = ["Allowance", "Competition", "Kaggle", "KaggleError", "Seconds", "Submission"]
