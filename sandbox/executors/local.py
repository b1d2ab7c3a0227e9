"""Trials on this machine, forked from a warm server: a trial costs what its fit costs."""

from sandbox.host import Host
from sandbox.trial import Executor

WARM = (
    "numpy", "pandas", "pyarrow", "scipy.sparse", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.preprocessing", "sklearn.decomposition", "sklearn.feature_extraction.text", "sklearn.model_selection",
    "sklearn.neighbors", "sklearn.svm", "sklearn.cluster", "sklearn.metrics", "lightgbm", "xgboost", "catboost", "torch",
)


def make() -> Executor:
    return Host(WARM)
