"""LightAutoML's preset for tables with the run's budget as its timeout."""

from typing import Any

FIRST = ("torch==2.13.0",)
PACKAGES = ("LightAutoML==0.4.2", "xgboost==2.1.4")


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    import numpy as np
    from lightautoml.automl.presets.tabular_presets import TabularAutoML
    from lightautoml.tasks import Task

    label = "target"
    task = Task({0: "reg", 2: "binary"}.get(case.classes, "multiclass"), **({"metric": "auc"} if case.metric == "auc" else {}))
    model = TabularAutoML(task=task, timeout=case.seconds, cpu_limit=case.threads,
                          reader_params={"n_jobs": case.threads, "random_state": case.seed})
    model.fit_predict(train.assign(**{label: target}), roles={"target": label}, verbose=0)
    made = model.predict(test).data
    if case.classes <= 2:
        return made[:, 0]
    places = getattr(model.reader, "class_mapping", None) or {code: code for code in range(made.shape[1])}
    shares = np.zeros((len(test), case.classes))
    for code, place in places.items():
        shares[:, int(code)] = made[:, place]
    return shares
