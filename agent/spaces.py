"""Search spaces of the model families: what Optuna may change, and between which bounds.

Bounds follow the published spaces of TabArena and of the libraries' own tuning guides.
"""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Space = dict[str, BaseDistribution]


def _log(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


SPACES: dict[str, Space] = {
    "lightgbm": {
        "learning_rate": _log(0.01, 0.15),
        "num_leaves": IntDistribution(4, 128, log=True),
        "min_child_samples": IntDistribution(2, 100, log=True),
        "feature_fraction": FloatDistribution(0.3, 1.0),
        "bagging_fraction": FloatDistribution(0.5, 1.0),
        "lambda_l2": _log(1e-3, 20.0),
        "extra_trees": CategoricalDistribution([False, True]),
        "cat_smooth": _log(1.0, 100.0),
    },
    "xgboost": {
        "learning_rate": _log(0.01, 0.15),
        "max_depth": IntDistribution(3, 10),
        "min_child_weight": _log(0.3, 30.0),
        "subsample": FloatDistribution(0.5, 1.0),
        "colsample_bytree": FloatDistribution(0.3, 1.0),
        "reg_lambda": _log(1e-2, 20.0),
    },
    "catboost": {
        "learning_rate": _log(0.02, 0.15),
        "depth": IntDistribution(4, 8),
        "l2_leaf_reg": _log(0.5, 20.0),
        "random_strength": FloatDistribution(0.0, 3.0),
        "bagging_temperature": FloatDistribution(0.0, 1.5),
        "rsm": FloatDistribution(0.2, 0.9),
    },
    "aft": {
        "learning_rate": _log(0.01, 0.15),
        "max_depth": IntDistribution(2, 8),
        "min_child_weight": _log(0.3, 30.0),
        "aft_loss_distribution": CategoricalDistribution(["normal", "logistic", "extreme"]),
        "aft_loss_distribution_scale": _log(0.3, 2.0),
        "colsample_bytree": FloatDistribution(0.3, 1.0),
    },
    "mlp": {
        "lr": _log(3e-3, 0.1),
        "width": CategoricalDistribution([64, 128, 256]),
        "dropout": FloatDistribution(0.0, 0.4),
        "weight_decay": _log(1e-3, 0.1),
    },
    "tabm": {
        "lr": _log(5e-4, 8e-3),
        "width": CategoricalDistribution([96, 192]),
        "dropout": FloatDistribution(0.0, 0.3),
        "weight_decay": _log(1e-3, 0.1),
    },
    "extra_trees": {
        "min_samples_leaf": IntDistribution(1, 20, log=True),
        "max_features": FloatDistribution(0.15, 1.0),
    },
    "fine_tuned": {
        "lr": _log(5e-4, 5e-3),
        "weight_decay": _log(1e-3, 0.1),
        "shift": FloatDistribution(0.0, 0.2),
    },
    "knn": {"count": IntDistribution(3, 80, log=True)},
    "support_vectors": {"cost": _log(0.1, 100.0), "width": _log(0.03, 3.0)},
}
SPACES["relative"] = SPACES["lightgbm"]  # which it fits


def plain(value: Any) -> Any:
    """A float rounded to four significant digits: what is run is what is written in solution.py."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
