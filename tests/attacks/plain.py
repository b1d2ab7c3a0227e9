"""Runs a solution as a plain process, outside any sandbox: the control of the attacks. argv: solution, card, result."""

import json
import runpy
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

if __name__ == "__main__":
    solution, card, result = sys.argv[1:]
    task = SimpleNamespace(**json.loads(Path(card).read_text()))
    np.save(result, runpy.run_path(solution)["fit_predict"](None, None, None, task))
    time.sleep(task.linger)
