"""The benchmark's page and its memory of what has run."""

from pathlib import Path

from agent.bench import Cell, Store, calibrated, page


def result(**changes: object) -> dict:
    made = {"task": "house-prices", "seed": 0, "budget": 60.0, "slots": 2, "metric": "rmsle", "private": 0.11,
            "private_standard_error": 0.004, "honest": 0.115, "honest_standard_error": 0.004, "seconds": 57.0}
    return {**made, **changes}


def test_the_page_has_a_table_a_budget_and_a_row_a_task() -> None:
    text = page([result(), result(seed=1, private=0.13), result(budget=300.0, private=0.1)])
    assert text.index("## 300 seconds") < text.index("## 60 seconds")
    assert "| house-prices | rmsle ↓ | **0.12** | 2 |" in text
    assert "| 1 of 2 |" in text


def test_a_score_far_from_the_honest_estimate_is_not_called_calibrated() -> None:
    assert calibrated(result())
    assert not calibrated(result(private=0.2))


def test_a_result_is_not_made_twice_and_a_failure_is_tried_again(tmp_path: Path) -> None:
    store, cell = Store(tmp_path / "results.json"), Cell("house-prices", "house-prices", None, 0)
    store.add({"task": "house-prices", "seed": 0, "budget": 60.0, "slots": 2, "error": "no sandbox"})
    assert not Store(tmp_path / "results.json").has(cell, 60.0, 2)
    store.add(result())
    assert Store(tmp_path / "results.json").has(cell, 60.0, 2)
    assert len(store.results) == 1
