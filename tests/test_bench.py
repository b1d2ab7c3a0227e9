"""The benchmark's page and its memory of what has run."""

import json
from pathlib import Path

import pytest
from folders import rows, write_folder

from agent import bench_tables
from agent.bench import Store, line, main
from agent.bench_ablation import main as ablation
from agent.bench_curve import curve, standing_at
from agent.bench_families import families
from agent.bench_page import anytime, calibrated, normalised, page, standings, write_leads, write_plots
from agent.bench_run import Cell
from agent.bench_traps import main as traps
from agent.bench_traps import page as traps_page
from agent.cli import main as medalist
from agent.output import UsageError
from leaderboard.record import Record
from tasks.spec import load_task, read_tables
from tasks.submission import read_answers
from tasks.traps.table import Estimate, Row


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


def test_the_dummy_is_worth_nothing_and_the_best_reference_one() -> None:
    field = {"dummy": 0.5, "linear": 0.3, "default LightGBM": 0.4}
    assert [normalised(score, field, -1.0) for score in (0.5, 0.3, 0.2)] == pytest.approx([0.0, 1.0, 1.5])
    assert normalised(0.9, {"dummy": 0.5, "linear": 0.7}, 1.0) == pytest.approx(2.0)
    assert normalised(0.9, {"linear": 0.7}, 1.0) is None and normalised(0.9, {"dummy": 0.5, "linear": 0.4}, 1.0) is None


def test_everybody_stands_in_one_table_and_failures_count_as_what_they_are() -> None:
    ours = result(first_seconds=4.0, cpu_seconds=90.0, status="overrun", seconds=64.0)
    crash = result(agent="lightgbm", private=None, status="crash", seconds=3.0, cpu_seconds=2.0)
    head, _, first, second, *_ = standings([ours, crash])
    names = [name.strip() for name in head.split("|")]
    first, second = (dict(zip(names, map(str.strip, row.split("|")), strict=True)) for row in (first, second))
    assert first["agent"] == "medalist" and first["mean rank"] == "1.00 of 8.0" and first["gold, silver, bronze"] == "1, 0, 0"
    assert (first["first submission, s"], first["CPU s"], first["overrun"], first["ok"]) == ("4.0", "90", "1", "0")
    assert float(first["normalised score, mean"]) > 1
    assert (second["mean rank"], second["crash"]) == ("8.00 of 8.0", "1") and float(second["normalised score, mean"]) == 0
    old = standings([result(seconds=70.0)])  # results of before this table kept no status
    assert old[2].rstrip(" |").endswith("| 0 | 1 | 0 | 0 | 0")


def test_an_anytime_curve_is_that_of_the_dummy_until_something_is_submitted(tmp_path: Path) -> None:
    ours = result(budget=120.0, seconds=115.0, curve=[[60.0, 0.15]], private=0.12)
    curve = dict(anytime([ours], "medalist"))
    assert curve[30.0] == 0.0 and 0.8 < curve[60.0] < 0.95 < curve[120.0]
    rival = result(budget=120.0, agent="lightgbm", seconds=50.0, private=0.13, status="ok", cpu_seconds=40.0)
    late = dict(anytime([ours, rival], "lightgbm"))
    assert late[30.0] == 0.0 and late[60.0] == late[120.0] > curve[60.0]
    events = [{"at_seconds": 3.0}, {"at_seconds": 31.0}, {"at_seconds": 70.0}]
    assert [standing_at(events, mark) for mark in (2.0, 30.0, 60.0, 300.0)] == [None, *events]
    other = result(task="credit-scoring", metric="auc", private=0.85, budget=120.0)
    plots = write_plots([ours, rival, other], tmp_path / "results.md")
    assert plots[(120.0, 2)] == ["results-normalised-120s-2.svg", "results-anytime-120s-2.svg"]
    assert all((tmp_path / name).read_text().startswith("<svg xmlns=") for name in plots[(120.0, 2)])
    text = page([ours, rival, other], plots=plots)
    assert "![results-anytime-120s-2](results-anytime-120s-2.svg)" in text and "| anytime: normalised score at | 30 s |" in text


def test_a_result_is_not_made_twice_and_a_failure_is_tried_again(tmp_path: Path) -> None:
    store, cell = Store(tmp_path / "results.json"), Cell("house-prices", "house-prices", None, 0)
    store.add({"task": "house-prices", "seed": 0, "budget": 60.0, "slots": 2, "error": "no sandbox"})
    assert not Store(tmp_path / "results.json").has(cell, 60.0, 2)
    store.add(result())
    assert Store(tmp_path / "results.json").has(cell, 60.0, 2)
    assert len(store.results) == 1
    (tmp_path / "odd.json").write_text("{}")
    (tmp_path / "odder.json").write_text('["a"]')
    for name in ("odder.json", "odd.json"):
        with pytest.raises(UsageError, match="holds no results of the benchmark"):
            Store(tmp_path / name)


def test_only_what_changed_is_run_again(tmp_path: Path) -> None:
    store, cell = Store(tmp_path / "results.json"), Cell("house-prices", "house-prices", None, 0)
    theirs = Cell("house-prices", "house-prices", None, 0, "lightgbm")
    made = {"task": "t", "agent": "a"}
    for told in (result(made_of=made, status="ok"), result(agent="lightgbm", status="crash", made_of=made, private=None)):
        store.add(told)

    def has(asked: Cell, *, anew: bool = False, **now: str) -> bool:
        return store.has(asked, 60.0, 2, of=lambda _: {**made, **now}, anew=anew)

    assert has(cell) and has(theirs) and has(cell, anew=True)
    assert not has(cell, task="other") and not has(theirs, task="other")
    assert not has(theirs, agent="a rival's new file")
    assert has(cell, agent="newer code of ours") and not has(cell, agent="newer code of ours", anew=True)
    store.add(result(made_of=made, status="crash", private=None))
    assert has(cell) and not has(cell, agent="newer code of ours"), "a crash of older code is tried again"
    store.add(result())
    assert has(cell, task="any") and not has(cell, anew=True), "older results do not say what they are of"


def test_the_agents_estimate_stands_beside_the_naive_one_on_a_trap() -> None:
    naive = Row("trap-shift", "distribution shift", "auc", Estimate(0.8, 0.6, 0.02), Estimate(0.61, 0.6, 0.02), "forward")
    kept = result(task="trap-shift", metric="auc", private=0.62, honest=0.615)
    text = traps_page([kept], {"trap-shift": naive})
    assert "| trap-shift | distribution shift | auc | 0.800 ± 0.040 | 0.600 | **wrong** | 0.615 ± 0.011 | 0.620 | right |" in text
    assert "Right: naive 0 of 1, the agent 1 of 1." in text
    with pytest.raises(UsageError, match="no trap 'house-prices'; there are: trap-duplicated-groups, "):
        traps(["house-prices"])


def test_how_a_run_went_is_one_line() -> None:
    assert line(result()) == "house-prices seed 0: 0.11"
    assert line(result(private=None, status="crash", reason="no room")) == "house-prices seed 0: None, crash: no room"
    assert line({"task": "a", "seed": 1, "error": "no pip"}) == "a seed 1: not run: no pip"


def test_the_benchmark_runs_us_on_a_folder_and_keeps_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    train, test = (rows(n, first=first, seed=first) for n, first in ((120, 0), (60, 120)))
    folder = write_folder(tmp_path / "tasks" / "plain", train.assign(y=train["size"] * 2 + 1), test, test[["id"]].assign(y=0.0))
    test.assign(y=test["size"] * 2 + 1)[["id", "y"]].to_csv(folder / "solution.csv", index=False)
    words = ["--tasks", "--folders", str(folder.parent), "--budget", "6", "--slots", "1", "--runs", str(tmp_path / "runs"),
             "--data", str(tmp_path / "data"), "--out", str(tmp_path / "results.json")]  # or its page, results.md
    assert main(words) == 0
    (made,) = json.loads((tmp_path / "results.json").read_text())
    assert made["status"] in ("ok", "overrun") and made["metric"] == "rmse" and set(made["made_of"]) == {"task", "agent"}
    with Record(tmp_path / "runs" / "record.db") as record:
        trials = sum(entry.cost_cpu_seconds for entry in record.entries(made["run"]))
    assert made["first_seconds"] > 0 and made["cpu_seconds"] > trials + 1, "the agent, its trials and the sandbox's start"
    after = curve(tmp_path / "runs", made["run"], load_task(folder), folder / "solution.csv", budget=900.0)
    assert [mark for mark, _ in after][-2:] == [300.0, 900.0] and after[-1][1] == made["private"], "the last is what was graded"
    assert "| plain | rmse ↓ |" in (tmp_path / "results.md").read_text()
    written = (tmp_path / "results.json").stat().st_mtime_ns
    assert main(words) == 0 and (tmp_path / "results.json").stat().st_mtime_ns == written
    assert "0 runs of 6 s" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"1 of 1 runs could not be made: no-such-task seed 0: not run: no task 'no-such-task'"):
        main([*words[:-1], str(tmp_path / "other.md"), "--tasks", "no-such-task", "--folders", str(tmp_path / "data")])


def presets(task: str, best: float | None, medium: float | None, **changes: object) -> list[dict]:
    """Two variants of one rival, as they were kept."""
    both = {"task": task, "status": "ok", "cpu_seconds": 40.0, **changes}
    return [result(agent="autogluon-best", private=best, **both), result(agent="autogluon-medium", private=medium, **both)]


def test_the_better_preset_counts_and_we_get_the_time_that_it_took(tmp_path: Path) -> None:
    rows = [
        *presets("a", 0.12, 0.2, seconds=58.0), result(task="a", private=0.11), result(task="a", seed=1, private=0.12),
        *presets("b", 0.2, 0.1, seconds=75.04), result(task="b", private=0.11, curve=[[10.0, 0.4], [30.0, 0.3], [60.0, 0.11]]),
        result(task="b", budget=75.0, beside=60.0, private=0.09), result(task="b", budget=70.0, beside=60.0, private=0.5),
        *presets("c", None, 0.1), result(task="d", private=0.1), *presets("d", None, None),
        result(task="a", agent="lightgbm", private=0.01, cpu_seconds=3.0, status="ok"),
    ]
    ((family, budget, matches),) = families(rows)
    assert (family, budget, [match.task for match in matches]) == ("autogluon", 60.0, ["a", "b"])
    a, b = matches
    assert (a.theirs["private"], a.ours, a.at_wall, a.at_cpu) == (0.12, pytest.approx(0.115), pytest.approx(0.115), None)
    assert (b.theirs["agent"], b.ours, b.at_wall) == ("autogluon-medium", 0.11, 0.09)
    assert b.at_cpu == 0.4, "two processors spend 40 s in 20"
    assert a.lead(a.ours) == pytest.approx(0.005 / 0.004) and b.lead(b.ours) == pytest.approx(-2.5)
    leads = write_leads(rows, tmp_path / "results.md")
    assert leads == {("autogluon", 60.0): "results-autogluon-60s.svg"}
    drawn = (tmp_path / "results-autogluon-60s.svg").read_text()
    assert drawn.startswith("<svg xmlns=") and all(word in drawn for word in (">b<", "+2.5</text>", "+1.3</text>"))
    text = page(rows, leads=leads)
    for row in ("| budget | 1 of 2 | 50% |", "| wall clock | 2 of 2 | 100% |", "| processor seconds | 0 of 1 |"):
        assert row in text
    assert "![Lead by task, same wall clock](results-autogluon-60s.svg)" in text
    assert "## 75 seconds" not in text, "they are no setting of their own"
    assert not list(families([row for row in rows if row.get("agent") != "autogluon-best"])), "one variant has no better one"


def test_we_are_given_the_wall_clock_of_a_late_rival(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, test = (rows(n, first=first, seed=first) for n, first in ((120, 0), (60, 120)))
    for name in ("late", "early"):
        folder = write_folder(tmp_path / "tasks" / name, train.assign(y=train["size"] * 2 + 1), test, test[["id"]].assign(y=0.0))
        test.assign(y=test["size"] * 2 + 1)[["id", "y"]].to_csv(folder / "solution.csv", index=False)
    words = ["--tasks", "--folders", str(tmp_path / "tasks"), "--budget", "3", "--slots", "1", "--runs", str(tmp_path / "runs"),
             "--data", str(tmp_path / "data"), "--out", str(tmp_path / "results.md"), "--as-long-as", "autogluon-best"]
    with pytest.raises(UsageError, match=r"has no run of autogluon-best with a score in 3 s: run them first, with --agent"):
        main(words)
    with pytest.raises(UsageError, match="no agent 'autogloun'; there are: medalist, aide"):
        main([*words[:-1], "autogloun"])
    with pytest.raises(UsageError, match="--as-long-as gives time to us: leave --agent out"):
        main([*words, "--agent", "catboost"])
    store = Store(tmp_path / "results.json")
    named = ["bench", "--mlebench", "--as-long-as", "autogluon-best", "--data", str(tmp_path), "--runs", str(tmp_path)]
    assert medalist(named) == 2 and "is for the catalogue and --folders" in capsys.readouterr().err
    for name, seconds in (("late", 6.234), ("early", 2.0)):
        store.add(result(task=name, budget=3.0, slots=1, agent="autogluon-best", metric="rmse", seconds=seconds,
                         cpu_seconds=seconds, status="overrun"))
    assert medalist(["bench", *words]) == 0
    (made,) = [row for row in json.loads((tmp_path / "results.json").read_text()) if "agent" not in row]
    assert (made["task"], made["budget"], made["beside"]) == ("late", 6.2, 3.0) and made["private"] is not None
    with Record(tmp_path / "runs" / "record.db") as record:
        assert record.run(made["run"]).budget_seconds == 6.2, "it knew how long it had"


@pytest.mark.parametrize("name", bench_tables.NAMES)
def test_generated_tables_are_tasks_with_answers(name: str, tmp_path: Path) -> None:
    folder, answers = bench_tables.write_table(name, tmp_path)
    task = load_task(folder)
    truth, _ = read_answers(task, answers)
    assert (task.id, task.targets) == ("id", ("y",)) and len(truth) == len(read_tables(task).test)
    written = answers.stat().st_mtime_ns
    assert bench_tables.write_table(name, tmp_path) == (folder, answers) and answers.stat().st_mtime_ns == written


def test_a_part_is_left_out_on_a_generated_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ablations.md"
    given = ["--tables", "waveform", "--parts", "racing", "--budget", "6", "--data", str(tmp_path / "data"),
             "--runs", str(tmp_path / "runs"), "--out", str(out)]
    assert ablation(given) == 0
    results = json.loads(out.with_suffix(".json").read_text())
    assert [r["without"] for r in results] == ["nothing", "racing"] and all(r["private"] > 0 for r in results)
    assert "## Generated tables, 6 seconds, 2 processors" in out.read_text() and "| racing |" in out.read_text()
    assert ablation(given) == 0 and json.loads(out.with_suffix(".json").read_text()) == results  # nothing is run twice
    capsys.readouterr()
