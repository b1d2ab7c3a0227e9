"""A task that offers a GPU is done on any machine."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from agent.kit import boosters, nets


@pytest.mark.parametrize("model", [boosters.catboost, boosters.xgboost, nets.mlp])
def test_a_gpu_that_is_not_there_costs_a_line_and_no_crash(model: object, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(150, 2)), columns=["a", "b"])
    task = SimpleNamespace(
        kind="regression", prediction="value", metric="rmse", greater_is_better=False, classes=[], targets=["y"],
        roles={"a": "numeric", "b": "numeric"}, group=None, time=None, seed=0, threads=1, device="cuda", seconds_left=4.0,
        assets=None, hints=[])
    predicted = model(rows[:100], pd.Series(2 * rows.a[:100], name="y"), rows[100:].reset_index(drop=True), task)  # type: ignore[operator]
    assert np.shape(predicted) == (50,) and np.isfinite(predicted).all()
    import torch

    assert torch.cuda.is_available() or "it computes on the processor" in capsys.readouterr().out
