"""Trials on this machine, forked from a warm server: a trial costs what its fit costs.

torch._dynamo is among the imports since torch's optimisers import it at their first use, five seconds in every trial.
"""

from sandbox.host import Host
from sandbox.trial import Executor

WARM = (
    "numpy", "pandas", "pyarrow", "scipy.sparse", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.preprocessing", "sklearn.decomposition", "sklearn.feature_extraction.text", "sklearn.model_selection",
    "sklearn.neighbors", "sklearn.svm", "sklearn.cluster", "sklearn.metrics", "lightgbm", "xgboost", "catboost",
    "torch", "torch._dynamo",
)


def make() -> Executor:
    return Host(WARM)
