"""Reference competitors: each enters every kind of task, and a run is ranked among what they scored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import rows, write_folder

from leaderboard import reference_models
from leaderboard.reference import Rival, add_results, competitors, rank, read_field, submitted, write_field
from leaderboard.reference_tables import _tfidf
from tasks.spec import load_task

NAMES = [competitor.name for competitor in reference_models.COMPETITORS]
FIELD = [Rival("dummy", "", "", 0.5), Rival("forest", "", "", 0.7), Rival("boosted", "", "", 0.8)]
KINDS = {
    "binary": 'metric = "auc"',
    "multiclass": 'metric = "accuracy"\nsubmission = "label"',
    "regression": 'metric = "rmsle"',
    "ordinal": 'metric = "qwk"\nsubmission = "label"',
    "multilabel": 'metric = "mean_auc"\ntargets = ["y", "z"]',
    "survival": 'metric = "concordance"\ntargets = ["y", "z"]',
}


def test_a_score_is_ranked_where_more_is_better() -> None:
    assert rank(FIELD, 0.75, True) == (2, ("dummy", "forest"))


def test_a_score_is_ranked_where_less_is_better() -> None:
    assert rank(FIELD, 0.4, False) == (1, ("dummy", "forest", "boosted"))
    assert rank(FIELD, 0.9, False) == (4, ())


def test_a_tie_beats_nobody() -> None:
    assert rank(FIELD, 0.8, True) == (2, ("dummy", "forest"))
    assert rank([FIELD[0]], 0.5, True) == (2, ())


def test_an_empty_field_leaves_the_first_place() -> None:
    assert rank([], 0.1, True) == (1, ())


def test_no_file_is_no_field(tmp_path: Path) -> None:
    assert read_field(tmp_path / "field.csv") == []


def _targets(kind: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Targets that the number and the level foretell, with noise."""
    noise = np.random.default_rng(7).normal(size=len(frame))
    drive = 2 * frame["size"].to_numpy() + 2 * (frame["colour"] == "red").to_numpy() + 0.3 * noise
    level = np.digitize(drive, [0.0, 2.0])
    if kind == "multilabel":
        return pd.DataFrame({"y": (drive > 0).astype(int), "z": (noise + drive > 1).astype(int)})
    if kind == "survival":
        return pd.DataFrame({"y": np.exp(3 - drive).round(3), "z": (noise < 1).astype(int)})
    return pd.DataFrame({"y": {
        "binary": (drive > 0.5).astype(int), "multiclass": np.array(["low", "middle", "high"])[level],
        "regression": np.exp(drive).round(3), "ordinal": level + 1}[kind]})


def _folders(kind: str, path: Path) -> tuple[Path, Path]:
    """The public and the private folder of a tiny task, with a missing number and a missing level."""
    train, test = rows(200), rows(80, first=200, seed=1)
    train.loc[3, "size"], test.loc[5, "colour"] = np.nan, None
    known, answers = _targets(kind, train.fillna({"size": 0.0})), _targets(kind, test)
    toml = f'kind = "{kind}"\n{KINDS[kind]}\n'
    sample = pd.concat([test[["id"]], pd.DataFrame([known.iloc[0]] * len(test)).reset_index(drop=True)], axis=1)
    sample = test[["id"]].assign(risk=0.0) if kind == "survival" else sample
    public = write_folder(path / "public", pd.concat([train, known], axis=1), test, sample, toml=toml)
    private = path / "private"
    private.mkdir()
    graded = pd.concat([test[["id"]], answers], axis=1).assign(Usage=["Public", "Private"] * 40)
    graded.to_csv(private / "answers.csv", index=False)
    return public, private


@pytest.mark.parametrize("kind", KINDS)
def test_every_competitor_enters_and_learns(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_models, "TUNING_SECONDS", 0.5)
    public, private = _folders(kind, tmp_path)
    field = tmp_path / "field.csv"
    made = write_field(public, private, field, threads=1)
    assert [rival.name for rival in read_field(field)] == NAMES
    scores = {rival.name: rival.private for rival in made}
    dummy = scores.pop("dummy")
    greater_is_better = load_task(public).greater_is_better
    assert all(score > dummy if greater_is_better else score < dummy for score in scores.values())


def test_the_field_reads_back_what_was_written(tmp_path: Path) -> None:
    public, private = _folders("binary", tmp_path)
    made = write_field(public, private, tmp_path / "field.csv", names=["dummy", "linear"], threads=1)
    found = read_field(tmp_path / "field.csv")
    assert [(r.name, r.settings, r.budget) for r in found] == [(r.name, r.settings, r.budget) for r in made]
    assert [r.private for r in found] == pytest.approx([r.private for r in made], rel=1e-5)


def test_a_later_call_adds_to_the_field(tmp_path: Path) -> None:
    public, private = _folders("binary", tmp_path)
    field = tmp_path / "field.csv"
    write_field(public, private, field, names=["linear"], threads=1)
    write_field(public, private, field, names=["dummy"], threads=1)
    assert [rival.name for rival in read_field(field)] == ["dummy", "linear"]


def _run(private: float | None, **told: object) -> dict[str, object]:
    return {"task": "t", "budget": 300.0, "slots": 2, "seed": 0, "private": private, "public": 0.5, "seconds": 290.0, **told}


def test_whole_systems_join_the_field_and_stay_there(tmp_path: Path) -> None:
    public, private = _folders("binary", tmp_path)
    field = tmp_path / "field.csv"
    write_field(public, private, field, names=["linear"], threads=1)
    ours = [_run(0.6), _run(0.7, slots=1), _run(0.8, slots=1, seed=1), _run(0.9, task="another")]
    add_results([*ours, _run(None, agent="broken"), _run(0.65, agent="rival", seconds=310.0, versions="rival==2")], "t", field)
    write_field(public, private, field, names=["dummy"], threads=1)
    rows = read_field(field)
    assert [rival.name for rival in rows] == ["dummy", "linear", "medalist 300 s", "rival 300 s"]
    assert rows[2].private == pytest.approx(0.75) and rows[2].budget == "300 s on 1 processor; 2 seeds"
    assert (rows[3].settings, rows[3].seconds, rows[0].seconds) == ("rival==2", 310.0, None)
    assert [rival.name for rival in competitors(field)] == ["dummy", "linear", "rival 300 s"]


def _texts(place: Path, texts: list[str], target: np.ndarray, **columns: object) -> tuple[Path, Path]:
    """A task of 90 train and 30 test rows with texts, and other columns where they are given."""
    table = pd.DataFrame({"id": range(120), "note": texts, **columns})
    test = table[90:]
    public = write_folder(place / "public", table[:90].assign(y=target[:90]), test, test[["id"]].assign(y=target[0]),
                          toml='text = ["note"]')
    (place / "private").mkdir()
    test[["id"]].assign(y=target[90:], Usage=["Public", "Private"] * 15).to_csv(place / "private" / "answers.csv", index=False)
    return public, place / "private"


WORDS = ["red", "green", "blue", "round", "flat"]
UNREAD = "default settings, given TF-IDF of texts: "


def test_a_catboost_that_reads_no_texts_of_numbers_is_given_tfidf(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 6)) + f" {number}" for number in range(120)]
    folders = _texts(tmp_path, texts, np.array([text.count("red") + rng.normal() / 9 for text in texts]))
    made = write_field(*folders, tmp_path / "field.csv", names=["dummy", "default CatBoost"], threads=1)
    assert made[1].settings == UNREAD + "it reads texts for classes only, and there is no other column"
    assert made[1].private < 0.5 * made[0].private


@pytest.mark.parametrize("alone", [True, False])
def test_a_catboost_that_knows_none_of_the_words_is_given_tfidf(alone: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(size=120)
    folders = _texts(tmp_path, [f"{'ab'[int(x > 0)]}{number}" for number, x in enumerate(size)], (size > 0).astype(int),
                     **({} if alone else {"size": size}))
    made = write_field(*folders, tmp_path / "field.csv", names=["dummy", "default CatBoost"], threads=1)
    assert made[1].settings == UNREAD + "no word of its texts occurs often enough to be read"
    assert made[1].private > 0.9 > made[0].private


@pytest.mark.parametrize(("seconds", "budget"), [(600.0, "none"), (0.0, "stopped at 0 processor minutes: 1 of 1,000 rounds")])
def test_a_catboost_that_takes_too_long_is_stopped_and_its_row_says_so(
    seconds: float, budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_models, "LONGEST", seconds)
    made = write_field(*_folders("binary", tmp_path), tmp_path / "field.csv", names=["default CatBoost"], threads=1)
    assert [rival.budget for rival in made] == [budget] == [rival.budget for rival in read_field(tmp_path / "field.csv")]


def test_a_field_may_say_names_and_scores_only(tmp_path: Path) -> None:
    (tmp_path / "field.csv").write_text("name,private\nteam,0.5\n")
    assert read_field(tmp_path / "field.csv") == [Rival("team", "", "", 0.5)]


def test_labels_are_submitted_by_plain_rules(tmp_path: Path) -> None:
    multiclass = load_task(_folders("multiclass", tmp_path / "m")[0])
    ordinal = load_task(_folders("ordinal", tmp_path / "o")[0])
    regression = load_task(_folders("regression", tmp_path / "r")[0])
    several = replace(load_task(_folders("multilabel", tmp_path / "l")[0]), metric="f1_samples", submission="probabilities")
    assert submitted(several, np.array([[0.1, 0.9], [0.2, 0.7]])).tolist() == [[0, 1], [1, 0]]
    assert submitted(several, np.full((3, 2), 0.1)).tolist() == [[1, 1]] * 3
    assert submitted(multiclass, np.array([[0.2, 0.5, 0.3]])).tolist() == [1]
    assert submitted(ordinal, np.array([0.4, 0.6, 1.7])).tolist() == [0, 1, 2]
    assert submitted(regression, np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_texts_of_one_word_are_read_by_their_characters() -> None:
    words = pd.Series(["amelia", "felix", "bella", "rex"] * 5)
    assert any(" a" in term for term in _tfidf(words, 50).fit(words).get_feature_names_out())
    assert _tfidf(words + " is here", 50).fit(words + " is here").get_feature_names_out().tolist()[:2] == ["amelia", "bella"]
