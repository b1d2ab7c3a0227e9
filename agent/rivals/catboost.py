"""Plain CatBoost: default settings, one fit; levels and texts given as such."""

from typing import Any

PACKAGES: tuple[str, ...] = ()


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    levels = [name for name, role in case.roles.items() if role == "categorical"]
    texts = [name for name, role in case.roles.items() if role == "text"]
    for name in levels:
        train[name], test[name] = (side[name].astype(object).where(side[name].notna(), "missing").astype(str)
                                   for side in (train, test))
    if not case.classes and len(texts) < train.shape[1]:
        train, test, texts = train.drop(columns=texts), test.drop(columns=texts), []  # it regresses on no texts
    make = CatBoostClassifier if case.classes else CatBoostRegressor
    model = make(thread_count=case.threads, random_seed=case.seed, verbose=False, allow_writing_files=False)
    model.fit(train, target, cat_features=levels, text_features=texts or None)
    if not case.classes:
        return model.predict(test)
    shares: Any = model.predict_proba(test)
    return shares[:, 1] if case.classes == 2 else shares
