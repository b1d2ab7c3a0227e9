"""AIDE (aideml) with the language model that is configured: it reads the folder and writes its submission by itself.

Steps are made until the budget is spent; the submission of the best step so far is kept. Source: aideml's `Experiment`.
"""

from pathlib import Path
from typing import Any

PACKAGES = ("aideml==0.2.2",)


def compete(folder: Path, submission: Path, case: Any) -> None:
    import shutil
    import time

    import aide

    if not case.model:
        raise RuntimeError("AIDE needs a language model: set MEDALIST_LLM or say --llm MODEL@URL")
    deadline = time.monotonic() + case.seconds
    description = folder / "description.md"
    goal = description.read_text(encoding="utf-8") if description.exists() else "Predict the target of the test rows."
    experiment = aide.Experiment(data_dir=str(folder), goal=f"{goal}\n\nSave predictions to ./working/submission.csv in the "
                                 "form of sample_submission.csv.", eval=case.metric)
    experiment.cfg.agent.code.model = experiment.cfg.agent.feedback.model = case.model
    kept = None
    while time.monotonic() < deadline:
        experiment.run(steps=1)
        best = experiment.journal.get_best_node()
        written = experiment.cfg.workspace_dir / "working" / "submission.csv"
        if best is not None and best is not kept and written.exists():
            shutil.copyfile(written, submission)
            kept = best
