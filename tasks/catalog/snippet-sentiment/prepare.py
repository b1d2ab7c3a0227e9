"""Builds snippet-sentiment: rated sentences; all sentences of a test document are in test."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting

ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = {"movie": "movieReview", "amazon": "amazonReview", "nyt": "nytEditorial", "tweet": "tweets"}


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files."""
    with tarfile.open(fileobj=io.BytesIO(packaged.read(raw, "vadersentiment", ARCHIVE))) as archive:
        parts = [_rated(archive, source, stem) for source, stem in FILES.items()]
    snippets = pd.concat(parts, ignore_index=True).drop_duplicates("snippet", keep=False)
    document = pd.factorize(snippets["document"])[0]  # in the files good and bad films lie apart
    snippets["document"] = 1 + np.random.default_rng(4000).permutation(document.max() + 1)[document]
    split = splitting.grouped_split(snippets.reset_index(drop=True), "document", test_share=0.25, seed=40)
    splitting.write_competition(split, public, private, seed=40)


def _rated(archive: tarfile.TarFile, source: str, stem: str) -> pd.DataFrame:
    """source, document, snippet and sentiment; the key of a sentence is document_sentence, or a number of its own."""
    name = f"hutto_ICWSM_2014/{stem}{'' if source == 'tweet' else 'Snippets'}_GroundTruth.txt"
    stream = archive.extractfile(name)
    assert stream is not None
    rows = [line.split("\t") for line in stream.read().decode("utf-8", errors="replace").splitlines()]
    made = pd.DataFrame([row for row in rows if len(row) == 3], columns=["key", "sentiment", "snippet"])
    document = source + " " + made["key"].str.split("_").str[0]
    return pd.DataFrame({"source": source, "document": document, "snippet": made["snippet"].str.strip(),
                         "sentiment": made["sentiment"].astype(float)})
