"""What a trial costs before and beyond its fit: a cold interpreter with the libraries against a child of the warm server.
Ratios mean something on any machine, seconds only on this one. `make bench-sandbox`.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from sandbox.executors.local import WARM
from sandbox.host import Host
from sandbox.launch import environment
from sandbox.trial import Limits, Trial

LIBRARIES = ("pandas", "sklearn.ensemble", "lightgbm", "xgboost", "torch")
PREDICTIONS = 12_500_000  # of 8 bytes: 100 MB
LIMITS = Limits(wall_seconds=600, memory_bytes=4 << 30, disk_bytes=1 << 30)
CARD = {"targets": ["y"], "seed": 0, "threads": 1, "device": "cpu", "seconds_left": 60.0}
PROBE = """import time
first = time.clock_gettime(time.CLOCK_MONOTONIC)
with open("/proc/self/smaps_rollup") as file:
    private = sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
def fit_predict(train, target, predict, task):
    return [first, private * 1024.0]
"""
COLD = """import resource, time
{imports}
used = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/smaps_rollup") as file:
    private = sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
print(time.clock_gettime(time.CLOCK_MONOTONIC), used.ru_utime + used.ru_stime, private * 1024)
"""
FULL = f"""import numpy as np
def fit_predict(train, target, predict, task):
    return np.zeros({PREDICTIONS})
"""
EMPTY = "def fit_predict(train, target, predict, task):\n    return [0.0]\n"


@dataclass(frozen=True)
class Start:
    """From the request to the first line of a user: wall clock, processor time, memory that nobody shares."""

    wall_seconds: float
    cpu_seconds: float
    private_bytes: float


def median(starts: list[Start]) -> Start:
    return Start(*(statistics.median(values) for values in zip(*(asdict(start).values() for start in starts), strict=True)))


def cold() -> Start:
    """A new interpreter that imports the libraries."""
    code = COLD.format(imports="\n".join(f"import {name}" for name in LIBRARIES))
    asked = time.monotonic()
    done = subprocess.run([sys.executable, "-I", "-c", code], env=environment(1), capture_output=True, text=True, check=True)
    first, cpu, private = map(float, done.stdout.split())
    return Start(first - asked, cpu, private)


def warm(host: Host, inputs: Mapping[str, Path]) -> Start:
    """A trial of the server that has them; its processor time is that of all its processes, its end included."""
    asked = time.monotonic()
    trial = _trial(host, inputs, PROBE, 2)
    assert trial.prediction is not None
    return Start(trial.prediction[0] - asked, trial.cost.cpu_seconds, trial.prediction[1])


def arrays(host: Host, inputs: Mapping[str, Path]) -> dict[str, float]:
    """What 100 MB of predictions cost beyond one number: wall clock, the trial's processor time and ours."""
    ours = resource.getrusage(resource.RUSAGE_SELF)
    small, full = _trial(host, inputs, EMPTY, 1), _trial(host, inputs, FULL, PREDICTIONS)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {"wall_seconds": full.cost.wall_seconds - small.cost.wall_seconds,
            "trial_cpu_seconds": full.cost.cpu_seconds - small.cost.cpu_seconds,
            "host_cpu_seconds": after.ru_utime + after.ru_stime - ours.ru_utime - ours.ru_stime}


def _trial(host: Host, inputs: Mapping[str, Path], source: str, rows: int) -> Trial:
    trial = host.run(source, inputs=inputs, limits=LIMITS, shape=(rows,), card=CARD)
    if trial.status != "ok":
        raise SystemExit(f"the trial ended with {trial.status}: {trial.reason}\n{trial.log}")
    return trial


def data(folder: Path) -> dict[str, Path]:
    """The smallest inputs there are: what is measured is the start, not the reading."""
    table = pa.Table.from_pandas(pd.DataFrame({"x": np.arange(10.0)}), preserve_index=False)
    with pa.OSFile(str(folder / "features.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    (folder / "fold").mkdir()
    for name, values in (("fit", np.arange(7)), ("predict", np.arange(7, 10)), ("target", np.zeros(7))):
        np.save(folder / "fold" / f"{name}.npy", values)
    (folder / "kit").mkdir()
    (folder / "kit" / "__init__.py").touch()
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    return {"features": folder / "features.arrow", "fold": folder / "fold", "kit": folder / "kit"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=5, help="starts of each kind (default: 5); medians are printed")
    times = options.parse_args().times
    with tempfile.TemporaryDirectory() as name, Host(WARM) as host:
        inputs = data(Path(name))
        warm(host, inputs)
        colds, warms = median([cold() for _ in range(times)]), median([warm(host, inputs) for _ in range(times)])
        full = arrays(host, inputs)
    print(json.dumps({
        "cold": asdict(colds), "warm": asdict(warms), "100 MB of predictions": full,
        "ratio": {name: round(getattr(colds, name) / getattr(warms, name), 1) for name in asdict(colds)},
    }, indent=1))


if __name__ == "__main__":
    main()
