"""Predictions that use no feature: the mark that every model must beat."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd


def prior(train: pd.DataFrame, target: Any, predict: pd.DataFrame, task: SimpleNamespace) -> np.ndarray:
    """Class shares, the median where absolute errors count, else the mean (of logs where ratios count).

    Returns (len(predict),) or (len(predict), k) as task.prediction demands.
    """
    values = np.asarray(target, dtype=float)
    if task.prediction == "distribution":
        shares = np.bincount(values.astype(int), minlength=len(task.classes)) / len(values)
        return np.tile(shares, (len(predict), 1))
    if task.kind == "survival":
        return np.zeros(len(predict))
    centre = _centre(values, task.metric)
    return np.tile(centre, (len(predict), 1)) if values.ndim == 2 else np.full(len(predict), centre)


def _centre(values: np.ndarray, metric: str) -> Any:
    if metric in ("mae", "medae", "mape", "smape", "rmspe"):
        return np.median(values, axis=0)
    if metric in ("rmsle", "msle", "mean_rmsle"):
        return np.expm1(np.log1p(np.maximum(values, 0.0)).mean(axis=0))
    if metric.startswith("pinball@"):
        return np.quantile(values, float(metric.split("@")[1]), axis=0)
    return values.mean(axis=0)
