"""Plain LightGBM: default settings, one fit; levels natively, texts as TF-IDF of their thousand commonest words."""

from typing import Any

PACKAGES: tuple[str, ...] = ()


def fit_predict(train: Any, target: Any, test: Any, case: Any) -> Any:
    import pandas as pd
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.feature_extraction.text import TfidfVectorizer

    for name in [name for name, role in case.roles.items() if role == "text"]:
        words = TfidfVectorizer(max_features=1000, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        words.fit([*train[name], *test[name]])
        train, test = (side.drop(columns=name).join(pd.DataFrame(words.transform(side[name]).toarray()).add_prefix(f"{name}."))
                       for side in (train, test))
    train.columns = test.columns = [f"column{place}" for place in range(train.shape[1])]  # LightGBM refuses some characters
    make = LGBMClassifier if case.classes else LGBMRegressor
    model = make(n_jobs=case.threads, random_state=case.seed, verbose=-1).fit(train, target)
    if not case.classes:
        return model.predict(test)
    shares: Any = model.predict_proba(test)
    return shares[:, 1] if case.classes == 2 else shares
