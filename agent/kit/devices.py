"""Whether a library can use the GPU that a task offers; where it cannot, the processor computes and one line says so."""

from importlib import import_module
from typing import Any


def device_for(task: Any, library: str) -> str:
    """`cuda` where task.device says so and the library (catboost, xgboost, torch) finds a card, else `cpu`."""
    if task.device != "cuda":
        return "cpu"
    if _cards(library) > 0:
        return "cuda"
    print(f"{library} finds no GPU here: it computes on the processor")
    return "cpu"


def _cards(library: str) -> int:
    if library in ("catboost", "xgboost"):  # CatBoost carries CUDA and counts cards for both
        from catboost.utils import get_gpu_device_count

        return int(get_gpu_device_count())
    torch = import_module("torch")  # by name, so that solutions without nets do not ask for it
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
