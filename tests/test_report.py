"""The report: one page for every kind of task, safe whatever a competition's files hold, quick on many rows."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.charts import signed, ticks, tidy
from agent.report import explain, ranking, tree, write_report
from agent.threads import Fit
from leaderboard.record import Entry
from tasks.spec import PREDICTIONS, Task

METRICS = {"binary": "auc", "multiclass": "log_loss", "multilabel": "mean_auc", "regression": "rmse",
           "multiregression": "mean_rmse", "ordinal": "qwk", "survival": "concordance"}
EVIL = '<script>alert("x")</script>\x1b[31m\u202e\x00'
VOID = {"meta"}
PLAN: dict[str, Any] = {
    "scheme": "stratified", "folds": [{"fit": 800, "validate": 200}] * 5, "n_train": 1000, "validated": 1000,
    "group": None, "time": None, "adversarial_auc": 0.713, "adversarial_columns": ["fare", EVIL],
    "reasons": ["5 folds, stratified: each class is spread evenly"],
}
OUTCOME: dict[str, Any] = {
    "run": "20260101-000000-abcd", "folder": "runs/x", "task": "x", "metric": "auc", "entries": 40, "completed": 31,
    "best_entry": 7, "cross_validated": 0.81234, "spread": 0.0123, "ensemble": 0.82345, "honest": 0.81987,
    "honest_standard_error": 0.004, "public": 0.8111, "private": 0.79321, "private_standard_error": 0.006, "rank": 2,
    "rivals": 3, "beaten": ("random forest",), "seconds": 298.7,
}
RIVALS = [("default lightgbm", 0.781), ("tuned lightgbm", 0.799), (EVIL, 0.71)]


class Page(HTMLParser):
    """Reads a page and holds that its tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def make_task(kind: str, **changes: Any) -> Task:
    classes = {"binary": ("no", EVIL), "multiclass": ("a", "b", "c", EVIL), "ordinal": ("0", "1", "2")}.get(kind, ())
    targets = {"survival": ("days", "died"), "multilabel": ("x", EVIL, "z"), "multiregression": ("x", EVIL)}
    task = Task(
        name="x", folder=Path("x"), title=f"A task {EVIL}", source="", licence="", family="f", metric=METRICS[kind],
        kind=kind, id="id", targets=targets.get(kind, ("y",)), submission="value", columns=("y",), classes=classes,
        inferred=(f"the target is {EVIL!r}", f"{EVIL} is left out: constant"),
    )
    return replace(task, **changes)


def make_arrays(kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and a prediction that knows something of it."""
    rng = np.random.default_rng(0)
    noise, hidden = rng.normal(size=n), rng.normal(size=n)
    sure = 1 / (1 + np.exp(-hidden))
    if kind == "binary":
        return (rng.random(n) < sure).astype(np.int64), sure
    if kind == "multiclass":
        raw = rng.dirichlet(np.ones(4), n)
        return (raw.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1), raw
    if kind == "ordinal":
        return np.digitize(hidden + 0.5 * noise, [-0.5, 0.5]), 1 + hidden
    if kind == "multilabel":
        raw = rng.random((n, 3))
        return (rng.random((n, 3)) < raw).astype(float), raw
    if kind == "multiregression":
        raw = rng.normal(size=(n, 2))
        return raw + rng.normal(size=(n, 2)), raw
    if kind == "survival":
        return np.stack([rng.exponential(np.exp(-hidden)), (rng.random(n) < 0.7).astype(float)], axis=1), hidden
    return np.exp(hidden + 0.3 * noise), np.exp(hidden)


def make_entries(count: int) -> list[Entry]:
    rng = np.random.default_rng(1)
    families = ("lightgbm", "catboost", "xgboost", "mlp", "regularised")
    entries = []
    for number in range(count):
        status = "ok" if rng.random() < 0.8 or number < 8 else "stopped"
        parents = () if number < 8 else tuple(sorted({int(rng.integers(0, number)) for _ in range(rng.integers(1, 3))}))
        score = 0.5 if number == 0 else float(0.8 + 0.0003 * number + rng.normal(0, 0.006))
        entries.append(Entry(
            run="r", number=number, source="", parents=parents, hypothesis=f"Target statistics of c{number} {EVIL}",
            operator=("prior" if number == 0 else "portfolio", "tune", "crossover")[len(parents)], params={},
            family="prior" if number == 0 else families[number % 5], status=status, spread=0.01,
            score=score if status == "ok" else None,
            fold_scores=(0.8, float("nan")), cost_wall_seconds=2.0, cost_cpu_seconds=float(rng.exponential(3)),
            peak_memory_bytes=300 << 20, at_seconds=7.0 * number + 1, folder="", log=""))
    return entries


def make_ensembles() -> list[dict[str, Any]]:
    return [{"at_seconds": 20.0 * step, "method": "linear stack", "score": 0.8 + 0.004 * step,
             "honest": 0.797 + 0.004 * step, "standard_error": 0.004,
             "weights": {"7": 0.7, "3": 0.45, "9": -0.15},
             "by_method": {"best single": 0.811, "hill climbing": 0.8195, "linear stack": 0.82}}
            for step in range(1, 6)]


def write(path: Path, kind: str = "binary", rows: int = 1000, **changes: Any) -> str:
    truth, raw = make_arrays(kind, rows)
    arguments: dict[str, Any] = {
        "task": make_task(kind), "plan": PLAN, "outcome": {**OUTCOME, "metric": METRICS[kind]},
        "entries": make_entries(40), "ensembles": make_ensembles(), "truth": truth, "out_of_fold": raw,
        "rivals": RIVALS, "warnings": [f"{EVIL} cannot be read"],
    }
    write_report(path, **{**arguments, **changes})
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_every_kind_has_a_page_that_is_whole_and_safe(kind: str, tmp_path: Path) -> None:
    text = write(tmp_path / "report.html", kind)
    page = Page(text)
    assert not page.open and "script" not in page.tags
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)
    assert "nan" not in re.sub(r"<text.*?</text>", "", "".join(re.findall(r"<svg.*?</svg>", text, re.S))).lower()
    assert not re.search(r"(src|href)=|url\(|@import", text)
    assert "Out-of-fold" in page.words


def test_the_numbers_are_on_the_page(tmp_path: Path) -> None:
    words = Page(write(tmp_path / "report.html")).words
    for shown in ("0.81234", "0.82345", "0.81987", "0.00400", "0.81110", "0.79321", "2 of 4", "0.713", "tuned"):
        assert shown in words


def test_a_surprise_is_set_apart(tmp_path: Path) -> None:
    assert 'class="card warn"' in write(tmp_path / "report.html")
    assert 'class="card warn"' not in write(tmp_path / "report.html", outcome={**OUTCOME, "private": 0.815})


def test_a_run_without_entries_has_a_page(tmp_path: Path) -> None:
    names = ("best_entry", "cross_validated", "spread", "ensemble", "honest", "honest_standard_error", "public",
             "private", "private_standard_error", "rank")
    outcome = {**OUTCOME, **dict.fromkeys(names), "entries": 0, "completed": 0, "rivals": 0, "beaten": ()}
    plan = {**PLAN, "adversarial_auc": None, "adversarial_columns": []}
    text = write(tmp_path / "report.html", plan=plan, outcome=outcome, entries=[], ensembles=[], truth=None,
                 out_of_fold=None, rivals=[], warnings=[])
    assert not Page(text).open


@pytest.mark.parametrize(("kind", "truth", "raw"), [
    ("binary", np.zeros(50, dtype=int), np.full(50, 0.5)),
    ("regression", np.ones(3), np.ones(3)),
    ("regression", np.array([0.0, 1e12, -1e12]), np.array([np.nan, 1.0, 2.0])),
    ("multilabel", np.zeros((9, 3)), np.zeros((9, 3))),
    ("survival", np.zeros((3, 2)), np.zeros(3)),
    ("binary", np.array([1]), np.array([0.5])),
])
def test_degenerate_predictions_are_drawn(kind: str, truth: np.ndarray, raw: np.ndarray, tmp_path: Path) -> None:
    assert not Page(write(tmp_path / "report.html", kind, truth=truth, out_of_fold=raw)).open


def test_many_classes_are_cut_to_the_frequent_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    task = make_task("multiclass", classes=tuple(f"class {index}" for index in range(60)))
    text = write(tmp_path / "report.html", "multiclass", task=task, truth=rng.integers(0, 60, 3000),
                 out_of_fold=rng.dirichlet(np.ones(60), 3000))
    assert "the 30 most frequent of 60 classes" in text


def test_a_blend_of_ranks_is_not_called_a_probability(tmp_path: Path) -> None:
    ensembles = [{**make_ensembles()[0], "method": "hill climbing"}]
    words = Page(write(tmp_path / "report.html", ensembles=ensembles)).words
    assert "Calibration" not in words and "Calibration" in Page(write(tmp_path / "other.html")).words


def test_hundred_thousand_rows_take_less_than_a_second(tmp_path: Path) -> None:
    for kind in PREDICTIONS:
        truth, raw = make_arrays(kind, 100_000)
        began = time.process_time()
        write(tmp_path / "report.html", kind, truth=truth, out_of_fold=raw, entries=make_entries(150), rows=10)
        assert time.process_time() - began < 1.0  # a tenth of that is usual


def test_rows_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="10 rows of truth, 9 of predictions"):
        write(tmp_path / "report.html", truth=np.zeros(10), out_of_fold=np.zeros(9))


def test_the_threads_of_each_fold_and_what_they_gained_are_on_the_page(tmp_path: Path) -> None:
    fits = [Fit(0, 2, False, 900, 9.0, 17.0), Fit(1, 2, True, 900, 3.1, 5.9), Fit(2, 1, True, 900, 5.6, 5.5)]
    entries = make_entries(4)
    entries[2] = replace(entries[2], params={"fits": [fit.to_json() for fit in fits]})
    page = Page(write(tmp_path / "report.html", entries=entries))
    assert "2 2 1" in page.words
    assert "a fold of entry 2 took 3.1 s on 2 threads and 5.6 s on one beside others: side by side gives more" in page.words


def test_every_entry_is_below_its_parent() -> None:
    entries = make_entries(150)
    lines = tree(entries, {}, {entry.family: "c0" for entry in entries}, greater_is_better=True)
    place = {line.entry.number: index for index, line in enumerate(lines)}
    assert len(lines) == 150
    assert all(place[entry.parents[0]] < place[entry.number] for entry in entries if entry.parents)


def test_a_tree_of_many_keeps_the_best_and_the_members() -> None:
    entries = make_entries(900)
    lines = tree(entries, {9: 1.0}, {entry.family: "c0" for entry in entries}, greater_is_better=True)
    shown = {line.entry.number for line in lines}
    assert 150 <= len(lines) < 400 and 9 in shown
    assert max(entries, key=lambda entry: entry.score or 0).number in shown
    assert all(entry.parents[0] in shown for entry in entries if entry.number in shown and entry.parents)


def test_equal_scores_rank_this_run_first() -> None:
    rows = ranking(OUTCOME, [("a", 0.79321), ("b", 0.9)], True)
    assert [row[1] for row in rows] == ["b", "this run", "a"]


def sentences(outcome: Mapping[str, Any], **plan: Any) -> str:
    return " ".join(explain({**OUTCOME, **outcome}, {**PLAN, **plan}))


def test_a_private_score_that_was_foreseen_is_said_to_be() -> None:
    assert "within 2 standard errors" in sentences({"private": 0.815})


def test_a_private_score_that_was_not_foreseen_is_explained() -> None:
    assert "worse" in sentences({}) and "AUC 0.71, most by fare" in sentences({})
    assert "better" in sentences({"metric": "rmse"})
    assert "forward in day" in sentences({}, scheme="forward", time="day")
    assert "err together" in sentences({}, scheme="stratified_grouped", group="user")
    assert "Nothing in the plan" in sentences({}, adversarial_auc=0.5)
    assert "is small" in sentences({"private": 0.5, "private_standard_error": 0.02})


def test_picking_the_best_of_many_is_named() -> None:
    assert "picked on the rows" in sentences({"private": None, "ensemble": 0.83})
    assert sentences({"private": None, "ensemble": 0.8201}) == ""


def test_numbers_are_as_short_as_they_can_be_read() -> None:
    assert [tidy(value) for value in (0.81, 1.5, 28123.456, -3.2e-5, 0.0, float("nan"), None)] == [
        "0.81000", "1.50000", "28,123.5", "-3.200e-05", "0.00000", "–", "–"]
    assert [signed(value) for value in (0.00002, -1234.5, 3e-7, None)] == ["+0.00002", "-1,234.50", "+3.000e-07", ""]


@given(low=st.floats(-1e9, 1e9), share=st.floats(1e-6, 1e6))
def test_ticks_lie_on_the_axis(low: float, share: float) -> None:
    width = share * (abs(low) + 1e-6)
    found = ticks(low, low + width)
    assert len(found) <= 6 and all(low - width * 1e-3 <= tick <= low + width * 1.001 for tick in found)
