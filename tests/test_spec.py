"""What is inferred from a bare folder, and what task.toml may say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import folder_with_target, rows, write_folder

from tasks.spec import load, load_task, match_classes, read_tables
from tasks.submission import write_submission
from tasks.tables import TaskError, as_amounts, read_table, survey, typed

FLAGS = [0, 1] * 30


def test_a_half_in_the_sample_of_a_two_valued_target_asks_for_a_probability(tmp_path: Path) -> None:
    task = load_task(folder_with_target(tmp_path, FLAGS))
    assert (task.kind, task.submission, task.prediction, task.id, task.targets) == (
        "binary", "probability", "probability", "id", ("y",))
    assert task.classes == ("0", "1")
    assert any("target is 'y'" in note for note in task.inferred)


@pytest.mark.parametrize(("values", "classes"), [
    (["yes", "no"] * 30, ("no", "yes")), ([True, False] * 30, ("False", "True")), ([0.0, 1.0] * 30, ("0", "1")),
    ([-1, 1] * 30, ("-1", "1")), (["None", "flu"] * 30, ("None", "flu")), (["09", "10"] * 30, ("09", "10")),
])
def test_two_values_of_any_type_are_binary_with_their_own_labels(
    tmp_path: Path, values: list[object], classes: tuple[str, str],
) -> None:
    task = load_task(folder_with_target(tmp_path, values))
    assert (task.kind, task.classes) == ("binary", classes)


@pytest.mark.parametrize(("written", "read"), [
    (["1,248 CC", "998 CC", None, "12 CC"], [1248, 998, None, 12]), (["12.5 km/h", "3 km/h", "8 km"], [12.5, 3, None]),
    (["19M", "201k", "1.5M", "Varies"], [19e6, 201e3, 1.5e6, None]), (["12MB", "3GB", "7kB"], [12e6, 3e9, 7e3]),
    (["1 year", "3 years", "10+ years"], [1, 3, 10]), (["37°", "12°"], [37, 12]), (["5A", "5A", "7D"], [5, 5, None]),
    (["10:30", "00:15", "9:45"], [10.5, 0.25, 9.75]), (["10:30 PM", "12:00 am", "1:15:36 PM"], [22.5, 0, 13.26]),
    (["2h 30m", "19h", "45m", "1 day 6h"], [2.5, 19, 0.75, 30]), (["Rs. 1,299", "Rs 5", "₹7"], [1299, 5, 7]),
    (["USD 12.50", "3 EUR"], [12.5, 3]), (["12 m", "3 m"], [12, 3]),
    (["2019-01-02", "C85", "a10:30", "", "km"], [None] * 5), (["$5", "1e3", "12%"], [5, 1000, 12]),
])
def test_numbers_are_read_with_their_unit(written: list[str | None], read: list[float | None]) -> None:
    found = as_amounts(pd.Series(written, dtype="str"))
    assert np.allclose(found.to_numpy(), np.array(read, dtype=float), equal_nan=True)
    assert found.index.equals(pd.RangeIndex(len(written)))


@pytest.mark.parametrize(("name", "values", "role"), [
    ("created_at", 1_600_000_000 + 86_399 * np.arange(60), "datetime"),
    ("eventTime", 1_600_000_000_000 + 3_600_017 * np.arange(60), "datetime"),
    ("account", 1_600_000_000 + 86_399 * np.arange(60), "numeric"), ("day", 20190101 + np.arange(60) % 30, "datetime"),
    ("code", 20190101 + np.arange(60), "numeric"), ("second", 20190131120000 + np.arange(60) % 60, "datetime"),
    ("moment", np.array([f"201901{1 + k % 28:02d}T12{k:02d}00Z" for k in range(60)]), "datetime"),
    ("month", 201901 + np.arange(60) % 12 + 100 * (np.arange(60) // 12), "datetime"),
    ("timestamp", np.arange(60) + 0.5, "numeric"), ("time", np.arange(60), "numeric"),
])
def test_moments_may_be_written_as_numbers(tmp_path: Path, name: str, values: np.ndarray, role: str) -> None:
    frame = pd.DataFrame({name: values})
    found = survey(frame[:40], frame[40:], id=None, targets=[])
    assert found.roles == {name: role}
    read = typed(frame[:40], frame[40:], found.roles)[name]
    if role == "datetime":
        assert read.dt.year.between(2018, 2024).all() and (read.rank() == pd.Series(values).rank()).all()


@pytest.mark.parametrize(("written", "width"), [
    (lambda row: " ".join(f"{v:.2f}" for v in row), 20), (lambda row: str([float(v) for v in row]), 20),
    (lambda row: ";".join(str(int(9 * v)) for v in row), 20),
    (lambda row: " ".join(str(v) for v in row[: 5 + int(9 * row[0]) % 7]), 7),
    (lambda row: " ".join(str(int(99 * v)) for v in row[: 5 + int(9 * row[0]) % 7]), 1),  # words by their numbers
    (lambda row: f"({row[0]:.3f}, {-row[1]:.3f})", 2), (lambda row: f"{row[0]:.3f}, {-row[1]:.3f}", 2),
    (lambda row: "#" + "".join(f"{int(255 * v):02X}" for v in row[:3]), 3),
    (lambda row: " ".join(str(v) for v in row[:3]), 1), (lambda row: "to " + " ".join(str(v) for v in row), 1),
])
def test_a_list_of_numbers_becomes_columns(tmp_path: Path, written: Callable[[np.ndarray], str], width: int) -> None:
    numbers = np.random.default_rng(0).random((60, 20))
    frame = pd.DataFrame({"id": range(60), "signal": [written(row) for row in numbers], "y": np.arange(60) / 7})
    frame[:40].to_csv(tmp_path / "train.csv", index=False)
    frame[40:].drop(columns="y").to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "task.toml").write_text('id = "id"\ntargets = ["y"]\n')
    task, tables = load(tmp_path)
    assert tables.train.shape == (40, 2 + width) and tables.test.shape == (20, 1 + width)
    assert (f"signal holds lists of numbers: read as {width} columns" in task.inferred) == (width > 1)
    assert read_tables(task).test.equals(tables.test)
    (tmp_path / "task.toml").write_text('id = "id"\ntargets = ["y"]\ntext = ["signal"]\n')
    assert read_tables(load_task(tmp_path)).test.shape == (20, 2)
    if width == 3:
        assert np.array_equal(tables.test[["signal0", "signal1", "signal2"]].to_numpy(), np.floor(255 * numbers[40:, :3]))
    if width == 20 and "." in frame["signal"][0]:
        assert np.abs(tables.test[[f"signal{k}" for k in range(20)]].to_numpy() - numbers[40:]).max() < 0.006


@pytest.mark.parametrize(("words", "role"), [
    (["?"], "numeric"), (["unknown", "-"], "numeric"), (["red", "blue", "green"], "categorical"), (["A1"], "categorical")])
def test_a_word_where_there_is_no_number_is_a_gap(words: list[str], role: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": [words[k % len(words)] if rng.random() < 0.3 else f"{rng.normal():.3f}" for k in range(400)]})
    assert survey(frame[:300], frame[300:], id=None, targets=[]).roles == {"size": role}
    read = typed(frame[:300], frame[300:], {"size": "numeric"})["size"]
    assert 0.2 < read.isna().mean() < 0.4


@pytest.mark.parametrize(("mark", "role"), [("|", "text"), ("; ", "text"), (", ", "text"), (" & ", "categorical")])
def test_lists_of_tags_are_read_as_words(mark: str, role: str) -> None:
    rng, tags = np.random.default_rng(0), np.array(["Drama", "War", "Comedy", "Crime", "Music", "Sport", "Horror", "Fantasy"])
    lists = [mark.join(rng.choice(tags, rng.integers(1, 4), replace=False)) for _ in range(400)]
    frame = pd.DataFrame({"genres": pd.Series(lists, dtype="str")})
    assert survey(frame[:300], frame[300:], id=None, targets=[]).roles == {"genres": role}
    names = pd.DataFrame({"name": [f"Surname{k}, Name{k % 150}" for k in range(400)]})
    assert survey(names[:300], names[300:], id=None, targets=[]).roles == {"name": "categorical"}


@pytest.mark.parametrize(("others", "role"), [(0, "categorical"), (1_000, "text")])
def test_sentences_that_many_rows_share_are_names_unless_the_test_has_others(others: int, role: str) -> None:
    def side(months: int, first: int) -> pd.DataFrame:
        names = [f"All employees of trade number {k}, seasonally adjusted" for k in range(first, first + 120)]
        return pd.DataFrame({"series": names * months, "month": np.repeat(np.arange(months), 120)})

    found = survey(side(30, 0), side(3, others), id=None, targets=())
    assert found.roles["series"] == role


def test_labels_in_the_sample_ask_for_labels_and_accuracy(tmp_path: Path) -> None:
    task = load_task(folder_with_target(tmp_path, ["cat", "dog", "owl"] * 20, sample="dog"))
    assert (task.kind, task.submission, task.metric, task.classes) == (
        "multiclass", "label", "accuracy", ("cat", "dog", "owl"))


def test_classes_with_numbers_are_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    assert load_task(folder_with_target(tmp_path, [2, 10, 1] * 20, sample=1)).classes == ("1", "2", "10")


@pytest.mark.parametrize("names", [("C", "CL", "D"), ("Status_C", "Status_CL", "Status_D")])
def test_a_column_for_each_class_is_a_distribution_of_the_column_that_test_lacks(
    tmp_path: Path, names: tuple[str, ...],
) -> None:
    train, test = rows(60).assign(Status=["C", "CL", "D"] * 20), rows(9, first=60)
    sample = test[["id"]].assign(**dict.fromkeys(reversed(names), 1 / 3))
    task = load_task(write_folder(tmp_path, train, test, sample))
    assert (task.kind, task.submission, task.targets) == ("multiclass", "distribution", ("Status",))
    assert task.columns == tuple(reversed(names))
    assert task.class_columns == names


def test_numbers_are_regression_even_as_text_with_a_currency(tmp_path: Path) -> None:
    task, tables = load(folder_with_target(tmp_path, [f"${1000 + i:,}" for i in range(60)], sample=1000.5))
    assert (task.kind, task.submission) == ("regression", "value")
    assert tables.train["y"].tolist() == [1000.0 + i for i in range(60)]


def test_several_columns_of_flags_are_multilabel(tmp_path: Path) -> None:
    train, test = rows(60).assign(a=FLAGS, b=[0, 0, 1] * 20), rows(9, first=60)
    task = load_task(write_folder(tmp_path, train, test, test[["id"]].assign(a=0.5, b=0.5)))
    assert (task.kind, task.prediction, task.targets) == ("multilabel", "probabilities", ("a", "b"))


def test_several_numbers_are_multiregression(tmp_path: Path) -> None:
    train, test = rows(60).assign(a=np.arange(60) / 7, b=np.arange(60)), rows(9, first=60)
    task = load_task(write_folder(tmp_path, train, test, test[["id"]].assign(a=0.0, b=0.0)))
    assert (task.kind, task.submission) == ("multiregression", "values")


def test_the_description_names_the_metric_and_with_it_the_kind(tmp_path: Path) -> None:
    text = "# Grades\n\nAccuracy is a virtue.\n\n## Evaluation\n\nThe quadratic weighted kappa.\n\n## Files\n"
    task = load_task(folder_with_target(tmp_path, [3, 4, 5] * 20, sample=4, description=text))
    assert (task.metric, task.kind, task.submission, task.title) == ("qwk", "ordinal", "label", "Grades")


def test_the_metric_decides_that_few_whole_values_are_amounts(tmp_path: Path) -> None:
    text = "## Evaluation\nSubmissions are scored on the root mean squared error.\n"
    assert load_task(folder_with_target(tmp_path, [3, 4, 5] * 20, sample=4, description=text)).kind == "regression"


def test_a_row_number_that_test_lacks_is_no_target(tmp_path: Path) -> None:
    train, test = rows(60).assign(label=FLAGS).drop(columns="id"), rows(9).drop(columns="id")
    sample = pd.DataFrame({"ImageId": range(1, 10), "Label": [0] * 9})
    task = load_task(write_folder(tmp_path, train, test, sample))
    assert (task.id, task.targets, task.columns) == (None, ("label",), ("Label",))


def test_without_a_sample_the_target_is_what_test_lacks(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=["a", "b", "c"] * 20), rows(9, first=60)
    task = load_task(write_folder(tmp_path, train, test))
    assert (task.id, task.targets, task.submission, task.columns) == ("id", ("y",), "distribution", ("a", "b", "c"))


def test_survival_without_a_sample_asks_for_one_risk_a_row(tmp_path: Path) -> None:
    train, test = rows(60).assign(days=np.arange(1, 61), died=FLAGS), rows(9, first=60)
    task = load_task(write_folder(tmp_path, train, test, toml='kind = "survival"\ntargets = ["days", "died"]\n'))
    write_submission(task, np.arange(9.0), tmp_path / "submission.csv")
    assert list(pd.read_csv(tmp_path / "submission.csv").columns) == ["id", "risk"]


def test_two_columns_that_test_lacks_are_ambiguous_and_the_line_says_what_to_state(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS, z=FLAGS), rows(9, first=60)
    with pytest.raises(TaskError, match=r"'y', 'z'.*targets = "):
        load_task(write_folder(tmp_path, train, test))
    assert load_task(write_folder(tmp_path, train, test, toml='targets = ["z"]\n')).targets == ("z",)


def test_task_toml_overrides_what_would_be_inferred(tmp_path: Path) -> None:
    toml = 'title = "T"\nkind = "regression"\nmetric = "rmse"\ntargets = "y"\ntext = ["colour"]\n'
    task = load_task(folder_with_target(tmp_path, FLAGS, toml=toml))
    assert (task.title, task.kind, task.submission, task.text) == ("T", "regression", "value", ("colour",))


@pytest.mark.parametrize(("toml", "line"), [
    ('metrik = "auc"', "unknown key 'metrik' .did you mean 'metric'"),
    ('kind = "binari"', "no kind 'binari' .did you mean 'binary'"),
    ('metric = "aucc"', "task.toml: .*aucc"),
    ('id = "Id"', "'Id' is not a column of test.csv"),
    ('targets = ["why"]', "'why' is not a column of train.csv"),
    ('group = "colours"', "did you mean 'colour'"),
    ('assets = "pictures"', "'pictures' is not a folder"),
    ('kind = "survival"', "two targets, duration and event"),
    ("kind = 3", "must be a string"),
    ("kind = ", "not valid TOML"),
])
def test_what_task_toml_gets_wrong_is_one_line_with_a_remedy(tmp_path: Path, toml: str, line: str) -> None:
    with pytest.raises(TaskError, match=line):
        load_task(folder_with_target(tmp_path, FLAGS, toml=toml))


def test_rows_without_a_target_are_left_out_and_said(tmp_path: Path) -> None:
    task, tables = load(folder_with_target(tmp_path, [0, 1, None] * 20))
    assert len(tables.train) == 40
    assert any("20 train rows without a target" in note for note in task.inferred)
    assert len(read_tables(task).train) == 40


def test_ids_keep_their_leading_zeros(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS), rows(9)
    test["id"] = [f"00{i}" for i in range(9)]
    _, tables = load(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))
    assert tables.test["id"].tolist() == [f"00{i}" for i in range(9)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_separator_and_encoding_reads_alike(tmp_path: Path, separator: str, encoding: str) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["café", "a, b; c", "x"], "c": [0.5, None, 2.5]})
    frame.to_csv(tmp_path / "t.csv", index=False, sep=separator, encoding=encoding)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), frame, check_dtype=False)


def test_a_decimal_comma_is_read_where_the_separator_is_a_semicolon(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1,5;x\n2,5;y\n")
    assert read_table(tmp_path / "t.csv")["a"].tolist() == [1.5, 2.5]


def test_columns_without_a_name_or_with_one_twice_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",a, a,b\n0,1,2,3\n1,4,5,6\n")
    assert list(read_table(tmp_path / "t.csv").columns) == ["Unnamed: 0", "a", "a.1", "b"]


def test_roles_are_told_from_the_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["the", "cat", "sat", "on", "a", "mat", "with", "some", "others"])
    n = 120
    frame = pd.DataFrame({
        "number": rng.normal(size=n), "few": rng.integers(0, 3, n), "flag": rng.random(n) > 0.5,
        "money": [f"${1000 + i:,}" for i in range(n)],
        "day": pd.date_range("2020-01-01", periods=n).strftime("%d/%m/%Y"),
        "tag_day": pd.date_range("2020-01-01", periods=n).strftime("%d.%m.%Y"),
        "dashes": pd.date_range("2020-01-01", periods=n).strftime("%d-%m-%Y"), "ratio": [f"{i / 8}" for i in range(n)],
        "stamp": pd.date_range("2020-01-01", periods=n, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ"),
        "month": pd.date_range("2000-01-01", periods=n, freq="MS").strftime("%b-%Y"),
        "said": [" ".join(rng.choice(words, 8)) for _ in range(n)], "han": [f"这是第{i}条很长的评论" for i in range(n)],
        "tag": [f"u{i:05d}" for i in range(n)], "level": rng.choice(["a", "b"], n),
        "whole_day": np.arange(20200101, 20200101 + n),
        "same": "x", "gone": np.nan, "copy": 0,
    })
    frame["copy"] = frame["few"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    found = survey(table.iloc[:90].reset_index(drop=True), table.iloc[90:].reset_index(drop=True), id=None, targets=())
    assert found.roles == {
        "number": "numeric", "few": "numeric", "flag": "numeric", "money": "numeric", "day": "datetime",
        "tag_day": "datetime", "dashes": "datetime", "ratio": "numeric",
        "stamp": "datetime", "month": "datetime", "said": "text", "han": "text", "tag": "categorical",
        "level": "categorical", "whole_day": "numeric"}
    assert found.dropped == {"same": "constant", "gone": "every value is missing", "copy": "the same as few"}
    made = typed(table.iloc[:90].reset_index(drop=True), table.iloc[90:].reset_index(drop=True), found.roles)
    assert made["day"].tolist() == pd.date_range("2020-01-01", periods=n).tolist()
    assert made["money"].iloc[-1] == 1000 + n - 1
    assert len(made["tag"].cat.categories) == n


def test_images_are_columns_that_name_files_of_the_assets_folder(tmp_path: Path) -> None:
    for side, numbers in (("train", range(60)), ("test", range(9))):
        (tmp_path / "assets" / side).mkdir(parents=True)
        for i in numbers:
            (tmp_path / "assets" / side / f"{i}.png").write_bytes(b"")
    task, tables = load(write_folder(tmp_path, rows(60).assign(y=FLAGS), rows(9), rows(9)[["id"]].assign(y=0.5)))
    found = survey(tables.train, tables.test, id=task.id, targets=task.targets, assets=task.assets_folder)
    made = typed(tables.train, tables.test, found.roles, assets=task.assets_folder)
    assert found.roles["id"] == "image"
    assert (made["id"].iloc[3], made["id"].iloc[63]) == ("train/3.png", "test/3.png")


def test_classes_are_matched_to_columns_only_when_all_are() -> None:
    assert match_classes(["class_b", "class_a"], ["a", "b"]) == ("class_a", "class_b")
    assert match_classes(["Class1", "Class2"], ["1", "2"]) == ("Class1", "Class2")
    assert match_classes(["A", "B"], ["a", "b"]) == ("A", "B")
    assert match_classes(["a", "c"], ["a", "b"]) is None


def test_a_placeholder_in_the_sample_stands_for_a_label(tmp_path: Path) -> None:
    folder = folder_with_target(tmp_path / "a", [n % 5 + 1 for n in range(60)], sample=0, description="Scored by accuracy.")
    task = load_task(folder)
    assert (task.kind, task.submission, task.classes) == ("multiclass", "label", ("1", "2", "3", "4", "5"))
