"""FLAML's AutoML with the run's budget as its time budget."""

from typing import Any

PACKAGES = ("FLAML[automl]==2.7.0", "lightgbm==4.7.0", "xgboost==2.1.4", "catboost==1.2.10", "pandas==3.1.1")
METRICS = {"auc": "roc_auc", "log_loss": "log_loss", "rmse": "rmse", "mae": "mae", "mape": "mape", "r2": "r2",
           "accuracy": "accuracy", "f1": "f1", "f1_macro": "macro_f1", "average_precision": "ap", "mse": "mse"}


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    import numpy as np
    from flaml import AutoML

    usual = {0: "rmse", 2: "log_loss"}.get(case.classes, "log_loss")
    model = AutoML()
    model.fit(train, target, task="classification" if case.classes else "regression",
              metric=METRICS.get(case.metric, usual), time_budget=case.seconds, n_jobs=case.threads, seed=case.seed,
              verbose=0, early_stop=False, log_file_name="")
    if not case.classes:
        return model.predict(test)
    shares = np.zeros((len(test), case.classes))
    shares[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(test)
    return shares[:, 1] if case.classes == 2 else shares
