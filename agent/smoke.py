"""A smoke run: a solution on a few hundred rows, to find its bugs before a whole fold is spent on them."""

from typing import Any

import numpy as np

from agent.compete import GIB, Setting
from agent.vectors import shared
from sandbox import Executor, Limits, Trial

MOST_SECONDS = 15.0
TOLD = 0.4  # of a fit's seconds: code that trains until its time is over would take a whole fit's for a few rows


def smoke_run(setting: Setting, executor: Executor, source: str, *, card: dict[str, Any], left: float) -> Trial:
    """The trial of `source` on the run's smoke rows; its result is looked at for its shape only. Usable from any thread."""
    data = setting.folder / "data"
    inputs = {"features": data / "features.arrow", "fold": data / "smoke", "kit": setting.kit, **shared(data)}
    if setting.task.assets_folder:
        inputs["assets"] = setting.task.assets_folder
    seconds = max(1.0, min(MOST_SECONDS, setting.fair_seconds, left))
    limits = Limits(wall_seconds=2.5 * seconds + 5, memory_bytes=setting.memory_bytes, disk_bytes=GIB, threads=1)
    told = {**card, "seed": setting.seed, "threads": 1, "device": setting.device, "seconds_left": round(TOLD * seconds, 2)}
    rows = len(np.load(data / "smoke" / "predict.npy"))
    return executor.run(source, inputs=inputs, limits=limits, shape=(rows, *setting.arrays.prediction_width), card=told)
