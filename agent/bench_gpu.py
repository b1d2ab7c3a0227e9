"""The same fits on the processor and on the GPU: score, wall clock, ratio, and where the time goes. Writes docs/gpu.md.

`make bench-gpu`. One fold each of a generated tabular task, an image task and a text task, through the sandbox, one trial at
a time. Where no GPU is shown to trials it says so in one line and measures nothing.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.bench_data import write_task
from agent.bench_overhead import Stopwatch
from agent.compete import fold_inputs
from agent.portfolio import basic_blocks
from agent.racing import fold_score
from agent.run import KIT, Options, Preparation, prepare
from agent.solution import Recipe, render
from sandbox import Limits, executor
from tasks import catalogue
from tasks.arrays import Arrays, write_arrays
from tasks.metrics import metric

OUT = Path(__file__).parent.parent / "docs" / "gpu.md"
MODELS = {
    "tabular": ("boosters.xgboost", "boosters.catboost", "nets.mlp", "nets.tabm"),
    "image": ("images.convnet", "backbone.fine_tuned"),
    "text": ("boosters.xgboost", "nets.mlp"),
}


@dataclass(frozen=True)
class Fit:
    """One fit of one model on one device. Seconds: of the whole trial, and inside fit_predict."""

    sort: str
    task: str
    rows: int
    model: str
    device: str
    status: str
    score: float | None
    seconds: float
    fit_seconds: float


def fits(sort: str, folder: Path, place: Path, watch: Stopwatch, *, devices: Sequence[str], seconds: float) -> list[Fit]:
    """Every model of this sort of task on every device."""
    known = prepare(folder, Options())
    arrays = write_arrays(known.task, known.train, known.test, known.plan, dict(known.roles), place, seed=0)
    return [_fit(sort, known, arrays, model, device, watch, seconds) for model in MODELS[sort] for device in devices]


def _fit(
    sort: str, known: Preparation, arrays: Arrays, model: str, device: str, watch: Stopwatch, seconds: float,
) -> Fit:
    source = render(Recipe(model, () if model.startswith("images.") else basic_blocks(known.traits)), "Measured")
    card = {**json.loads((arrays.data / "card.json").read_text()), "seed": 0, "threads": 1, "device": device,
            "seconds_left": seconds, "hints": []}
    limits = Limits(wall_seconds=3 * seconds + 60, memory_bytes=16 << 30, disk_bytes=4 << 30)
    trial = watch.run(source, inputs=fold_inputs(known.task, arrays, KIT, 0), limits=limits,
                      shape=(arrays.predict_rows(0), *arrays.prediction_width), card=card)
    rows, call = arrays.validation_rows(0), watch.calls[-1]
    score = fold_score(metric(known.task.metric), arrays.truth[rows], trial.prediction[: len(rows)]) \
        if trial.prediction is not None else None
    if trial.status != "ok":
        print(f"{model} on {device}: {trial.status} {trial.reason}\n{trial.log[-800:]}", file=sys.stderr)
    return Fit(sort, known.task.name, arrays.fit_rows(0), model, device, trial.status, score, call.wall, call.fit_wall)


def page(found: Sequence[Fit], cards: int) -> str:
    """Markdown: a line a fit; the ratio is the processor's seconds inside fit_predict over this device's."""
    lines = ["# Processor against GPU", "", f"One thread, {cards} GPU(s) shown to trials. Made by `make bench-gpu`.", "",
             "| sort | task | rows | model | device | status | score | trial, s | in fit_predict, s | ratio |", "|---" * 10 + "|"]
    marks: Mapping[tuple[str, str], float] = {(f.sort, f.model): f.fit_seconds for f in found if f.device == "cpu"}
    for f in found:
        ratio = f"{marks[f.sort, f.model] / f.fit_seconds:.1f}" if (f.sort, f.model) in marks and f.fit_seconds else ""
        lines.append(f"| {f.sort} | {f.task} | {f.rows:,} | {f.model} | {f.device} | {f.status} | "
                     f"{'' if f.score is None else f'{f.score:.5g}'} | {f.seconds:.1f} | {f.fit_seconds:.1f} | {ratio} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", nargs="+", choices=("cpu", "cuda"), default=["cpu", "cuda"])
    parser.add_argument("--rows", type=int, default=200_000, help="of the tabular task (default: 200,000)")
    parser.add_argument("--seconds", type=float, default=120.0, help="that a fit may take (default: 120)")
    parser.add_argument("--image", required=True, help="a catalogue task with images or pixels")
    parser.add_argument("--text", required=True, help="a catalogue task with text")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    local = executor("local")
    if "cuda" in options.devices and not local.gpus:
        print("no GPU is shown to trials on this machine (`medalist doctor` says why): nothing was measured")
        return 0
    with local as made, tempfile.TemporaryDirectory() as name:
        folders = {"tabular": write_task(Path(name) / "tabular", rows=options.rows, columns=40)}
        for sort in ("image", "text"):
            task = getattr(options, sort)
            folders[sort] = catalogue.prepare(task, options.data, options.data / "cache") / "public"
        found = [fit for sort, folder in folders.items()
                 for fit in fits(sort, folder, Path(name) / f"run-{sort}", Stopwatch(made), devices=options.devices,
                                 seconds=options.seconds)]
        options.out.write_text(page(found, made.gpus))
        options.out.with_suffix(".json").write_text(json.dumps([asdict(fit) for fit in found], indent=1) + "\n")
    print(options.out.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
