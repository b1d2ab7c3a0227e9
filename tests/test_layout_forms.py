"""Forms in which competitions hand out their rows: labels apart, one table for both, a file for each row, records in records."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from folders import rows as rows_of
from folders import write_folder
from PIL import Image

from tasks import layout
from tasks.layout import row_files
from tasks.layout.gather import Found
from tasks.spec import load, read_tables
from tasks.tables import TaskError


def arranged(folder: Path) -> Path:
    assert not layout.is_plain(folder)
    return layout.arrange(folder, folder.parent / "laid out")


def write(folder: Path, **tables: pd.DataFrame) -> Path:
    folder.mkdir()
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_labels_in_a_table_of_their_own_are_joined_by_the_id_whatever_their_order(tmp_path: Path) -> None:
    train, test = rows_of(60), rows_of(20, first=60, seed=1)
    labels = pd.DataFrame({"id": train["id"], "late": train["size"] * 2}).sample(frac=1, random_state=0)
    folder = write(tmp_path / "a", train_values=train, train_labels=labels, test_values=test,
                   submission_format=test[["id"]].assign(late=0.0))
    task, tables = load(arranged(folder))
    assert (task.id, task.targets, len(tables.train), len(tables.test)) == ("id", ("late",), 60, 20)
    assert tables.train["late"].to_numpy() == pytest.approx(2 * tables.train["size"].to_numpy())


def steps(things: range, *, even: bool, seed: int) -> pd.DataFrame:
    """Recordings in one long table: a slow and a quick one by turns, a number that stays, a word that moves."""
    rng = np.random.default_rng(seed)
    tables = []
    for thing in things:
        step = np.arange(40 if even else 30 + thing % 7)
        wave = np.sin(2 * np.pi * (0.05 if thing % 2 else 0.4) * step) + rng.normal(0, 0.2, len(step))
        mood = rng.choice(["up", "down"], len(step))
        tables.append(pd.DataFrame({"series": thing, "step": step, "speed": wave, "height": thing / 7, "mood": mood}))
    return pd.concat(tables).sample(frac=1, random_state=seed)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_steps_of_a_thing_in_one_long_table_are_made_one_row(tmp_path: Path, even: bool, apart: bool) -> None:
    train, test = steps(range(80), even=even, seed=0), steps(range(80, 120), even=even, seed=1)
    labels = pd.DataFrame({"series": range(80), "slow": [k % 2 for k in range(80)]})
    sample = pd.DataFrame({"series": range(80, 120), "slow": 0})
    if apart:
        folder = write(tmp_path / "a", X_train=train, y_train=labels, X_test=test, sample_submission=sample)
    else:
        folder = write(tmp_path / "a", train=train.merge(labels, on="series"), test=test, sample_submission=sample)
    task, tables = load(arranged(folder))
    assert (task.id, task.targets, task.kind, len(tables.train), len(tables.test)) == ("series", ("slow",), "binary", 80, 40)
    assert {"height", "speed.mean", "speed.band3", "mood"} <= set(tables.train.columns) and "step" not in tables.train
    assert ("speed_039" in tables.train.columns) == even and ("rows" in tables.train.columns) == (not even)
    ordered = train[train["series"] == 5].sort_values("step")
    row = tables.train[tables.train["series"].astype(int) == 5].iloc[0]
    assert row["speed.first"] == pytest.approx(ordered["speed"].iloc[0]) and int(row["slow"]) == 1
    assert row["mood"].split() == ordered["mood"].tolist() and row["height"] == pytest.approx(5 / 7)
    assert tables.train.groupby("slow")["speed.strongest"].mean().diff().iloc[1] < -5


def test_more_rows_than_the_sample_has_are_left_alone_where_they_are_none_of_its_things(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train=rows_of(60).assign(y=1.5), test=rows_of(60, first=60, seed=1),
                   sample_submission=pd.DataFrame({"id": ["a", "b"], "y": 0.0}))
    public = arranged(folder)
    assert len(pd.read_csv(public / "test.csv")) == 60


def test_labels_without_an_id_are_joined_row_by_row_and_need_no_sample(tmp_path: Path) -> None:
    train, test = rows_of(60).drop(columns="id"), rows_of(20, seed=1).drop(columns="id")
    folder = write(tmp_path / "a", X_train=train, y_train=pd.DataFrame({"y": train["size"] * 2}).reset_index(), X_test=test)
    task, tables = load(arranged(folder))
    assert task.targets == ("y",) and list(tables.train.columns) == ["size", "colour", "y"]
    assert tables.train["y"].to_numpy() == pytest.approx(2 * tables.train["size"].to_numpy())


def test_one_table_is_parted_into_the_rows_with_a_target_and_those_that_the_sample_names(tmp_path: Path) -> None:
    both = rows_of(80).assign(y=np.arange(80.0) / 7)
    asked = both["id"] % 4 == 3
    folder = write(tmp_path / "a", data=both.assign(y=both["y"].where(~asked)), sample_submission=both[asked][["id", "y"]])
    task, tables = load(arranged(folder))
    assert task.targets == ("y",) and list(tables.test["id"]) == list(both["id"][asked].astype("str")) and len(tables.train) == 60
    both.to_csv(folder / "data.csv", index=False)  # the rows that are asked for have their answers: no test
    with pytest.raises(TaskError, match="no train table"):
        layout.arrange(folder, tmp_path / "laid out")


def test_folders_of_images_name_the_class_even_where_the_id_is_called_image(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for number in range(30):
        place = folder / ("test" if number >= 20 else f"train/{('cat', 'dog')[number % 2]}")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(place / f"{number}.png")
    sample = pd.DataFrame({"image": [f"{number}.png" for number in range(20, 30)], "label": "cat"})
    sample.to_csv(folder / "sample_submission.csv", index=False)
    task, tables = load(arranged(folder))
    assert (task.id, task.classes, len(tables.train)) == ("image", ("cat", "dog"), 20)
    assert tables.test["file"].str.startswith("test/").all()


def recordings(folder: Path, suffix: str) -> Path:
    """Forty recordings of two channels; the target is how fast the first one swings."""
    rng, rows = np.random.default_rng(0), []
    for number in range(40):
        place = folder / ("train" if number < 30 else "test")
        place.mkdir(parents=True, exist_ok=True)
        length, cycles = 200 + number, 2 + number % 7
        wave = np.column_stack([np.sin(np.arange(length) / length * 2 * np.pi * cycles), rng.normal(size=length)])
        if suffix == "npy":
            np.save(place / f"r{number}.npy", wave.T if number % 2 else wave)
        else:
            table = pd.DataFrame(wave, columns=["a", "b"])
            _ = table.to_csv(place / f"r{number}.csv", index=False) if suffix == "csv" else table.to_parquet(
                place / f"r{number}.parquet")
        rows.append((f"r{number}", float(cycles)))
    told = pd.DataFrame(rows, columns=["segment", "speed"])
    told[:30].to_csv(folder / "train.csv", index=False)
    told[30:].assign(speed=0.0).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text("Scored by mean absolute error.")
    return folder


@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet"])
def test_a_recording_for_each_row_becomes_what_is_to_be_seen_in_it(tmp_path: Path, suffix: str) -> None:
    task, tables = load(arranged(recordings(tmp_path / "a", suffix)))
    first = "channel0" if suffix == "npy" else "a"
    assert (task.id, task.targets) == ("segment", ("speed",))
    for side, cycles in ((tables.train, range(30)), (tables.test, range(30, 40))):
        assert list(side["rows"]) == [200 + number for number in cycles]
        assert list(side[f"{first}.strongest"]) == [2 + number % 7 for number in cycles]


def test_recordings_are_read_beside_a_test_table_too(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "a", "csv")
    asked = pd.read_csv(folder / "sample_submission.csv")[["segment"]].assign(depth=1.5)
    asked.to_csv(folder / "test.csv", index=False)
    pd.read_csv(folder / "train.csv").assign(depth=2.5).to_csv(folder / "train.csv", index=False)
    test = load(arranged(folder))[1].test
    assert list(test["a.strongest"]) == [2 + number % 7 for number in range(30, 40)] and (test["depth"] == 1.5).all()


def test_recordings_of_one_small_shape_stay_as_they_are_beside_their_summary(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "a", "csv")
    for path in folder.glob("t*/r*.csv"):
        pd.read_csv(path).head(50).to_csv(path, index=False)
    columns = load(arranged(folder))[1].test.columns
    assert {"a_000", "b_049", "a.spread"} <= set(columns) and "a_050" not in columns


def test_arrays_that_look_like_pictures_become_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "arrays").mkdir(parents=True)
    for number in range(30):
        np.save(folder / "arrays" / f"{number}.npy", np.outer(np.arange(32.0), np.full(40, float(number + 1))))
    told = pd.DataFrame({"id": range(30), "y": np.arange(30) % 2})
    told[:20].to_csv(folder / "train.csv", index=False)
    told[20:].to_csv(folder / "sample_submission.csv", index=False)
    task, tables = load(arranged(folder))
    assert task.assets_folder is not None and list(tables.test["most"]) == [31.0 * number for number in range(21, 31)]
    with Image.open(task.assets_folder / tables.test["picture"][0]) as picture:
        assert picture.size == (40, 32)


def test_texts_and_records_for_each_row_become_columns_and_what_no_row_names_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for number in range(50):
        place = folder / ("train" if number < 30 else "test")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(f"a text of number {number}, no more\n")
        (place / f"{number}.json").write_text(json.dumps({"size": number, "of": {"depth": number * 2}}))
        (folder / "other").mkdir(exist_ok=True)
        (folder / "other" / f"x{number}.parquet").write_bytes(b"")
    told = pd.DataFrame({"id": range(50), "y": np.arange(50) / 7})
    told[:30].to_csv(folder / "train.csv", index=False)
    told[30:].to_csv(folder / "sample_submission.csv", index=False)
    task, tables = load(arranged(folder))
    assert tables.test["txt"][0] == "a text of number 30, no more"
    assert list(tables.train["json.of.depth"]) == [2 * number for number in range(30)]
    assert any("50 files as other/x0.parquet are left out" in note for note in task.inferred)


def test_texts_in_folders_of_classes_need_no_train_table(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for number in range(60):
        place = folder / ("test" if number >= 40 else f"train/{('neg', 'pos')[number % 2]}")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(f"words of {number}")
    sample = pd.DataFrame({"id": [f"{number}" for number in range(40, 60)], "label": "neg"})
    sample.to_csv(folder / "sample_submission.csv", index=False)
    task, tables = load(arranged(folder))
    assert task.classes == ("neg", "pos") and tables.test["text"][3] == "words of 43"
    words = tables.train["text"].str.extract(r"(\d+)")[0].astype(int)
    assert list(tables.train["label"]) == [("neg", "pos")[number % 2] for number in words]
    (folder / "test" / "50.txt").unlink()  # one that is asked for and not there has no text
    tests = load(layout.arrange(folder, tmp_path / "again"))[1].test
    assert tests["text"].isna().sum() == 1 and tests["text"][3] == "words of 43"


def test_recordings_of_words_are_texts_and_an_empty_one_has_no_rows(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "a", "csv")
    for number, path in enumerate(sorted(folder.glob("t*/r*.csv"))):
        path.write_text("" if path.stem == "r35" else "said,size\n" + f"word{number} and,1\n" * 3)
    test = load(arranged(folder))[1].test.set_index("segment")
    assert test["rows"]["r35"] == 0 and test["rows"]["r34"] == 3 and test["size.mean"].isna()["r35"]
    assert test["said"].dropna().str.fullmatch(r"(word\d+ and ?){3}").all()


def test_a_recording_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "a", "npy")
    (folder / "test" / "r35.npy").write_bytes(b"\x93NUMPY no array")
    with pytest.raises(TaskError, match=r"test/r35.npy cannot be read as an array of numbers"):
        layout.arrange(folder, tmp_path / "laid out")


@pytest.mark.parametrize("values", [[1.0] * 20, [np.nan] * 20, [np.nan, 2.0], [3.0], list(range(17)), [0.0, np.nan] * 40])
def test_a_summary_is_of_finite_numbers_whatever_the_channel(values: list[float]) -> None:
    told = row_files.summary(np.array(values, dtype=float))
    assert told["missing"] == pytest.approx(np.isnan(values).mean()) and np.isfinite(list(told.values())).all()


def test_sounds_are_read_where_no_sample_submission_is_there(tmp_path: Path) -> None:
    rows = pd.DataFrame({"clip": [f"c{i}.wav" for i in range(30)], "y": ["low", "high"] * 15})
    folder = write_folder(tmp_path / "a", rows[:20], rows[20:].drop(columns="y"))
    (folder / "clips").mkdir()
    for i in range(30):
        soundfile.write(folder / "clips" / f"c{i}.wav", np.sin(np.arange(2000) * (0.1, 0.9)[i % 2]) / 2, 8000)
    laid = arranged(folder)
    task, tables = load(laid)
    assert (task.id, task.submission) == ("clip", "probability") and not (laid / "sample_submission.csv").exists()
    assert tables.test["image"].str.endswith(".spectrogram.png").all()


def test_records_in_records_become_columns(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    records = [{"id": n, "item": {"size": n / 2, "more": {"deep": n}}, "bids": [{"sum": k, "by": "me"} for k in range(n % 3)],
                "tags": ["x", "y"], "y": n / 7} for n in range(40)]
    (folder / "train.json").write_text(json.dumps(records[:30]))
    (folder / "test.json").write_text(json.dumps([{k: v for k, v in record.items() if k != "y"} for record in records[30:]]))
    pd.DataFrame({"id": range(30, 40), "y": 0.0}).to_csv(folder / "sample_submission.csv", index=False)
    test = load(arranged(folder))[1].test
    assert list(test["item.size"]) == [n / 2 for n in range(30, 40)] and list(test["item.more.deep"]) == list(range(30, 40))
    assert test["bids.sum.max"][2] == 1 and test["bids.rows"][2] == 2 and test["tags"][0] == "x y"


def test_a_target_with_decimal_commas_is_a_number(tmp_path: Path) -> None:
    train, test = rows_of(60).assign(y=np.arange(60) / 8 - 2), rows_of(20, first=60, seed=1)
    folder = tmp_path / "a"
    folder.mkdir()
    for name, table in (("train", train), ("test", test), ("sample_submission", test[["id"]].assign(y=0.5))):
        table.to_csv(folder / f"{name}.csv", sep=";", decimal=",", index=False)
    task, tables = load(folder)
    assert task.kind == "regression" and list(tables.train["y"]) == list(train["y"])
    assert read_tables(task).train["y"].equals(tables.train["y"])


def test_files_in_folders_that_are_few_are_tables_as_before(tmp_path: Path) -> None:
    found = [Found(f"more/{n}.csv", tmp_path) for n in range(5)] + [Found("train.csv", tmp_path)]
    assert row_files.take_out(found) == (found, {})
