"""Finds columns of molecules (SMILES) and, where RDKit is installed, writes what they are made of beside the rows.

Done once by the host, since reading a molecule costs milliseconds that every trial would spend again. A column is replaced
by `<name>.fragments`, its circular fragments as words (so that what reads text reads molecules), and by descriptors.
Without RDKit the column stays the text that it is, for character n-grams.
"""

import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd

from tasks.tables import is_formula

MANY = 1_000   # molecules beyond which only what is quick to compute is described, about 2 ms each
FIRST = 50     # rows of which none is a molecule where none has a carbon
CHUNK = 4_000  # molecules beyond which other processes help
SLOW = ("NumAtomStereoCenters", "NumUnspecifiedAtomStereoCenters", "chi2v", "chi3v", "chi4v", "chi2n", "chi3n", "chi4n",
        "kappa2", "kappa3", "Phi", "NumRotatableBonds")


def installed() -> bool:
    """Whether RDKit can be imported here."""
    return importlib.util.find_spec("rdkit") is not None


def columns_of(rows: pd.DataFrame) -> list[str]:
    """Columns of text that hold SMILES: nearly all of a sample are made of its symbols and, with RDKit, can be parsed."""
    found = []
    for name in rows.columns:
        if not any("c" in str(value).lower() for value in rows[name].iloc[:FIRST]):  # of numbers, most columns; it takes no time
            continue
        known = rows[name][rows[name].notna() & (rows[name] != "")]
        sample = known.iloc[:: max(1, len(known) // 200)].head(200).astype("str")
        if sample.nunique() >= 5 and is_formula(sample) and (not installed() or _parsed(sample.head(50)) >= 0.9):
            found.append(name)
    return found


def _parsed(lines: pd.Series) -> float:
    chemistry = _rdkit()
    return float(np.mean([chemistry.MolFromSmiles(line) is not None for line in lines]))


def _rdkit() -> Any:
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    return Chem


def describe(
    train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Both tables with the named columns read, and what was done in sentences."""
    notes = []
    for name in names:
        if not installed():
            notes.append(f"{name} holds molecules: read as runs of characters; with RDKit (pip install medalist[chemistry]) "
                         f"it would be read as fragments and descriptors")
            continue
        lines = pd.concat([train[name], test[name]]).astype("str")
        place, distinct = pd.factorize(lines)
        made, missed = _read(list(distinct))
        whole = made.set_axis([f"{name}.{key}" for key in made.columns], axis=1).take(place)
        n = len(train)
        train = pd.concat([train.drop(columns=name), whole.iloc[:n].set_axis(train.index)], axis=1)
        test = pd.concat([test.drop(columns=name), whole.iloc[n:].set_axis(test.index)], axis=1)
        notes.append(f"{name} holds molecules: read by RDKit as fragments and {made.shape[1] - 1} descriptors"
                     + (f"; {missed} of {len(distinct)} cannot be parsed" if missed else ""))
    return train, test, notes


def _read(lines: list[str]) -> tuple[pd.DataFrame, int]:
    """A row of text for each molecule: its fragments and its descriptors; and how many there are that RDKit refuses."""
    quick = len(lines) > MANY
    size = CHUNK if len(lines) <= CHUNK else -(-len(lines) // (2 * (os.cpu_count() or 1)))
    chunks = [(lines[start : start + size], quick) for start in range(0, len(lines), size)]
    if len(chunks) == 1:
        parts = [_of_some(chunks[0])]
    else:
        with ProcessPoolExecutor(min(os.cpu_count() or 1, len(chunks)), mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(_of_some, chunks))
    table = pd.concat(parts, ignore_index=True)
    return table.drop(columns="refused"), int(table["refused"].sum())


def _of_some(given: tuple[list[str], bool]) -> pd.DataFrame:
    from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

    lines, quick = given
    chemistry = _rdkit()
    fragments = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1 << 16, includeChirality=True)
    names = [name for name in rdMolDescriptors.Properties().GetPropertyNames() if not (quick and name in SLOW)]
    properties = rdMolDescriptors.Properties(names)
    rows = []
    for line in lines:
        one = chemistry.MolFromSmiles(line) if line else None
        if one is None:
            rows.append({"fragments": "", "refused": True})
            continue
        counts = fragments.GetCountFingerprint(one).GetNonzeroElements()
        words = " ".join(f"f{bit}" for bit, count in counts.items() for _ in range(min(count, 9)))
        told = dict(zip(names, properties.ComputeProperties(one), strict=True))
        for key, values in (("surface", rdMolDescriptors.SlogP_VSA_(one)), ("refraction", rdMolDescriptors.SMR_VSA_(one)),
                            ("charge", rdMolDescriptors.PEOE_VSA_(one)), ("count", rdMolDescriptors.MQNs_(one))):
            told |= {f"{key}{k}": value for k, value in enumerate(values)}
        rows.append({"fragments": words, "refused": not line, **{key: f"{value:.6g}" for key, value in told.items()}})
    return pd.DataFrame(rows).fillna("")
