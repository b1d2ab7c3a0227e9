"""When a submission is worth one of the day's few: its estimate must beat the last one's by more than their noise."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.blend import Blend
from leaderboard.kaggle import Submission
from leaderboard.record import Record, Run
from leaderboard.submissions import Sent
from tasks.arrays import Arrays, load_arrays
from tasks.decision_steps import Decision
from tasks.metrics import Metric, Undefined

MARK = "medalist/"  # how the message of each of our submissions begins
REPEATS = 100
SETTLING_SECONDS = 0.5
OUT_OF_FOLD = "out_of_fold.npy"
TRUTH = "truth.npy"


class Unspent(Exception):
    """A submission was not made since it is not worth it or not allowed; the message says why. Nothing failed."""


@dataclass(frozen=True)
class Stake:
    """What a run could submit now: its file, its estimates, and what it would have submitted for the validated train
    rows, out of fold, with their truth, both (n,) or (n, k) in the order of the train table."""

    run: Run
    content: bytes
    sha256: str
    cross_validated: float
    honest: float
    standard_error: float
    out_of_fold: np.ndarray
    truth: np.ndarray

    @property
    def tag(self) -> str:
        """The same for the same file of the same run, so that it can be found again and is never sent twice."""
        return f"{MARK}{self.run.run}/{self.sha256[:8]}"


def stake(record: Record, run: Run) -> Stake:
    """The stake of a run as its record and folder stand. Raises Unspent where it has no blend yet."""
    folder = Path(run.folder)
    ensembles = record.events(run.run, "ensemble")
    if not ensembles or not (folder / "blend.json").is_file():
        raise Unspent(f"run {run.run} has no submission yet: go on with `medalist resume {run.run}`")
    content, blend = _settled(folder)
    last = next((known for known in reversed(ensembles) if known["weights"] == blend["blend"]["weights"]), ensembles[-1])
    error = (run.summary or {}).get("honest_standard_error") or last["standard_error"]
    answers, truth = _answers(folder, load_arrays(folder), blend)
    return Stake(run, content, hashlib.sha256(content).hexdigest(), last["score"], last["honest"], error, answers, truth)


def _settled(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The submission and the blend that made it: a running search replaces the one just before the other."""
    while True:
        before, content = (folder / "blend.json").read_bytes(), (folder / "submission.csv").read_bytes()
        time.sleep(SETTLING_SECONDS)
        if before == (folder / "blend.json").read_bytes():
            return content, json.loads(before)


def worth(new: Stake, last: Sent | None, judge: Metric) -> str:
    """Why it is worth a submission; Unspent, with the figures, where it is not."""
    if last is None:
        return "nothing was submitted before"
    gain = (new.honest - last.honest) * (1.0 if judge.greater_is_better else -1.0)
    noise = noise_of_gain(new, last, judge)
    figures = f"the honest estimate is {new.honest:.5f} against {last.honest:.5f} of submission {last.ref}"
    if not gain > noise:
        raise Unspent(f"not submitted: {figures}, a gain of {gain:.5f} within its noise of {noise:.5f}")
    return f"{figures}, a gain of {gain:.5f} beyond its noise of {noise:.5f}"


def noise_of_gain(new: Stake, last: Sent, judge: Metric) -> float:
    """Standard error of the difference of two scores. Both answered the same train rows: those are drawn anew for both
    at once (paired bootstrap), so that what is hard for both counts for neither. Where the earlier answers are not at
    hand or are of other rows, the standard error of the estimate itself, which is larger."""
    before = answers_of(Path(last.file).parent)
    if before is None or not np.array_equal(before[1], new.truth):
        return new.standard_error
    return paired_noise(judge, new.truth, new.out_of_fold, before[0]) or new.standard_error


def paired_noise(judge: Metric, truth: np.ndarray, one: np.ndarray, other: np.ndarray) -> float | None:
    """Standard error of the difference of two scores over the same rows; None where it cannot be told."""
    rng, differences = np.random.default_rng(0), []
    for _ in range(REPEATS):
        drawn = rng.integers(len(truth), size=len(truth))
        try:
            differences.append(judge.score(truth[drawn], one[drawn]) - judge.score(truth[drawn], other[drawn]))
        except Undefined:
            continue
    return float(np.std(differences, ddof=1)) if len(differences) > 1 else None


def keep(new: Stake, folder: Path) -> Path:
    """A copy of what is submitted, with its out-of-fold answers, so that later ones can be compared with it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "submission.csv").write_bytes(new.content)
    np.save(folder / OUT_OF_FOLD, new.out_of_fold)
    np.save(folder / TRUTH, new.truth)
    return folder / "submission.csv"


def spent_today(listed: Sequence[Submission], used_today: int) -> int:
    """How many of the team's counted submissions of today are ours. `listed`: the newest first. Kaggle's own count says
    which are of today, so that no clock of ours matters."""
    counted = [known for known in listed if known.status != "ERROR"][:used_today]
    return sum(known.description.startswith(MARK) for known in counted)


def _answers(folder: Path, arrays: Arrays, known: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """What the blend would have submitted for the validated train rows, and their truth, in the order of the table."""
    blend = Blend.from_json(known["blend"])
    rows = np.flatnonzero(arrays.validated)
    rows = rows[np.argsort(arrays.order[rows])]
    members = {number: np.load(folder / "entries" / str(number) / OUT_OF_FOLD)[rows] for number in blend.weights}
    return Decision.from_json(known["decision"]).apply(blend.apply(members)), arrays.truth[rows]


def answers_of(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """The out-of-fold answers of an earlier submission and their truth, as `keep` left them; None where it did not."""
    if not (folder / OUT_OF_FOLD).is_file():
        return None
    return np.load(folder / OUT_OF_FOLD), np.load(folder / TRUTH)
