"""AutoGluon Tabular by one of its presets, with the run's budget as its time limit.

With fastai, whose nets both presets fit where it is installed, and without Ray: to start it takes `best_quality` most of a
minute on one processor, in which it fits one model instead of a dozen; without, it fits the same folds one after another.
"""

from typing import Any

FIRST = ("torch==2.13.0",)
PACKAGES = ("autogluon.tabular[fastai]==1.6.3", "numpy==2.4.6", "pandas==2.3.3", "scikit-learn==1.9.1",
            "catboost==1.2.10", "lightgbm==4.7.0", "xgboost-cpu==3.2.0")
VARIANTS = ("medium", "good", "best")
METRICS = {"auc": "roc_auc", "log_loss": "log_loss", "mae": "mean_absolute_error", "rmse": "root_mean_squared_error",
           "accuracy": "accuracy", "f1": "f1", "f1_macro": "f1_macro", "mcc": "mcc", "r2": "r2", "smape": "smape",
           "balanced_accuracy": "balanced_accuracy", "mape": "mean_absolute_percentage_error",
           "average_precision": "average_precision", "mse": "mean_squared_error", "medae": "median_absolute_error",
           "pearson": "pearsonr", "spearman": "spearmanr"}
OF_LABELS = ("accuracy", "f1", "mcc", "balanced_accuracy")  # of two classes: it chooses the threshold itself


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    from autogluon.tabular import TabularPredictor

    label = "target of the task"
    problem = {0: "regression", 2: "binary"}.get(case.classes, "multiclass")
    told: dict[str, Any] = {"problem_type": problem, "eval_metric": METRICS.get(case.metric)}
    if case.metric.startswith("pinball@"):
        told = {"problem_type": "quantile", "quantile_levels": [float(case.metric.split("@")[1])]}
    predictor = TabularPredictor(label=label, path=str(case.folder / "models"), verbosity=1, **told)
    predictor.fit(train.assign(**{label: target}), presets=f"{case.variant}_quality", time_limit=case.seconds,
                  num_cpus=case.threads, num_gpus=0)
    if not case.classes:
        return predictor.predict(test).to_numpy().reshape(len(test))
    if case.kind == "binary" and case.metric in OF_LABELS:
        return predictor.predict(test).to_numpy()
    shares = predictor.predict_proba(test)
    return shares[1].to_numpy() if case.classes == 2 else shares.reindex(columns=range(case.classes), fill_value=0.0).to_numpy()
