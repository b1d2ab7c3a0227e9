"""What runs inside the sandbox: loads a fold, calls the solution's fit_predict, writes what it returns.

It never sees the labels of the rows it predicts, and it never makes a score.
"""

import gc
import json
import linecache
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

FAILED = 3


def main(inputs: str, scratch: str) -> int:
    """Run solution.py of `scratch` on `inputs`; 0, or FAILED after printing the solution's traceback."""
    card = json.loads(Path(scratch, "card.json").read_text())
    source = Path(scratch, "solution.py").read_text()
    sys.path.insert(0, f"{inputs}/lib")
    if "gpus" in card:  # those of this machine that a cluster has given to this trial
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, card["gpus"]))
    try:
        _write(_run(source, card, Path(inputs)), Path(scratch))
    except BaseException as error:
        _explain(error, source)
        return FAILED
    return 0


def _run(source: str, card: dict[str, Any], inputs: Path) -> Any:
    """The solution's module runs before the fold is read: what cannot run costs no reading."""
    module = ModuleType("solution")
    sys.modules["solution"] = module
    exec(compile(source, "solution.py", "exec"), module.__dict__)
    train, target, predict = load(card, inputs)
    return module.fit_predict(train, target, predict, SimpleNamespace(**card))


def load(card: dict[str, Any], inputs: Path) -> tuple[Any, Any, Any]:
    """The fold's train rows, their labels and the rows to predict. Features are mapped, never parsed."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    with pa.memory_map(str(inputs / "features")) as file:
        features = pa.ipc.open_file(file).read_all().to_pandas()
    fit, rows, values = (np.load(inputs / "fold" / f"{name}.npy") for name in ("fit", "predict", "target"))
    train, predict = (features.take(part).reset_index(drop=True) for part in (fit, rows))
    del features
    gc.collect()
    if values.ndim == 2:
        return train, pd.DataFrame(values, columns=card["targets"]), predict
    return train, pd.Series(values, name=card["targets"][0]), predict


def _write(result: Any, scratch: Path) -> None:
    import numpy as np

    array = np.asarray(result)
    if array.dtype.kind in "biuf":
        array = np.ascontiguousarray(array, dtype=np.float64)
    np.save(scratch / "result.npy", array, allow_pickle=False)


def _explain(error: BaseException, source: str) -> None:
    """The traceback from the solution's first frame on."""
    linecache.cache["solution.py"] = (len(source), None, source.splitlines(True), "solution.py")
    frames = traceback.extract_tb(error.__traceback__)
    first = next((k for k, frame in enumerate(frames) if frame.filename == "solution.py"), len(frames))
    print("Traceback (most recent call last):", *traceback.format_list(frames[first:]),
          *traceback.format_exception_only(error), sep="\n", file=sys.stderr)
