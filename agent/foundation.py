"""Finds the weights of the pretrained TabICL on this machine, and lays them ready for a run's trials.

They are never downloaded. Where they are looked for: the folder that MEDALIST_WEIGHTS names, then the cache of Hugging Face's
hub (repository jingang/TabICL), into which `hf download` or TabICL itself puts them. A file of weights is read with torch's
`weights_only`, inside the sandbox.
"""

import hashlib
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from agent.kit.foundation import CLASSES, NAME, NUMBERS

VARIABLE = "MEDALIST_WEIGHTS"
REPOSITORY = "jingang/TabICL"
FILES = {CLASSES: "tabicl-classifier-v2-20260212.ckpt", NUMBERS: "tabicl-regressor-v2-20260212.ckpt"}
NEEDED = {"binary": CLASSES, "multiclass": CLASSES, "ordinal": NUMBERS, "regression": NUMBERS}
MOST_CLASSES = 10


def found(kind: str, classes: int) -> Path | None:
    """The file of weights that a task of this kind needs; None where it, or the package that reads it, is not here."""
    needed = NEEDED.get(kind)
    if needed is None or (kind == "multiclass" and classes > MOST_CLASSES) or find_spec("tabicl") is None:
        return None
    folder = os.environ.get(VARIABLE)
    if folder:
        path = Path(folder).expanduser() / FILES[needed]
        return path.resolve() if path.is_file() else None
    from huggingface_hub import constants  # quick, which what follows is not

    if not (Path(constants.HF_HUB_CACHE) / f"models--{REPOSITORY.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(REPOSITORY, FILES[needed])
    return Path(cached).resolve() if isinstance(cached, str) else None


def lay_ready(weights: Path, kind: str, data: Path) -> dict[str, object]:
    """Link (or copy) the weights into a run's prepared folder; returns what the record keeps of them."""
    target = data / "prepared" / NAME / f"{NEEDED[kind]}.ckpt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(weights, target)
    except OSError:  # another file system, or a file of another user
        shutil.copyfile(weights, target)
    with target.open("rb") as file:
        return {"file": FILES[NEEDED[kind]], "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
