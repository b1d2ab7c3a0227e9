"""mljar-supervised in its mode for competitions with the run's budget as its total time limit."""

from typing import Any

PACKAGES = ("mljar-supervised==1.3.2",)
METRICS = {"auc": "auc", "log_loss": "logloss", "rmse": "rmse", "mae": "mae", "r2": "r2", "accuracy": "accuracy", "f1": "f1"}


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    import numpy as np
    from supervised.automl import AutoML

    task = {0: "regression", 2: "binary_classification"}.get(case.classes, "multiclass_classification")
    model = AutoML(mode="Compete", total_time_limit=max(1, int(case.seconds)), eval_metric=METRICS.get(case.metric, "auto"),
                   n_jobs=case.threads, random_state=case.seed, results_path=str(case.folder / "models"), ml_task=task)
    model.fit(train, target)
    if not case.classes:
        return model.predict(test)
    made = np.asarray(model.predict_proba(test))
    shares = np.zeros((len(test), case.classes))
    shares[:, np.unique(target)] = made
    return shares[:, 1] if case.classes == 2 else shares
