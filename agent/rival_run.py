"""Runs a rival on a competition folder with a budget: environment on demand, a process of its own, killed when far over.

What comes of it is counted as what it is: `ok`, `overrun` (a submission, but more than 5% late), `timeout` (killed),
`crash` (it ended without a result) or `invalid` (a result that is no submission).
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent.llm.address import parse
from agent.output import UsageError
from agent.rivals import Rival
from agent.timed import timed
from leaderboard.reference import submitted
from leaderboard.reference_tables import mixed
from tasks.arrays import truth_of, width_of
from tasks.metrics import metric
from tasks.spec import Tables, Task, load
from tasks.submission import SubmissionError, check_submission, write_submission
from tasks.tables import survey, typed

HARNESS = Path(__file__).parent / "rivals" / "harness.py"
LATE = 1.05           # of the budget: more is an overrun
PATIENCE = 2.0        # budgets after which a rival is killed,
GRACE_SECONDS = 60.0  # and as much again for imports and the like


@dataclass(frozen=True)
class RivalRun:
    """How a rival's run ended. seconds: wall clock from start to exit; cpu_seconds: of all its processes that ended;
    first_seconds: when there was a first result."""

    status: str
    seconds: float
    cpu_seconds: float
    reason: str = ""
    first_seconds: float | None = None


def run_rival(
    rival: Rival, folder: Path, submission: Path, *, budget: float, threads: int, seed: int, cache: Path,
    model: str = "", kill_after: float | None = None,
) -> RivalRun:
    """One run on the competition in `folder`; writes `submission` where it ended with one.

    cache: where environments lie. model: a language model as `--llm` takes it. Making the environment is not of the
    budget; importing is. kill_after: seconds, PATIENCE budgets and a grace when left out.
    """
    python = environment(rival, cache)
    task, tables = load(folder)
    with tempfile.TemporaryDirectory(prefix="rival-") as made:
        case = Path(made)
        roles = _write_tables(task, tables, case) if not rival.whole else {}
        _write_case(task, roles, case, budget=budget, threads=threads, seed=seed, rival=rival, model=model)
        # -P: the harness's own folder, where files have the names of libraries, is not searched for modules
        look_for = case / ("submission.csv" if rival.whole else "predictions.npy")
        ran = timed([str(python), "-P", str(HARNESS), str(rival.file), str(case)], out=case / "log.txt", folder=case,
                    environment=_variables(threads, model), apart=True, look_for=look_for,
                    kill_after=kill_after or patience(budget))
        log = (case / "log.txt").read_text(errors="replace").strip().splitlines()
        last = log[-1] if log else "no output"
        seconds, cpu = ran.seconds, ran.cpu_seconds
        if ran.code is None:
            return RivalRun("timeout", seconds, cpu, f"killed after {seconds:.0f} s")
        reason = _deliver(rival, task, case, submission)
        if reason is None:
            return RivalRun("crash", seconds, cpu, last)
        if reason:
            return RivalRun("invalid", seconds, cpu, reason)
    return RivalRun("overrun" if seconds > LATE * budget else "ok", seconds, cpu, first_seconds=ran.first_seconds)


def patience(budget: float) -> float:
    """Seconds after which a run of that budget is killed."""
    return PATIENCE * budget + GRACE_SECONDS


def environment(rival: Rival, cache: Path) -> Path:
    """The rival's interpreter; its environment is made below `cache` at the first call, by pip, from pinned packages.

    Raises UsageError with pip's last line where that fails. Two processes that want it at once wait for each other.
    """
    if not rival.packages:
        return Path(sys.executable)
    pins = " ".join((*rival.first, *rival.packages))
    folder = cache.resolve() / f"{rival.file.stem}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder)
            for packages in (rival.first, rival.packages):
                _install(folder, packages, rival)
            (folder / "ready").write_text(pins)
    return folder / "bin" / "python"


def _install(folder: Path, packages: tuple[str, ...], rival: Rival) -> None:
    if not packages:
        return
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet",
               "--disable-pip-version-check", *packages]
    if rival.first and packages != rival.first:
        (folder / "first.txt").write_text("\n".join(rival.first))
        command += ["--constraint", str(folder / "first.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        told = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise UsageError(f"the environment of {rival.name} cannot be made: {told}")


def _write_tables(task: Task, tables: Tables, case: Path) -> dict[str, str]:
    """train.csv, test.csv, targets.csv (codes of classes or numbers), as every rival sees them; returns roles by column."""
    train, test = tables.train, tables.test
    found = survey(train, test, id=task.id, targets=task.targets, text=task.text, assets=task.assets_folder)
    features = typed(train, test, found.roles, assets=task.assets_folder)
    others = {name: role for name, role in found.roles.items() if role != "text"}
    frame = mixed(features, others, task)
    texts = {f"text {place}": features[name] for place, (name, role) in enumerate(found.roles.items()) if role == "text"}
    frame = frame.assign(**texts) if others else pd.DataFrame(texts)
    truth = truth_of(task, train)
    if metric(task.metric).loss == "log_squared":
        truth = np.log1p(truth)  # as every user does under a metric of logs
    for name, part in (("train", frame.iloc[:len(truth)]), ("test", frame.iloc[len(truth):])):
        part.to_csv(case / f"{name}.csv", index=False)
    columns = truth[:, None] if truth.ndim == 1 else truth
    pd.DataFrame(columns, columns=list(task.targets[:columns.shape[1]])).to_csv(case / "targets.csv", index=False)
    return {name: _role(name) for name in frame.columns}


def _role(name: str) -> str:
    kind = name.split()[0]
    return kind if kind in ("categorical", "text") else "numeric"


def _write_case(
    task: Task, roles: Mapping[str, str], case: Path, *, budget: float, threads: int, seed: int, rival: Rival, model: str,
) -> None:
    classes = {"binary": 2, "multilabel": 2, "multiclass": len(task.classes)}.get(task.kind, 0)
    inner = {"mean_auc": "auc", "mean_log_loss": "log_loss", "mean_rmse": "rmse", "rmsle": "rmse", "mean_rmsle": "rmse",
             "msle": "mse"}
    told = {"kind": task.kind, "classes": classes, "metric": inner.get(task.metric, task.metric), "roles": dict(roles),
            "seconds": budget, "threads": threads, "seed": seed, "variant": rival.variant, "public": str(task.folder),
            "model": parse(model).model if model else ""}
    (case / "case.json").write_text(json.dumps(told), encoding="utf-8")


def _variables(threads: int, model: str) -> dict[str, str]:
    """The environment: threads for whatever counts them itself, no telemetry, and for a language model its endpoint."""
    told = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    told |= {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "MLJAR_NO_TELEMETRY": "1", "AG_AUTOMM_TELEMETRY": "0"}
    secret = {name for name in os.environ if name.endswith(("_KEY", "_TOKEN")) or name.startswith("KAGGLE")}
    if model:
        address = parse(model)
        told |= {"OPENAI_BASE_URL": address.url} if address.url else {}
        told |= {"OPENAI_API_KEY": os.environ.get(address.key, "none")}
    return {**{name: value for name, value in os.environ.items() if name not in secret}, **told}


def _deliver(rival: Rival, task: Task, case: Path, submission: Path) -> str | None:
    """Write or check the submission: "" where it is valid, else what is wrong with it, None where there is none."""
    try:
        if rival.whole:
            return _take(task, case / "submission.csv", submission)
        if not (case / "predictions.npy").exists():
            return None
        raw = np.load(case / "predictions.npy", allow_pickle=False)
        wanted = width_of(task)
        if wanted == (2,) and raw.ndim == 1 and task.prediction == "distribution":
            raw = np.column_stack([1 - raw, raw])  # two classes that are to be told apart as if they were many
        if raw.shape[1:] != wanted:
            return f"predictions of shape {raw.shape}; wanted are {wanted[0] if wanted else 1} for each row"
        if not np.isfinite(raw).all():
            return f"{int((~np.isfinite(raw)).sum())} predictions are not finite"
        if metric(task.metric).loss == "log_squared":
            raw = np.expm1(raw)
        if task.kind == "ordinal":
            raw = raw.clip(0, len(task.classes) - 1)
        write_submission(task, submitted(task, raw), submission)
        return ""
    except SubmissionError as error:
        return str(error)


def _take(task: Task, written: Path, submission: Path) -> str | None:
    if not written.exists():
        return None
    check_submission(task, written)
    submission.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(written, submission)
    return ""


def result(run: RivalRun) -> dict[str, Any]:
    """What the benchmark's JSON keeps of a run."""
    kept: dict[str, Any] = {"status": run.status, "seconds": round(run.seconds, 3), "cpu_seconds": round(run.cpu_seconds, 3)}
    first = {} if run.first_seconds is None else {"first_seconds": round(run.first_seconds, 3)}
    return kept | first | ({"reason": run.reason} if run.reason else {})
