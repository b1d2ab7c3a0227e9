"""H2O AutoML with the run's budget as its longest run time. Needs a Java runtime on the machine."""

from typing import Any

PACKAGES = ("h2o==3.46.0.12", "pandas==2.3.3", "numpy==2.4.6")
METRICS = {"auc": "AUC", "log_loss": "logloss", "rmse": "RMSE", "mae": "MAE", "rmsle": "RMSLE"}


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    import h2o
    from h2o.automl import H2OAutoML

    label = "target of the task"
    h2o.init(nthreads=case.threads, bind_to_localhost=True, ice_root=str(case.folder), log_level="WARN")
    h2o.no_progress()
    try:
        kinds = {name: "enum" for name, role in case.roles.items() if role in ("categorical", "text")}
        frame = h2o.H2OFrame(train.assign(**{label: target}), column_types=kinds)
        if case.classes:
            frame[label] = frame[label].asfactor()
        model = H2OAutoML(max_runtime_secs=max(1, int(case.seconds)), seed=case.seed + 1,
                          sort_metric=METRICS.get(case.metric, "AUTO"))
        model.train(y=label, training_frame=frame)
        made = model.leader.predict(h2o.H2OFrame(test, column_types=kinds)).as_data_frame()
    finally:
        h2o.cluster().shutdown()
    if not case.classes:
        return made["predict"].to_numpy()
    shares = made.drop(columns="predict").rename(columns=lambda name: int(name.removeprefix("p")))
    shares = shares.reindex(columns=range(case.classes), fill_value=0.0).to_numpy()
    return shares[:, 1] if case.classes == 2 else shares
