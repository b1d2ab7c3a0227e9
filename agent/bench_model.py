"""What a language model brings to runs, or costs them: the same task, seed and budget with it and without, side by side.

    python -m agent.bench_model TASK... [--budget 60] [--llm MODEL]

Both runs of a pair go at the same time, one slot each, so that a busy machine is busy for both; with `--in-turn` one after the
other, for a machine with one processor to spare: there, whoever has more processes has more of it.
Gain: from the constant's score to the private score (the honest estimate where there are no answers). Without `--llm` the model
is garbage: prose, broken code, code that raises, constants, noise, and loops that grow with the rows, so that a smoke run on a
few passes; a garbage model may cost at most 5% of the gain.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.output import positive
from leaderboard.record import Record

PURPOSES = ("read", "draft", "improve", "debug", "cross", "simplify", "tool", "explain")
HEAD = "Hypothesis: this wins\nPredicts: much\n```python\n"
BEGIN = "import time\n\nimport numpy as np\n\nfrom kit import baselines\n\n\ndef fit_predict(train, target, predict, task):\n"
BODIES = (
    "    constant = baselines.prior(train, target, predict, task)\n    return constant\n",
    "    return np.random.default_rng({k}).random(baselines.prior(train, target, predict, task).shape)\n",
    "    return train.no_such_column_{k}\n",
    "    end = time.monotonic() + len(train) / 100\n    while time.monotonic() < end:\n        pass\n"
    "    return baselines.prior(train, target, predict, task)\n",
    "    return target.to_numpy()[:{k} + 1]\n",
)
TALK = "Sure! The best model for this is number {k}. I hope that this helps.\n"
BROKEN = "```python\ndef fit_predict(train, target, predict, task:\n    return {k}\n```\n"
ANSWERS = 60   # of each purpose


@dataclass(frozen=True)
class Arm:
    """One run: what the command said, and the score of its constant."""

    outcome: dict[str, Any]
    constant: float

    @property
    def score(self) -> float:
        return float(self.outcome["honest"] if self.outcome["private"] is None else self.outcome["private"])

    @property
    def gain(self) -> float:
        """How far the final score is from the constant's, in units of the metric."""
        return abs(self.score - self.constant)

    def ratio(self, without: "Arm") -> float:
        """Its gain as a share of that of the run without the model; NaN where that gained nothing."""
        return self.gain / without.gain if without.gain else float("nan")


def garbage(folder: Path) -> Path:
    """A folder of answers for `scripted:` of which none is worth anything."""
    kinds = [TALK, *(f"{HEAD}{BEGIN}{body}```\n" for body in BODIES), BROKEN]
    for purpose in PURPOSES:
        for k in range(ANSWERS):
            (folder / f"{k:03d}-{purpose}.md").write_text(kinds[k % len(kinds)].replace("{k}", str(k)), encoding="utf-8")
    return folder


def pair(task: str, options: argparse.Namespace, model: str) -> tuple[Arm, Arm]:
    """The run without the model and the run with it."""
    with ThreadPoolExecutor(1 if options.in_turn else 2) as threads:
        arms = threads.map(lambda more: _arm(task, options, more), ([], ["--llm", model, *options.llm_options]))
    without, beside = arms
    return without, beside


def _arm(task: str, options: argparse.Namespace, more: Sequence[str]) -> Arm:
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "agent.cli", "compete", task, "--budget", str(options.budget), "--slots", "1", "--json",
                   "--seed", str(options.seed), "--data", str(options.data), "--runs", place, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{task}: {done.stderr[-2000:]}")
        outcome = json.loads(done.stdout)
        with Record(Path(place) / "record.db") as record:
            constant = record.entries(outcome["run"])[0].score
    return Arm(outcome, float(constant or 0.0))


def row(task: str, without: Arm, beside: Arm) -> str:
    """One line of the table: scores, and the gain with the model as a share of the gain without it."""
    facts = beside.outcome["llm"]
    cpu = sum(found["cpu_seconds"] for found in facts["by_operator"])
    return (f"| {task} | {without.outcome['metric']} | {without.constant:.5g} | {without.score:.5g} | {beside.score:.5g} | "
            f"{beside.ratio(without):.3f} | {without.outcome['entries']} | {beside.outcome['entries']} "
            f"({facts['entries']} the model's, {cpu:.0f} cpu s) |")


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    made = argparse.ArgumentParser(prog="python -m agent.bench_model", description=__doc__.splitlines()[0] if __doc__ else "")
    made.add_argument("tasks", nargs="+")
    made.add_argument("--budget", type=positive, default=60.0)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--data", type=Path, default=Path("data"))
    made.add_argument("--in-turn", action="store_true", help="one run after the other")
    made.add_argument("--llm", help="the model (default: garbage)")
    made.add_argument("--llm-options", nargs="*", default=[], help="more options of compete for the model's runs")
    options = made.parse_args(arguments)
    print("| task | metric | constant | without | with | ratio of gains | entries | entries with |\n" + "|---" * 8 + "|",
          flush=True)
    ratios = []
    with tempfile.TemporaryDirectory() as place:
        model = options.llm or f"scripted:{garbage(Path(place))}"
        for task in options.tasks:
            without, beside = pair(task, options, model)
            ratios.append(beside.ratio(without))
            print(row(task, without, beside), flush=True)
    known = [ratio for ratio in ratios if ratio == ratio]
    said = f"mean ratio {sum(known) / len(known):.3f}" if known else "no ratio"
    print(f"\n{said} over {len(known)} of {len(ratios)} tasks, {options.budget:g} s, seed {options.seed}")


if __name__ == "__main__":
    main()
