"""Counts runs of words and of characters in texts (n-grams), for TF-IDF: a row for each text, a column for each run.

The counts are those of scikit-learn's CountVectorizer. A run is a number here and never a string, and the characters of a
word that occurs many times are read once. Columns have no names; their order is that of the alphabet, run by run of a length,
so that those of some texts come in the same order whatever other texts are counted beside them.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
CODED = re.compile(r"(?:[a-z]\d+ ?)+")
SPACES = re.compile(r"\s\s+")
WIDEST = 1 << 16  # a run that occurs more often in one text is counted as often as this, less one
INSIDE = "inside-words"
NAME_WORDS = 2
WORD = r"(?u)\b\w+\b"
READERS: dict[str, Callable[[list[str], int], sparse.csr_matrix]] = {  # of texts; what occurs fewer times is left out
    "words": lambda texts, fewest: words(texts, WORD, 1, fewest=fewest),
    "word-pairs": lambda texts, fewest: words(texts, WORD, 2, fewest=fewest),
    "codes": lambda texts, fewest: words(texts, r"\S+", 1, fewest=fewest),
    INSIDE: lambda texts, fewest: inside_words(texts, 2, 4, fewest=fewest),
    "character-pairs": lambda texts, fewest: characters([text.lower() for text in texts], 1, 2, fewest=fewest),
    "character-runs": lambda texts, fewest: characters([text.lower() for text in texts], 1, 3, fewest=fewest),
    "formula": lambda texts, fewest: characters(texts, 1, 5, fewest=fewest),
}


def readers(texts: list[str]) -> list[str]:
    """What is to be counted in texts like these."""
    if is_spaceless(texts):
        return ["character-runs"]
    if _is_formula(texts):
        return ["formula"]
    return ["codes"] if _is_coded(texts) else ["word-pairs", INSIDE]


def quickest(texts: list[str]) -> str:
    """The one reader that tells most for its time."""
    return "character-pairs" if is_spaceless(texts) else INSIDE if _is_names(texts) else "words"


def different(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, int]:
    """The texts of some columns, laid end to end, each once and with the first place where it stands."""
    first: dict[str, int] = {}
    for place, text in enumerate(_texts(frame, names)):
        first.setdefault(text, place)
    return first


def counted(frame: pd.DataFrame, names: Sequence[str], reader: str, room: int) -> np.ndarray:
    """What a reader counts in the different texts of some columns, packed: for the host to keep. Runs that occur once are left
    out, but not those of a text that stands there twice."""
    rows = list(different(frame, names).values())
    return packed(READERS[reader](_texts(frame, names), 2)[rows], room)


def _texts(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [text for name in names for text in frame[name].fillna("").astype(str)]


def is_spaceless(lines: list[str]) -> bool:
    """Scripts that write no spaces."""
    sample = lines[:2_000]
    return sum(len(SPACELESS.findall(line)) for line in sample) > 0.2 * sum(map(len, sample))


def _is_names(lines: list[str]) -> bool:
    """A word or two each: few of a test's are among the train rows, and what tells is inside them."""
    sample = [line for line in lines[:2_000] if line]
    return bool(sample and np.mean([len(line.split()) for line in sample]) <= NAME_WORDS)


def _is_formula(lines: list[str]) -> bool:
    """Long strings without spaces: formulas of molecules, sequences of amino acids."""
    sample = [line for line in lines[:500] if line]
    return bool(sample and np.mean([" " not in line for line in sample]) > 0.95 and np.mean([*map(len, sample)]) > 15)


def _is_coded(lines: list[str]) -> bool:
    """Words that stand for things, a letter and a number each: their characters and their order say nothing."""
    sample = [line for line in lines[:500] if line]
    return bool(sample and np.mean([bool(CODED.fullmatch(line)) for line in sample]) > 0.95)


def words(texts: Sequence[str], pattern: str, longest: int, *, fewest: int) -> sparse.csr_matrix:
    """Runs of up to `longest` of the words that `pattern` finds; those that occur `fewest` times in all texts."""
    find = re.compile(pattern).findall
    codes, sizes, _ = _numbered(find(text.lower()) for text in texts)
    return _runs(codes, sizes, 1, longest, fewest)


def characters(texts: Sequence[str], shortest: int, longest: int, *, fewest: int) -> sparse.csr_matrix:
    """Runs of `shortest` to `longest` characters, spaces among them, that occur `fewest` times in all texts."""
    plain = [SPACES.sub(" ", text) for text in texts]
    points = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = pd.factorize(points, sort=True)[0]
    return _runs(codes, np.array([len(text) for text in plain], dtype=np.int64), shortest, longest, fewest)


def inside_words(texts: Sequence[str], shortest: int, longest: int, *, fewest: int) -> sparse.csr_matrix:
    """Runs of `shortest` (at most three) to `longest` characters of words, each with a space before it and one behind."""
    codes, sizes, known = _numbered(text.lower().split() for text in texts)
    holds = _runs(codes, sizes, 1, 1, 1)
    runs = characters([f" {word} " for word in known], shortest, longest, fewest=1)
    often = np.asarray(holds.sum(axis=0) @ runs).ravel() >= fewest
    return (holds @ runs[:, np.flatnonzero(often)]).tocsr()


def _numbered(found: Iterable[list[str]]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The words of all texts as numbers, one after the other; how many each text has; what the numbers stand for, sorted."""
    known: dict[str, int] = {}
    sizes, codes = [], list[int]()
    for parts in found:
        sizes.append(len(parts))
        codes += [known.setdefault(part, len(known)) for part in parts]
    names = sorted(known)
    place = np.empty(len(names), dtype=np.int64)
    place[[known[name] for name in names]] = np.arange(len(names))
    return place[np.array(codes, dtype=np.int64)], np.array(sizes, dtype=np.int64), names


def _runs(codes: np.ndarray, sizes: np.ndarray, shortest: int, longest: int, fewest: int) -> sparse.csr_matrix:
    """Counts (texts, runs) of runs of the codes; a run of n is a run of n - 1 and a code, so pairs of numbers do."""
    text = np.repeat(np.arange(len(sizes)), sizes)
    number, parts = codes, []
    for length in range(1, longest + 1):
        if length > 1:  # runs that go on from one text into the next are numbered too, and not counted
            pairs = number[:-1] * (codes.max(initial=0) + 1) + codes[length - 1 :]
            number = pd.factorize(pairs, sort=True)[0]
        if length >= shortest:
            whole = text[: len(number)] == text[length - 1 :]
            parts.append(_counted(text[: len(number)][whole], number[whole], len(sizes), fewest))
    return sparse.hstack(parts, "csr", dtype=np.int32)


def _counted(text: np.ndarray, number: np.ndarray, texts: int, fewest: int) -> sparse.csr_matrix:
    often = np.bincount(number) >= fewest
    kept = often[number] if len(number) else np.zeros(0, dtype=bool)
    columns = (np.cumsum(often) - 1)[number[kept]]
    ones = np.ones(len(columns), dtype=np.int32)
    return sparse.coo_matrix((ones, (text[kept], columns)), (texts, int(often.sum()))).tocsr()


def packed(counts: sparse.csr_matrix, room: int) -> np.ndarray:
    """Counts as one array (room,) of numbers: how many there are, the size of each row, then column and count as one number.
    ValueError where there is no room for them."""
    numbers = np.r_[counts.nnz, np.diff(counts.indptr), counts.indices * float(WIDEST) + np.minimum(counts.data, WIDEST - 1)]
    if len(numbers) > room:
        raise ValueError(f"{counts.nnz} counts of {counts.shape[0]} texts are more than {room} numbers")
    return np.concatenate([numbers, np.zeros(room - len(numbers))])


def unpacked(numbers: np.ndarray, rows: int) -> sparse.csr_matrix:
    """What was packed, whoever packed it: ValueError where that is no matrix of counts with so many rows."""
    size, sizes = numbers[0], numbers[1 : rows + 1]
    whole = (sizes >= 0).all() and (sizes == np.floor(sizes)).all() and sizes.sum() == size
    if not whole or size > len(numbers) - rows - 1:
        raise ValueError("the rows do not add up")
    both = numbers[rows + 1 : rows + 1 + int(size)]
    indices, data = np.floor(both / WIDEST), both % WIDEST
    if not ((indices >= 0) & (indices < np.iinfo(np.int32).max) & (data >= 1) & (data == np.floor(data))).all():
        raise ValueError("columns and counts are whole numbers, a column from 0 on and a count from 1 on")
    indptr = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    shape = (rows, int(indices.max(initial=-1)) + 1)
    return sparse.csr_matrix((data.astype(np.int32), indices.astype(np.int32), indptr.astype(np.int32)), shape)
