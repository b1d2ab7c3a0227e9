"""Every file layout of MLE-bench's competitions that we know of becomes a folder that the agent enters."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lookalikes import M, N, prepared, write_aiff, write_wav

from agent import mlebench
from tasks import layout
from tasks.layout.sound import read
from tasks.spec import load
from tasks.submission import write_submission
from tasks.tables import TaskError, survey

EXPECTED: dict[str, tuple[str, str, int, int, set[str]]] = {
    "cactus": ("binary", "auc", N, M, {"image"}),
    "dogs": ("binary", "log_loss", N, M, {"image"}),
    "cats": ("binary", "log_loss", N, M, {"image"}),
    "leaves": ("multilabel", "mean_auc", N, M, {"image"}),
    "insults": ("binary", "auc", N, M, {"datetime", "text"}),
    "pizza": ("binary", "auc", N, M, {"categorical", "text", "numeric"}),
    "conductors": ("multiregression", "mean_rmsle", N, M, {"numeric"}),
    "taxi": ("regression", "rmse", 30_000, M, {"datetime", "numeric"}),
    "loans": ("binary", "auc", 300, M, {"categorical", "numeric"}),
    "spines": ("binary", "log_loss", 3 * N, 3 * M, {"categorical", "image"}),
    "vertebrae": ("binary", "log_loss", 3 * N, 3 * M, {"categorical", "image"}),
    "bleeds": ("binary", "log_loss", 2 * N, 2 * M, {"categorical", "image"}),
    "cells": ("binary", "auc", N, M, {"categorical", "image"}),
    "whales": ("binary", "auc", N, M, {"image"}),
    "birds": ("binary", "accuracy", N, M, {"image"}),
    "chorus": ("binary", "auc", 2 * N, 2 * M, {"categorical", "image", "numeric"}),
    "numbers": ("multiclass", "accuracy", 750, 200, {"categorical", "numeric"}),
    "documents": ("regression", "rmse", 4 * 2400, 2400, {"numeric"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_layout_becomes_a_task_whose_answers_can_be_graded(tmp_path: Path, name: str) -> None:
    prepared(tmp_path / "mlebench", name)
    place = mlebench.locate(name, mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
    task, tables = load(place.folder)
    roles = survey(tables.train, tables.test, id=task.id, targets=task.targets, assets=task.assets_folder).roles
    assert (task.kind, task.metric, len(tables.train), len(tables.test), set(roles.values())) == EXPECTED[name]
    assert task.name == name
    original = next(p for p in (tmp_path / "mlebench" / name / "prepared" / "private").glob("*.csv"))
    truth = original if name not in ("dogs", "conductors") else tmp_path / "mlebench" / name / "prepared" / "private" / "test.csv"
    assert place.answers is not None and place.answers.stat().st_mode & 0o077 == 0
    assert len(pd.read_csv(truth)) == len(pd.read_csv(place.answers)) == len(tables.test)


def test_the_truth_in_the_form_of_the_sample_scores_best_and_the_sample_itself_is_valid(tmp_path: Path) -> None:
    for name in ("dogs", "spines", "documents"):
        prepared(tmp_path / "mlebench", name)
        place = mlebench.locate(name, mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
        truth = next((tmp_path / "mlebench" / name / "prepared" / "private").glob("*.csv"))
        assert mlebench.graded(place, truth).score == pytest.approx(0, abs=1e-4)
        assert mlebench.graded(place, place.folder / "sample_submission.csv").valid_submission


def test_lists_of_classes_in_text_files_become_flags_of_pairs(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "mlebench", "chorus") / "prepared"
    place = mlebench.locate("chorus", mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
    train = pd.read_csv(place.folder / "train.csv")
    assert list(train.columns) == ["Id", "object", "Probability", "sizes.0", "sizes.1", "image"], "nor which fold is test's"
    assert set(train["object"]) == {"class 0", "class 3"}
    known = train.assign(rec=train["Id"] // 100).pivot(index="rec", columns="object", values="Probability")
    for line in (folder / "public" / "essential" / "labels_hidden.txt").read_text().split()[1:]:
        rec, *labels = line.split(",")
        if labels != ["?"]:
            assert list(known.loc[int(rec)]) == [int("0" in labels), int("3" in labels)]
    assert (train["sizes.0"] == train["Id"] // 100 % 7).all()
    assert mlebench.graded(place, folder / "private" / "test.csv").score == 1.0


def test_answers_of_two_flags_stand_for_the_two_classes(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "mlebench", "loans") / "prepared"
    rows = pd.read_csv(folder / "public" / "train.csv")
    rows.assign(default=np.where(rows["default"] == 1, "Yes", "No")).to_csv(folder / "public" / "train.csv", index=False)
    place = mlebench.locate("loans", mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
    assert place.answers is not None
    flags, words = (pd.read_csv(path)["default"] for path in (folder / "private" / "answers.csv", place.answers))
    assert (words == np.where(flags == 1, "Yes", "No")).all()


def test_rewritten_texts_are_written_as_texts_and_read_back(tmp_path: Path) -> None:
    public = prepared(tmp_path / "mlebench", "numbers") / "prepared"
    place = mlebench.locate("numbers", mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
    task = load(place.folder)[0]
    offers = pd.read_csv(place.folder / "rewritings.csv", dtype=str, keep_default_na=False)
    known = np.array([task.classes.index("first" if row["first"] else "keep") for _, row in offers.iterrows()])
    write_submission(task, known, tmp_path / "submission.csv")
    answers = public / "private" / "answers.csv"
    written, truth = (pd.read_csv(path, dtype=str) for path in (tmp_path / "submission.csv", answers))
    right = (written == truth)["after"].mean()
    assert mlebench.graded(place, tmp_path / "submission.csv").score == pytest.approx(right, abs=1e-5)
    assert (written["after"] != offers["keep"]).sum() >= 35, "numbers are spoken out"
    assert mlebench.graded(place, answers).score == 1.0
    keep = np.full(len(offers), task.classes.index("keep"))
    write_submission(task, keep, tmp_path / "submission.csv")
    assert mlebench.graded(place, tmp_path / "submission.csv").score == pytest.approx(0.8)
    rows = pd.read_csv(answers, dtype=str)
    rows.assign(after=["never heard", *rows["after"][1:]]).to_csv(answers, index=False)
    place = mlebench.locate("numbers", mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
    assert "other" not in task.classes and mlebench.graded(place, tmp_path / "submission.csv").score == pytest.approx(0.795)


def test_what_a_trial_sees_of_files_tells_no_label(tmp_path: Path) -> None:
    for name in ("cats", "whales"):
        prepared(tmp_path / "mlebench", name)
        place = mlebench.locate(name, mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
        names = sorted(path.name for path in (place.folder / "assets" / "train").iterdir())
        assert names == [f"file-{i:07d}{''.join(Path(names[0]).suffixes)}" for i in range(N)]
        assert not any(p.name in ("train.csv", "test.csv") for p in (place.folder / "assets").rglob("*"))


def test_a_train_table_that_is_too_large_is_read_in_part(tmp_path: Path) -> None:
    public = prepared(tmp_path / "mlebench", "taxi") / "prepared" / "public"
    folder = layout.arrange(public, tmp_path / "taxi", most_bytes=900_000)
    whole, part = pd.read_csv(public / "labels.csv"), pd.read_csv(folder / "train.csv")
    assert 5_000 < len(part) < 20_000 and (folder / "train.csv").stat().st_size <= 950_000
    assert part["key"].is_unique and part.merge(whole).shape == part.shape
    places = whole.reset_index().merge(part)["index"]
    assert places.is_monotonic_increasing and places.max() - places.min() > 10_000
    assert "of its rows are read" in " ".join(json.loads((folder / "layout.json").read_text()))


def test_a_layout_is_made_once_and_made_anew_when_files_change(tmp_path: Path) -> None:
    public = prepared(tmp_path / "mlebench", "loans") / "prepared" / "public"
    first = layout.arrange(public, tmp_path / "loans") / "train.csv"
    made = first.stat().st_mtime_ns
    assert (layout.arrange(public, tmp_path / "loans") / "train.csv").stat().st_mtime_ns == made
    with (public / "payments.csv").open("a") as file:
        file.write("c1,99\n")
    assert (layout.arrange(public, tmp_path / "loans") / "train.csv").stat().st_mtime_ns != made


def test_a_table_that_holds_the_target_is_not_joined(tmp_path: Path) -> None:
    public = prepared(tmp_path / "mlebench", "loans") / "prepared" / "public"
    pd.read_csv(public / "train.csv")[["customer", "default"]].to_csv(public / "history.csv", index=False)
    folder = layout.arrange(public, tmp_path / "loans")
    assert not any("history" in column for column in pd.read_csv(folder / "train.csv"))


def test_a_test_that_is_only_ids_is_no_test(tmp_path: Path) -> None:
    public = prepared(tmp_path / "mlebench", "taxi") / "prepared" / "public"
    sample = pd.read_csv(public / "sample_submission.csv")
    pd.read_csv(public / "labels.csv").head(len(sample)).assign(key=sample["key"]).to_csv(public / "labels.csv", index=False)
    (public / "test.csv").unlink()
    with pytest.raises(TaskError, match=r"no test.csv: the folder holds"):
        layout.arrange(public, tmp_path / "taxi")


def test_a_folder_without_a_sample_or_with_a_broken_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("x")
    with pytest.raises(TaskError, match=r"no sample submission among the files .there are: notes.txt"):
        layout.arrange(tmp_path / "a", tmp_path / "out")
    (tmp_path / "a" / "train.zip").write_bytes(b"PK\x03\x04 this is none" + b"\0" * 22)
    with pytest.raises(TaskError, match=r"train.zip cannot be unpacked"):
        layout.arrange(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_sound_is_the_same_from_wav_and_from_aiff(tmp_path: Path) -> None:
    samples = (np.sin(np.arange(500)) * 20_000).astype(np.int16)
    write_wav(tmp_path / "a.wav", samples)
    write_aiff(tmp_path / "a.aif", samples)
    for name in ("a.wav", "a.aif"):
        rate, heard = read(tmp_path / name)
        assert rate == 2000 and np.array_equal(heard * 32768, samples)
    (tmp_path / "b.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(TaskError, match=r"b.wav cannot be read as a sound"):
        read(tmp_path / "b.wav")
