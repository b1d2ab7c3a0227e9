"""Small competitions in the files of MLE-bench's: the same names, archives and forms, generated rows.

Each maker writes `public` and `private` and returns nothing; `LOOKALIKES` names them by what they look like.
"""

import csv
import json
import shutil
import struct
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

N, M = 80, 30  # train and test rows

Maker = Callable[[Path, Path], None]


def prepared(data: Path, name: str, *, teams: int = 250) -> Path:
    """`data`/<name> as `mlebench prepare` leaves it, and a leaderboard beside it."""
    folder = data / name / "prepared"
    for part in ("public", "private"):
        (folder / part).mkdir(parents=True)
    maker, metric = LOOKALIKES[name]
    (folder / "public" / "description.md").write_text(
        f"# {name.replace('-', ' ')}\n\n## Description\n\nWords about it.\n\n### Evaluation\n\n{metric}\n")
    maker(folder / "public", folder / "private")
    leaderboard(data / name / "leaderboard.csv", teams=teams, falling="loss" not in metric and "error" not in metric)
    return data / name


def leaderboard(path: Path, *, teams: int, falling: bool) -> None:
    scores = np.linspace(0.99, 0.2, teams) if falling else np.linspace(0.05, 2.0, teams)
    pd.DataFrame({"teamId": range(teams), "score": scores.round(5)}).to_csv(path, index=False)


def _labels(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, n)


def _picture(label: int, path: Path, seed: int) -> None:
    """A grey square, bright on the left or on the right."""
    pixels = np.random.default_rng(seed).integers(0, 120, (24, 24, 3))
    pixels[:, 12 * label:12 * label + 12] += 100
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def _zip(folder: Path) -> None:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    shutil.rmtree(folder)


def cactus(public: Path, private: Path) -> None:
    """train.csv, images in train.zip and test.zip, no test table; ids are file names."""
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        labels = _labels(n, seed)
        ids = [f"{side}{i:04x}.jpg" for i in range(n)]
        for i, name in enumerate(ids):
            _picture(labels[i], public / side / name, i + 1000 * seed)
        rows = pd.DataFrame({"id": ids, "has_cactus": labels})
        if side == "train":
            rows.to_csv(public / "train.csv", index=False)
        else:
            rows.to_csv(private / "test.csv", index=False)
            rows.assign(has_cactus=0.5).to_csv(public / "sample_submission.csv", index=False)
        _zip(public / side)


def dogs(public: Path, private: Path) -> None:
    """labels.csv, folders train and test with <id>.jpg, a column for each breed."""
    breeds = np.array(["affenpinscher", "basenji"])
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        labels = _labels(n, seed)
        ids = [f"{side}{i:04x}" for i in range(n)]
        for i, name in enumerate(ids):
            _picture(labels[i], public / side / f"{name}.jpg", i + 1000 * seed)
        if side == "train":
            pd.DataFrame({"id": ids, "breed": breeds[labels]}).to_csv(public / "labels.csv", index=False)
        else:
            hot = pd.DataFrame({"id": ids, **{breed: (breeds[labels] == breed).astype(int) for breed in breeds}})
            hot.to_csv(private / "test.csv", index=False)
            hot.assign(**dict.fromkeys(breeds, 0.5)).to_csv(public / "sample_submission.csv", index=False)


def cats(public: Path, private: Path) -> None:
    """No train table: labels are the beginnings of the train files' names; test files are numbered."""
    for i, label in enumerate(_labels(N, 0)):
        _picture(label, public / "train" / f"{('cat', 'dog')[label]}.{i}.jpg", i)
    labels = _labels(M, 1)
    for i, label in enumerate(labels):
        _picture(label, public / "test" / f"{i + 1}.jpg", 1000 + i)
    _zip(public / "train")
    _zip(public / "test")
    rows = pd.DataFrame({"id": range(1, M + 1), "label": labels})
    rows.to_csv(private / "answers.csv", index=False)
    rows.assign(label=0.5).to_csv(public / "sample_submission.csv", index=False)


def leaves(public: Path, private: Path) -> None:
    """train.csv and test.csv with an id, one folder of images, several labels."""
    names = ["healthy", "rust", "scab"]
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        label = _labels(n, seed)
        ids = [f"{side.title()}_{i}" for i in range(n)]
        for i, name in enumerate(ids):
            _picture(label[i], public / "images" / f"{name}.jpg", i + 1000 * seed)
        rows = pd.DataFrame({"image_id": ids, "healthy": 1 - label, "rust": label, "scab": _labels(n, seed + 7)})
        if side == "train":
            rows.to_csv(public / "train.csv", index=False)
        else:
            rows[["image_id"]].to_csv(public / "test.csv", index=False)
            rows.to_csv(private / "test.csv", index=False)
            rows.assign(**dict.fromkeys(names, 0.3)).to_csv(public / "sample_submission.csv", index=False)


def _words(label: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    good, bad = ["kind", "thanks", "lovely", "great"], ["stupid", "awful", "idiot", "hate"]
    return " ".join([*rng.choice(bad if label else good, 2), *rng.choice(["you", "are", "the", "of", "a", "it"], 6)])


def insults(public: Path, private: Path) -> None:
    """Text without an id; the sample repeats the columns of test and has a name of its own; answers have a Usage."""
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        labels = _labels(n, seed)
        rows = pd.DataFrame({"Insult": labels, "Date": [f"201206{1 + i % 28:02d}12{i % 60:02d}00Z" for i in range(n)],
                             "Comment": [f'"{_words(label, i + 1000 * seed)} {i}"' for i, label in enumerate(labels)]})
        if side == "train":
            rows.to_csv(public / "train.csv", index=False)
        else:
            rows.drop(columns="Insult").to_csv(public / "test.csv", index=False)
            rows.assign(Usage=["PublicTest", "PrivateTest"] * (n // 2)).to_csv(private / "test.csv", index=False)
            rows.assign(Insult=0).to_csv(public / "sample_submission_null.csv", index=False)


def pizza(public: Path, private: Path) -> None:
    """Tables as JSON, with fields that only train has and lists in fields, zipped beside themselves."""
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        labels = _labels(n, seed)
        records = [{"request_id": f"t3_{side}{i}", "request_text": _words(label, i + 1000 * seed), "giver": "N/A",
                    "subreddits": ["pics", "food"][: 1 + i % 2], "upvotes": int(i % 7), "late_upvotes": int(label * 5 + i % 3),
                    "requester_received_pizza": bool(label)} for i, label in enumerate(labels)]
        if side == "test":
            pd.DataFrame({"request_id": [r["request_id"] for r in records], "requester_received_pizza": labels}).to_csv(
                private / "test.csv", index=False)
            sample = pd.read_csv(private / "test.csv").assign(requester_received_pizza=0)
            sample.to_csv(public / "sampleSubmission.csv", index=False)
            records = [{k: v for k, v in r.items() if k not in ("late_upvotes", "requester_received_pizza")} for r in records]
        (public / f"{side}.json").write_text(json.dumps(records, indent=4))
        with zipfile.ZipFile(public / f"{side}.zip", "w") as archive:
            archive.write(public / f"{side}.json", f"{side}.json")


def conductors(public: Path, private: Path) -> None:
    """Two numeric targets, zipped CSV files, folders of files of a kind that nobody reads."""
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        rng = np.random.default_rng(seed)
        rows = pd.DataFrame({"id": range(1, n + 1), "percent": rng.uniform(size=n).round(4), "atoms": rng.integers(1, 5, n)})
        rows["energy"] = (rows["percent"] * 2 + rows["atoms"] / 5).round(4)
        rows["gap"] = (3 - rows["percent"]).round(4)
        for i in rows["id"]:
            (public / side / str(i)).mkdir(parents=True)
            (public / side / str(i) / "geometry.xyz").write_text("#\n")
        shown = rows if side == "train" else rows.drop(columns=["energy", "gap"])
        with zipfile.ZipFile(public / f"{side}.csv.zip", "w") as archive:
            archive.writestr(f"{side}.csv", shown.to_csv(index=False))
        if side == "test":
            rows.to_csv(private / "test.csv", index=False)
            rows[["id"]].assign(energy=0.18, gap=1.9).to_csv(public / "sample_submission.csv", index=False)


def taxi(public: Path, private: Path) -> None:
    """labels.csv is the train table, large beside the rest; keys look like moments, and moments end with their zone."""
    for side, n, seed in (("train", 30_000, 0), ("test", M, 1)):
        rng = np.random.default_rng(seed)
        miles = rng.exponential(2, n).round(3)
        times = [f"2012-{1 + i % 12:02d}-{1 + i % 28:02d} 12:{i % 60:02d}:00" for i in range(n)]
        keys = [f"{time}.{i + 1000 * seed}0" for i, time in enumerate(times)]
        rows = pd.DataFrame({"key": keys, "fare_amount": (2.5 + 2.2 * miles + rng.normal(0, 0.5, n)).round(2),
                             "pickup_datetime": [f"{time} UTC" for time in times], "miles": miles,
                             "passenger_count": rng.integers(1, 6, n)})
        if side == "train":
            rows.to_csv(public / "labels.csv", index=False)
        else:
            rows.drop(columns="fare_amount").to_csv(public / "test.csv", index=False)
            rows.to_csv(private / "test.csv", index=False)
            rows[["key"]].assign(fare_amount=11.35).to_csv(public / "sample_submission.csv", index=False)


def loans(public: Path, private: Path) -> None:
    """Several tables: each row's customer in one, the customers' payments, many a customer, in another."""
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"customer": [f"c{i}" for i in range(60)], "income": rng.normal(30, 9, 60).round(2)})
    payments = pd.DataFrame({"customer": rng.choice(customers["customer"], 500), "amount": rng.exponential(1, 500).round(3)})
    mean = payments.groupby("customer")["amount"].mean().reindex(customers["customer"]).fillna(0).to_numpy()
    risk = dict(zip(customers["customer"], mean * 5 - customers["income"] / 10, strict=True))
    customers.to_csv(public / "customers.csv", index=False)
    payments.to_csv(public / "payments.csv", index=False)
    for side, n in (("train", 300), ("test", M)):
        chosen = rng.choice(customers["customer"], n)
        label = (np.array([risk[c] for c in chosen]) + rng.normal(0, 0.2, n) > np.median(list(risk.values()))).astype(int)
        rows = pd.DataFrame({"loan": [f"{side}-{i}" for i in range(n)], "customer": chosen, "default": label})
        if side == "train":
            rows.to_csv(public / "train.csv", index=False)
        else:
            rows.drop(columns="default").to_csv(public / "test.csv", index=False)
            rows[["loan", "default"]].to_csv(private / "answers.csv", index=False)
            rows[["loan"]].assign(default=0.5).to_csv(public / "sample_submission.csv", index=False)


def spines(public: Path, private: Path) -> None:
    """One submission row for each pair of image and finding: train has a column for each finding."""
    findings = ["left", "right", "patient_overall"]
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        label = _labels(n, seed)
        ids = [f"1.2.{side}.{i}" for i in range(n)]
        for i, name in enumerate(ids):
            _picture(label[i], public / f"{side}_images" / f"{name}.png", i + 1000 * seed)
        rows = pd.DataFrame({"StudyUID": ids, "left": 1 - label, "right": label, "patient_overall": 1})
        if side == "train":
            rows.to_csv(public / "train.csv", index=False)
        else:
            rows[["StudyUID"]].to_csv(public / "test.csv", index=False)
            long = rows.melt("StudyUID", findings, "finding", "fractured")
            long["row_id"] = long["StudyUID"] + "_" + long["finding"]
            long[["row_id", "fractured"]].to_csv(private / "answers.csv", index=False)
            long[["row_id"]].assign(fractured=0.5).to_csv(public / "sample_submission.csv", index=False)


def vertebrae(public: Path, private: Path) -> None:
    """The same, where the test table lists the pairs by an id, the thing and the object."""
    spines(public, private)
    rows = pd.read_csv(public / "sample_submission.csv")[["row_id"]]
    rows["StudyUID"] = rows["row_id"].str.extract(r"(1\.2\.test\.\d+)")[0]
    rows.assign(kind=[id.removeprefix(f"{uid}_") for id, uid in rows.to_numpy()]).to_csv(public / "test.csv", index=False)


def bleeds(public: Path, private: Path) -> None:
    """Ids of image and object are all that train has; no test table; names with a stage."""
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        label, rows = _labels(n, seed), []
        for i in range(n):
            _picture(label[i], public / f"stage_1_{side}_images" / f"ID_{side}{i:04x}.png", i + 1000 * seed)
            rows += [(f"ID_{side}{i:04x}_{kind}", int(label[i] == (kind == "subdural"))) for kind in ("subdural", "any")]
        frame = pd.DataFrame(rows, columns=["ID", "Label"])
        if side == "train":
            frame.to_csv(public / "stage_1_train.csv", index=False)
        else:
            frame.to_csv(private / "test.csv", index=False)
            frame.assign(Label=0.5).to_csv(public / "stage_1_sample_submission.csv", index=False)


def cells(public: Path, private: Path) -> None:
    """One submission row for each pair of image and object: train has a row for each pair, and there is no test table."""
    for side, n, seed in (("train", N // 2, 0), ("test", M // 2, 1)):
        label, rows = _labels(n, seed), []
        for i in range(n):
            _picture(label[i], public / side / f"{side}{i}.png", i + 1000 * seed)
            rows += [{"image": f"{side}{i}", "cell": cell, "alive": int(label[i] == (cell == "red"))}
                     for cell in ("red", "green")]
        frame = pd.DataFrame(rows)
        if side == "train":
            frame.to_csv(public / "train.csv", index=False)
        else:
            frame["id"] = frame["image"] + "_" + frame["cell"]
            frame[["id", "alive"]].to_csv(private / "answers.csv", index=False)
            frame[["id"]].assign(alive=0.5).to_csv(public / "sample_submission.csv", index=False)


def _sound(label: int, seed: int) -> np.ndarray:
    """A quarter of a second at 2 kHz: a low or a high tone in noise."""
    rng, time = np.random.default_rng(seed), np.arange(500) / 2000
    tone = np.sin(2 * np.pi * (500 if label else 150) * time + rng.uniform(0, 6))
    return (8000 * (tone + rng.normal(0, 0.5, 500))).clip(-32000, 32000).astype(np.int16)


def write_wav(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(2000)
        out.writeframes(samples.astype("<i2").tobytes())


def write_aiff(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = struct.pack(">HQ", 16383 + 10, 2000 << 53)  # 2000 = 1.953125 * 2**10, as an 80-bit float
    common = struct.pack(">hIh", 1, len(samples), 16) + rate
    sound = struct.pack(">II", 0, 0) + samples.astype(">i2").tobytes()
    body = b"AIFF" + b"".join(n + struct.pack(">I", len(d)) + d for n, d in ((b"COMM", common), (b"SSND", sound)))
    path.write_bytes(b"FORM" + struct.pack(">I", len(body)) + body)


def whales(public: Path, private: Path) -> None:
    """Sounds (AIFF) in zip files, labels at the end of the train files' names, ids with their suffix."""
    for i, label in enumerate(_labels(N, 0)):
        write_aiff(public / "train2" / f"20090328_{i:06d}_TRAIN{i}_{label}.aif", _sound(label, i))
    labels = _labels(M, 1)
    clips = [f"20090330_{i:06d}_Test{i}.aif" for i in range(M)]
    for clip, label, i in zip(clips, labels, range(M), strict=True):
        write_aiff(public / "test2" / clip, _sound(label, 1000 + i))
    _zip(public / "train2")
    _zip(public / "test2")
    pd.DataFrame({"clip": clips, "probability": labels}).to_csv(private / "test.csv", index=False)
    pd.DataFrame({"clip": clips, "probability": 0}).to_csv(public / "sampleSubmission.csv", index=False)


def birds(public: Path, private: Path) -> None:
    """Sounds (WAV) by id with a table of labels."""
    for side, n, seed in (("train", N, 0), ("test", M, 1)):
        label = _labels(n, seed)
        for i in range(n):
            write_wav(public / f"audio_{side}" / f"{side}{i}.wav", _sound(label[i], i + 1000 * seed))
        rows = pd.DataFrame({"fname": [f"{side}{i}.wav" for i in range(n)], "label": np.array(["wren", "owl"])[label]})
        if side == "train":
            rows.to_csv(public / "train.csv", index=False)
        else:
            rows.to_csv(private / "answers.csv", index=False)
            rows.assign(label="owl").to_csv(public / "sample_submission.csv", index=False)


def chorus(public: Path, private: Path) -> None:
    """Sounds by number, labels as lists in a text file, further text files, a row for each recording and class: 100 * a + b."""
    data = public / "essential"
    label, test = _labels(N + M, 0), set(range(1, N + M, 3)[:M])
    for i, high in enumerate(label):
        write_wav(data / "wavs" / f"rec_{i:04d}_x.wav", _sound(high, i))
    heard = [f"{i},{'?' if i in test else '0,3' if label[i] else '3' if i % 2 else ''}" for i in range(N + M)]
    (data / "labels_hidden.txt").write_text("\n".join(["rec_id,[labels]", *(line.rstrip(",") for line in heard)]) + "\n")
    (data / "names.txt").write_text("\n".join(["rec_id,filename", *(f"{i},rec_{i:04d}_x" for i in range(N + M))]) + "\n")
    (data / "folds.txt").write_text("\n".join(["rec_id,fold", *(f"{i},{int(i in test)}" for i in range(N + M))]) + "\n")
    (data / "sizes.txt").write_text("\n".join(["rec_id,[sizes]", *(f"{i},{i % 7},{i % 5}.5" for i in range(N + M))]) + "\n")
    (data / "classes.txt").write_text("class_id,code\n0,WREN\n3,OWL\n")
    rows = [(100 * i + code, int(label[i] if code == 0 else label[i] or i % 2)) for i in sorted(test) for code in (0, 3)]
    answers = pd.DataFrame(rows, columns=["Id", "Probability"])
    answers.to_csv(private / "test.csv", index=False)
    answers.assign(Probability=0).to_csv(public / "sample_submission.csv", index=False)


def documents(public: Path, private: Path) -> None:
    """Dirty images, clean ones under the same names, one submission row a pixel."""
    for side, n, seed in (("train", 4, 0), ("test", 1, 1)):
        rows = []
        for i in range(n):
            rng = np.random.default_rng(i + 100 * seed)
            clean = np.full((40, 60), 255, dtype=np.uint8)
            for line in range(5, 36, 8):
                clean[line:line + 3, rng.choice(np.arange(4, 56), 25)] = rng.integers(0, 60)
            stain = 130 * np.exp(-((np.indices((40, 60)) - rng.uniform(10, 30, 2)[:, None, None]) ** 2).sum(axis=0) / 120)
            dirty = (clean - stain - rng.uniform(0, 25, clean.shape)).clip(0, 255).astype(np.uint8)
            name = f"{i + 1 + 100 * seed}.png"
            (public / side).mkdir(exist_ok=True)
            Image.fromarray(dirty).save(public / side / name)
            if side == "train":
                (public / "train_cleaned").mkdir(exist_ok=True)
                Image.fromarray(clean).save(public / "train_cleaned" / name)
            rows += [(f"{name[:-4]}_{r + 1}_{c + 1}", clean[r, c] / 255) for r in range(40) for c in range(60)]
        if side == "test":
            answers = pd.DataFrame(rows, columns=["id", "value"])
            answers.to_csv(private / "answers.csv", index=False)
            answers.assign(value=1).to_csv(public / "sampleSubmission.csv", index=False)


def numbers(public: Path, private: Path) -> None:
    """Tokens to be written as they are spoken: a sample of its own name, everything quoted and zipped."""
    spoken = {"1": "one", "2": "two", "3": "three", "kg": "kilograms", "Dr.": "doctor"}
    for side, n, seed in (("train", 150, 0), ("test", 40, 1)):
        rng, rows = np.random.default_rng(seed), []
        for sentence in range(n):
            before = [*rng.choice(["the", "dog", "weighs", "saw", "5"], 3), rng.choice(list(spoken)), "."]
            rows += [(sentence, token, "PLAIN", word, spoken.get(word, word)) for token, word in enumerate(before)]
        frame = pd.DataFrame(rows, columns=["sentence_id", "token_id", "class", "before", "after"])
        ids = frame["sentence_id"].astype(str) + "_" + frame["token_id"].astype(str)
        asked = pd.DataFrame({"id": ids, "after": frame["before"]})
        answers = pd.DataFrame({"id": ids, "after": frame["after"]})
        shown = {"en_train.csv": frame} if side == "train" else {
            "en_test_2.csv": frame[["sentence_id", "token_id", "before"]], "en_sample_submission_2.csv": asked}
        for name, table in shown.items():
            with zipfile.ZipFile(public / f"{name}.zip", "w") as archive:
                archive.writestr(name, table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC))
        if side == "test":
            answers.to_csv(private / "answers.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)


LOOKALIKES: dict[str, tuple[Maker, str]] = {
    "cactus": (cactus, "Submissions are evaluated on area under the ROC curve between predicted and observed."),
    "dogs": (dogs, "Submissions are evaluated on Multi Class Log Loss between the predicted probability and the target."),
    "cats": (cats, "Submissions are scored on the log loss. 1 = dog, 0 = cat."),
    "leaves": (leaves, "Submissions are evaluated on mean column-wise ROC AUC."),
    "insults": (insults, "This is a single-class classification problem. The metric is the area under the curve (AUC)."),
    "pizza": (pizza, "Submissions are evaluated on area under the ROC curve."),
    "conductors": (conductors, "Evaluated on the column-wise root mean squared logarithmic error. The RMSLE of a column is "
                               "averaged over the columns."),
    "taxi": (taxi, "The evaluation metric is the root mean-squared error or RMSE."),
    "loans": (loans, "Submissions are evaluated on area under the ROC curve."),
    "spines": (spines, "Submissions are evaluated using the log loss."),
    "vertebrae": (vertebrae, "Submissions are evaluated using a weighted multi-label logarithmic loss."),
    "bleeds": (bleeds, "Submissions are evaluated using a weighted multi-label logarithmic loss."),
    "cells": (cells, "Submissions are evaluated on area under the ROC curve."),
    "whales": (whales, "Submissions are judged on area under the ROC curve."),
    "birds": (birds, "Submissions are evaluated on accuracy of the predicted labels."),
    "chorus": (chorus, "Submissions are evaluated on the area under the ROC curve."),
    "documents": (documents, "Submissions are evaluated on the root mean squared error between pixels."),
    "numbers": (numbers, "Submissions are evaluated on prediction accuracy (the total percent of correct tokens)."),
}
