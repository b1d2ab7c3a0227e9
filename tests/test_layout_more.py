"""What belongs to the rows of an ordinary folder is read into them: further tables, sounds, molecules."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from folders import write_folder

from agent.kit import sound
from tasks import layout
from tasks.layout import molecules
from tasks.layout.joins import join
from tasks.spec import load
from tasks.tables import survey


def roles_of(folder: Path) -> dict[str, str]:
    task, tables = load(folder)
    return survey(tables.train, tables.test, id=task.id, targets=task.targets, text=task.text, assets=task.assets_folder).roles


def test_a_folder_with_train_test_and_sample_alone_is_left_as_it_is(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(9), "name": list("abcdefghi"), "y": [0, 1] * 4 + [0]})
    folder = write_folder(tmp_path / "a", rows, rows[["id", "name"]], rows[["id", "y"]])
    assert layout.is_plain(folder)
    (folder / "stores.csv").write_text("store,size\n1,2\n")
    assert not layout.is_plain(folder)


def test_a_table_of_answers_beside_the_usual_ones_is_left_out_and_the_others_stay_as_they_are(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(9), "name": list("abcdefghi"), "y": [0, 1] * 4 + [0]})
    folder = write_folder(tmp_path / "a", rows, rows[["id", "name"]], rows[["id", "y"]])
    rows[["id", "y"]].to_csv(folder / "solution.csv", index=False)
    public = layout.arrange(folder, tmp_path / "laid out")
    assert (public / "train.csv").samefile(folder / "train.csv") and (public / "test.csv").samefile(folder / "test.csv")
    assert not (public / "solution.csv").exists() and "solution.csv is left out" in (public / "layout.json").read_text()
    (folder / "more.csv").write_text("id,size\n" + "".join(f"{number},{number * 7}\n" for number in range(9)))
    joined = pd.read_csv(layout.arrange(folder, tmp_path / "laid out") / "test.csv")
    assert list(joined["more.size"]) == [number * 7 for number in range(9)] and "y" not in joined


def test_tables_are_joined_by_names_that_mean_the_same_and_by_several_columns_together() -> None:
    train = pd.DataFrame({"StoreID": ["1", "2", "1", "2"], "date": ["2020-01-01", "2020-01-01", "2020-01-02", "2020-01-02"]})
    stores = pd.DataFrame({"id": ["1", "2"], "size": ["10", "20"]})
    weather = pd.DataFrame({"StoreID": ["1", "2", "1", "2"], "date": [*train["date"]], "rain": ["5", "6", "7", "8"]})
    visits = pd.DataFrame({"store_id": ["1", "1", "2"], "who": ["x", "y", "x"], "paid": ["1", "3", "8"],
                           "at": ["2019-03-02", "2019-03-01", "2019-03-01"]})
    tables = {"stores.csv": stores, "weather.csv": weather, "visits.csv": visits, "words.csv": pd.DataFrame({"word": ["a"]})}
    joined, also, notes = join(train, train, tables, targets=["y"])
    assert list(joined["stores.size"]) == ["10", "20", "10", "20"]
    assert list(joined["weather.rain"]) == ["5", "6", "7", "8"]
    assert list(joined["visits.rows"]) == ["2", "1", "2", "1"] and joined["visits.paid.sum"][0] == "4.0"
    assert joined["visits.paid.last"][0] == "1.0" and joined["visits.who"][1] == "x"  # the first row is the later one
    assert joined.equals(also) and "words.csv is not joined" in notes[-1]


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac"])
def test_sounds_become_pictures_whose_bands_say_what_is_heard(tmp_path: Path, suffix: str) -> None:
    low, high = (np.sin(np.arange(8000) * hertz * 2 * np.pi / 8000) * np.linspace(0, 1, 8000) for hertz in (200, 3000))
    rows = pd.DataFrame({"id": range(12), "clip": [f"c{i}" for i in range(12)], "y": [0, 1] * 6})
    folder = write_folder(tmp_path / "a", rows[:8], rows[8:].drop(columns="y"), rows[8:][["id", "y"]])
    (folder / "clips").mkdir()
    for i in range(12):
        soundfile.write(folder / "clips" / f"c{i}.{suffix}", (low, high)[i % 2] * (0.1 + i / 20), 8000)
    laid = layout.arrange(folder, tmp_path / "out")
    assert roles_of(laid) == {"image": "image"}
    paths = pd.read_csv(laid / "train.csv")[["image"]].astype("str")
    task = SimpleNamespace(assets=str(laid / "assets"), roles={"image": "image"})
    shown, told = sound.pictures(paths, task, "image")
    assert np.array_equal(shown.mean(axis=2).argmax(axis=1) > 40, [False, True] * 4)
    assert (shown[:, :, 100:].max(axis=(1, 2)) > shown[:, :, :20].max(axis=(1, 2))).all()
    assert (np.diff(told[::2, 0]) > 0).all() and told[:, 1] == pytest.approx(1.0)
    left, right = sound.features(paths, paths[:3], task)
    assert np.isfinite(left.iloc[:, 1:].to_numpy()).all()
    assert np.allclose(left.iloc[:3, 1:].to_numpy(), right.iloc[:, 1:].to_numpy(), atol=1e-4)


SMILES = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "C1CCCCC1",
          "O=C(O)c1ccccc1", "[Na+].[Cl-]"]


def test_molecules_are_read_as_fragments_and_descriptors(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(40), "smiles": SMILES * 5, "y": np.arange(40) / 7.0})
    folder = write_folder(tmp_path / "a", rows[:30], rows[30:].drop(columns="y"), rows[30:][["id", "y"]],
                          toml='text = ["smiles"]\n')
    laid = layout.arrange(folder, tmp_path / "out")
    task, tables = load(laid)
    assert task.text == ("smiles.fragments",) and any("read by RDKit" in note for note in task.inferred)
    assert tables.train["smiles.tpsa"][1] == pytest.approx(20.23) and tables.train["smiles.count11"][0] == 3  # heavy atoms
    ethanol, phenol = (set(tables.train["smiles.fragments"][row].split()) for row in (0, 1))
    assert ethanol & phenol and ethanol != phenol


@pytest.mark.parametrize("words", [["CONNOR", "BOB", "SOPHIE", "NINA", "IAN"], ["(11) 91-2", "(12) 3", "[x]", "=1+2", "7"]])
def test_names_and_numbers_are_no_molecules(words: list[str]) -> None:
    assert molecules.columns_of(pd.DataFrame({"a": words * 9})) == []
    assert molecules.columns_of(pd.DataFrame({"a": SMILES})) == ["a"]
