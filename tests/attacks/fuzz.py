"""Mutated sources: whatever they are, a trial has a status and the host goes on. argv: how many, perhaps a seed. `make fuzz`."""

import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(PROJECT)]

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from world import World, source, world  # noqa: E402

from sandbox import Limits  # noqa: E402
from sandbox.executors.local import Local  # noqa: E402

LIMITS = Limits(wall_seconds=10, memory_bytes=256 << 20, disk_bytes=32 << 20, processes=24, output_bytes=1 << 14)
STATUSES = {"ok", "error", "invalid", "timeout", "cpu", "memory", "processes", "disk", "output", "killed", "refused"}
PLAIN = """import os, sys, json
import numpy as np
import pandas as pd


class Model:
    def __init__(self, depth=3):
        self.depth = depth

    def fit(self, train, target):
        self.mean = float(target.mean())
        return self


def fit_predict(train, target, predict, task):
    model = Model(depth=task.threads).fit(train, target)
    result = np.full(len(predict), model.mean)
    print('mean', model.mean, os.getpid(), sys.argv, json.dumps({'rows': len(predict)}))
    return result
"""
SEEDS = (PLAIN, PLAIN, PLAIN, source("kernel"))
FRAGMENTS = st.one_of(
    st.text(max_size=12), st.characters().map(lambda letter: letter * 3000),
    st.sampled_from(["\0", "\ud800", "return", "yield ", "await x", "os._exit(7)", "os.abort()", "sys.exit()", "raise SystemExit",
                     "raise KeyboardInterrupt", "os.close(1)", "os.closerange(0, 99)", "(" * 300, "[" * 3000, "-" * 9000,
                     "sys.setrecursionlimit(10**9)", "import ctypes; ctypes.string_at(0)", "np.zeros(1 << 28)", "1" * 5000,
                     "np.save = None", "del sys.modules['numpy']", "sys.stdout = None", "\x1b]0;x\x07", "os.chdir('/')",
                     "__builtins__.clear()", "sys.path.clear()", "global predict", "#!/bin/sh\n", "\r", "\t",
                     "# -*- coding: utf-7 -*-\n"]))
WAYS = st.sampled_from(["put", "cut", "twice", "line", "swap"])
EDITS = st.lists(st.tuples(WAYS, st.floats(0, 1), st.integers(0, 40), FRAGMENTS), min_size=1, max_size=3)


def mutated(text: str, edits: list[tuple[str, float, int, str]]) -> str:
    """The source after some edits, each at a place between its beginning (0) and its end (1)."""
    for how, place, size, fragment in edits:
        at, lines = int(place * len(text)), text.split("\n")
        line = int(place * (len(lines) - 1))
        if how == "put":
            text = text[:at] + fragment + text[at:]
        elif how == "cut":
            text = text[:at] + text[at + size:]
        elif how == "twice":
            text = text[:at] + text[max(0, at - size):]
        elif how == "line":
            indent = " " * (len(lines[line]) - len(lines[line].lstrip()))
            text = "\n".join([*lines[:line], indent + fragment, *lines[line:]])
        else:
            text = "\n".join([*lines[:line], *reversed(lines[line:line + 2]), *lines[line + 2:]])
    return text


def fuzz(count: int, runner: Local, place: World, *, start: int = 0) -> Counter[str]:
    """How many trials of mutated sources ended in each status; raises where one has none."""
    statuses: Counter[str] = Counter()

    @seed(start)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(SEEDS), EDITS)
    def one(text: str, edits: list[tuple[str, float, int, str]]) -> None:
        trial = runner.run(mutated(text, edits), inputs=place.inputs, limits=LIMITS, shape=(20,), card=place.card)
        assert trial.status in STATUSES and (trial.prediction is not None) == (trial.status == "ok"), trial
        statuses[trial.status] += 1
        if sum(statuses.values()) % 100 == 0:
            print(dict(statuses), file=sys.stderr, flush=True)

    one()
    return statuses


def main() -> None:
    with world() as place, Local(("numpy", "pandas", "pyarrow")) as runner:
        statuses = fuzz(int(sys.argv[1]), runner, place, start=int((sys.argv[2:] or ["0"])[0]))
    print(f"{sum(statuses.values())} mutated sources, no exception of ours:", dict(statuses))


if __name__ == "__main__":
    main()
