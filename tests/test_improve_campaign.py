"""The improvement loop with recorded outcomes: what is accepted, what is caught, what a kill leaves behind."""

import os
import signal
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.improve import pools, vault
from agent.improve.campaign import Campaign, Terms
from agent.improve.evaluator import Arm, GateTask
from agent.improve.evidence import Evidence, Tried
from agent.improve.ledger import FILE, Ledger, LedgerError, Line, proposals, summary
from agent.improve.page import page
from agent.improve.placebos import placebos, rate
from agent.improve.pools import Pools, assert_disjoint, order
from agent.improve.proposers import Context, proposer
from agent.improve.recorded import Recorded
from agent.improve.replay import replay
from agent.improve.watch import comparisons, watch
from agent.llm.scripted import Scripted
from agent.playbook.bundle import PlaybookError
from agent.playbook.store import Store
from leaderboard.record import Record

REFIT = "What is tried first, by kind of task: the recipes"


def tasks(pool: str, families: int, each: int, *, canary: bool = False) -> tuple[GateTask, ...]:
    return tuple(GateTask(f"{pool}-{f}-{k}", f"{pool} family {f}", f"{pool}{f}{k}" * 4, Path("none"), Path("none"), canary)
                 for k in range(each) for f in range(families))


POOLS = Pools(tasks("practice", 4, 2), tasks("gate", 4, 6), tasks("vault", 4, 3), tasks("canary", 1, 2, canary=True))


def evidence() -> Evidence:
    """Eight tasks on which one recipe is far better than the others, and operators of which one wins."""
    rows = [Tried(f"task {t}", "binary" if t % 2 else "regression", model, "basic", (), loss + t / 100, 1.0, 4.0, loss < 0.4,
                  (0.05 if loss < 0.4 else 0.5, 0.04 if loss < 0.4 else 0.5))
            for t in range(24) for model, loss in (("boosters.lightgbm", 0.3), ("linear.regularised", 0.6), ("nets.mlp", 0.5),
                                                   ("forests.extra_trees", 0.55), ("neighbours.knn", 0.7))]
    return Evidence(tuple(rows), (("add_feature", 30, 10), ("crossover", 2, 38), ("seed", 5, 20)),
                    (("add_feature", "tune", 9, 12),))


def campaign(home: Path, effects: dict[str, float] | None = None, **changed: object) -> Campaign:
    options = {"proposers": ("portfolio", "stopping", "priors", "scalar", "macro", "prune")} | changed
    cheats = options.pop("cheats", None)
    return Campaign(Store(home), options.pop("pools", POOLS), Recorded(effects or {}, cheats=cheats),
                    options.pop("gather", evidence), options.pop("terms", Terms()), **options)


def verdicts(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.facts["proposer"], line.facts["verdict"]) for line in proposals(lines)]


def test_a_change_that_helps_is_kept_and_the_next_one_starts_from_it(tmp_path: Path) -> None:
    made = campaign(tmp_path, {REFIT: 0.15})
    before = made.store.current
    line = made.round()
    assert line.facts["verdict"] == "accepted" and line.facts["stage"] == "confirm"
    assert made.store.current == line.facts["child"][:12] != before
    assert made.store.load("current").parent[:12] == before
    following = made.round()
    assert following.facts["parent"] == line.facts["child"]
    assert "1. noise floor" in summary(made.ledger.lines()[0]) and "accepted" in summary(line)


def test_what_is_worth_nothing_is_not_kept_and_no_diff_is_tested_twice(tmp_path: Path) -> None:
    made = campaign(tmp_path)
    before = made.store.current
    lines = [made.round() for _ in range(8)]
    assert made.store.current == before
    assert {line.facts["verdict"] for line in lines if line} == {"rejected"}
    diffs = [line.facts["diff_hash"] for line in lines if line]
    assert len(set(diffs)) == len(diffs)


def test_what_harms_ends_on_the_screen(tmp_path: Path) -> None:
    line = campaign(tmp_path, {REFIT: -0.6}).round()
    assert (line.facts["verdict"], line.facts["stage"], line.facts["confirm"]) == ("rejected", "screen", [])
    assert line.facts["confirmation"] == 0


def test_an_effect_too_small_for_the_gate_is_not_begun(tmp_path: Path) -> None:
    line = campaign(tmp_path, proposers=("scalar",), pools=Pools(POOLS.practice, POOLS.gate[:3], ())).round()
    assert line.facts["stage"] == "noise floor" and "what 3 tasks can tell" in line.facts["reason"]
    assert line.facts["screen"] == []


@pytest.mark.parametrize(("what", "words"), [
    ("perfect", "perfect score"), ("cpu", "spends more CPU"), ("canary", "canary"),
])
def test_a_cheat_in_play_is_caught_by_name(tmp_path: Path, what: str, words: str) -> None:
    made = campaign(tmp_path, {REFIT: 0.15}, cheats={REFIT: what})
    before = made.store.current
    line = made.round()
    assert line.facts["alarm"] and line.facts["reason"].startswith(words)
    assert made.store.current == before


@pytest.mark.parametrize(("path", "text", "words"), [
    ("portfolio.toml", "# good for gate family 2\n", "names a task"),
    ("lessons.toml", f"x = {list(range(60))}\n", "data constant"),
    ("tools/peek.py", "import numpy as np\n\n\ndef peek(train, predict, task):\n    return np.load('/inputs/fold')\n",
     "reads labels"),
    ("run.py", "print()\n", "forbidden file"),
])
def test_a_cheat_in_words_is_caught_by_name(tmp_path: Path, path: str, text: str, words: str) -> None:
    import json

    answers = tmp_path / "answers"
    answers.mkdir()
    said = {"hypothesis": "It helps", "predicted": 0.3, "kinds": [], "path": path, "text": text}
    (answers / "01-playbook.md").write_text(json.dumps(said))
    made = campaign(tmp_path / "home", proposers=("model",), llm=Scripted(answers))
    line = made.round()
    if words == "forbidden file":
        assert line is None
    else:
        assert line.facts["stage"] == "static" and line.facts["reason"].startswith(words) and line.facts["alarm"]


def test_a_model_s_change_goes_through_the_same_gate(tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    (answers / "01-playbook.md").write_text(
        '{"hypothesis": "Longer entries", "predicted": 0.2, "kinds": ["binary"], "path": "allocation.toml", '
        '"text": "share = 0.25\\n"}')
    line = campaign(tmp_path / "home", {"share = 0.25": 0.2}, proposers=("model",), llm=Scripted(answers)).round()
    assert (line.facts["proposer"], line.facts["verdict"]) == ("model", "accepted")
    assert replay(Store(tmp_path / "home"), line.id).same


def test_every_decision_can_be_made_again_bit_for_bit(tmp_path: Path) -> None:
    made = campaign(tmp_path, {REFIT: 0.15}, proposers=("portfolio", "stopping", "priors", "scalar", "macro", "prune", "placebo"))
    lines = [line for _ in range(9) if (line := made.round())]
    list(placebos(made, 2))
    assert len({line.facts["proposer"] for line in lines}) >= 5
    for line in proposals(made.ledger.lines()):
        assert replay(made.store, line.id).same, line.facts["proposer"]


def test_a_verdict_that_was_not_the_gate_s_is_told(tmp_path: Path) -> None:
    made = campaign(tmp_path)
    line = made.round()
    forged = {**line.facts, "verdict": "accepted"}
    made.ledger.append("proposal", forged)
    assert not replay(made.store, line.id + 1).same


def test_placebos_pass_as_often_as_the_level_says(tmp_path: Path) -> None:
    made = campaign(tmp_path)
    list(placebos(made, 40))
    accepted, count = rate(made.ledger.lines())
    assert count == 40 and accepted <= 6
    assert f"{accepted} of 40 accepted" in page(made.store)


def test_the_vault_is_opened_once_for_a_pair_of_versions(tmp_path: Path) -> None:
    made = campaign(tmp_path, {REFIT: 0.15})
    made.round()
    line = vault.release(made)
    assert line.facts["low"] > 0 and line.facts["tasks"] == 12
    assert line.facts["version"] == made.store.current
    with pytest.raises(PlaybookError, match="opened"):
        vault.release(made)
    assert f"`{made.store.current}`" in page(made.store)


def run_killed(home: Path, rounds: int, *, at: int, patched: str) -> bool:
    """Run a campaign in a child that kills itself at its `at`-th call of os.fsync or os.replace. False: it came to its end."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    real: Callable[..., object] = getattr(os, patched)
    calls = 0

    def deadly(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    try:
        setattr(os, patched, deadly)
        made = campaign(home, {REFIT: 0.15})
        while len(proposals(made.ledger.lines())) < rounds:
            made.round()
    finally:
        os._exit(0)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory: what a killed process leaves is the same, and thousands of fsyncs cost nothing."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize(("patched", "step"), [("fsync", 11), ("replace", 1)])
def test_a_kill_anywhere_leaves_the_ledger_that_no_kill_would_have_left(in_memory: Path, patched: str, step: int) -> None:
    undisturbed = campaign(in_memory / "whole", {REFIT: 0.15})
    for _ in range(2):
        undisturbed.round()
    whole, pointer = (in_memory / "whole" / FILE).read_bytes(), undisturbed.store.current
    at, killed = 1, True
    while killed:
        home = in_memory / f"{patched}-{at}"
        killed = run_killed(home, 2, at=at, patched=patched)
        again = campaign(home, {REFIT: 0.15})
        while len(proposals(again.ledger.lines())) < 2:
            again.round()
        again.settle()
        assert (home / FILE).read_bytes() == whole
        assert again.store.current == pointer
        at += step
    assert at > 2


def test_killed_again_and_again_it_still_comes_to_the_same_end(in_memory: Path) -> None:
    undisturbed = campaign(in_memory / "whole", {REFIT: 0.15})
    undisturbed.round()
    times = 0
    while run_killed(in_memory / "often", 1, at=5, patched="fsync"):
        times += 1
    assert times > 5
    assert (in_memory / "often" / FILE).read_bytes() == (in_memory / "whole" / FILE).read_bytes()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_changed_ledger_is_told(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / FILE)
    for k in range(4):
        ledger.append("use", {"was": f"a{k}", "now": f"b{k}", "reason": "é \u2028 by hand"})
    lines = ledger.path.read_bytes().split(b"\n")[:-1]
    how, where = data.draw(st.sampled_from(["edit", "drop", "swap", "twice"])), data.draw(st.integers(0, 2))
    if how == "edit":
        place = data.draw(st.integers(0, len(lines[where]) - 1))
        lines[where] = lines[where][:place] + (b"7" if lines[where][place:place + 1] != b"7" else b"8") + lines[where][place + 1:]
    elif how == "drop":
        del lines[where]
    elif how == "swap":
        lines[where], lines[where + 1] = lines[where + 1], lines[where]
    else:
        lines.insert(where, lines[where])
    ledger.path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises((LedgerError, UnicodeDecodeError)):
        ledger.lines()


def test_a_torn_last_line_does_not_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / FILE)
    first = ledger.append("use", {"now": "a"})
    with ledger.path.open("ab") as file:
        file.write(b'{"id": 2, "ki')
    assert ledger.lines() == [first]
    assert [line.id for line in (ledger.append("use", {"now": "b"}), *ledger.lines())] == [2, 1, 2]


def test_pools_that_share_a_family_or_data_are_refused() -> None:
    assert_disjoint(POOLS)
    with pytest.raises(PlaybookError, match="family gate family 0 lies in the pools gate and vault"):
        assert_disjoint(Pools(POOLS.practice, POOLS.gate, POOLS.gate[:1]))
    moved = GateTask("x", "another", POOLS.gate[0].data, Path("none"), Path("none"))
    with pytest.raises(PlaybookError, match="data"):
        assert_disjoint(Pools((moved,), POOLS.gate, ()))


@pytest.mark.parametrize("opened", [0, 1, 2])
def test_the_stated_pools_share_no_family_and_give_the_gate_its_power(opened: int) -> None:
    stated = pools.families(opened)
    names = [name for _, families in stated.values() for name in families]
    assert len(names) == len(set(names))
    count, families = stated["gate"]
    assert count * len(families) >= 48


def test_a_vault_that_was_opened_is_practice_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    made = campaign(tmp_path, {REFIT: 0.15})
    made.round()
    assert vault.opened(made.ledger.lines()) == 0
    vault.release(made, seeds=1)
    assert vault.opened(made.ledger.lines()) == 1
    before, after = pools.families(0), pools.families(1)
    assert set(before["vault"][1]) <= set(after["practice"][1]) and not set(before["vault"][1]) & set(after["vault"][1])
    made.pools = replace(made.pools, vault=())
    with pytest.raises(PlaybookError, match=r"tasks/pools\.toml"):
        vault.release(made)


def test_any_first_part_of_a_confirmation_is_spread_over_the_families() -> None:
    for seed in range(5):
        assert len({task.family for task in order(POOLS.gate, seed)[:4]}) == 4
    assert order(POOLS.gate, 1) != order(POOLS.gate, 2)


def test_a_version_that_keeps_losing_in_real_runs_is_rolled_back(tmp_path: Path) -> None:
    made = campaign(tmp_path / "home", {REFIT: 0.15})
    before, line = made.store.current, made.round()
    with Record(tmp_path / "record.db") as record:
        for number in range(14):
            for name, score in (("parent", 0.9), ("child", 0.8)):
                record.start_run(f"{name} {number}", task=f"t{number % 3}", folder="", budget_seconds=60, seed=0, metric="auc",
                                 greater_is_better=True, settings={"playbook": line.facts[name]})
                record.finish_run(f"{name} {number}", status="finished", summary={"honest": score})
        losses = comparisons(record.runs(), line.facts["child"], line.facts["parent"])
    assert losses == [True] * 14
    rolled = watch(made.store, tmp_path / "record.db")
    assert rolled is not None and rolled.kind == "rollback" and made.store.current == before
    assert watch(made.store, tmp_path / "record.db") is None


def test_a_result_far_better_than_a_version_that_knows_little_is_no_alarm(tmp_path: Path) -> None:
    """What the version made by hand, or practice, did as well is plausible; a result that all are far from is not."""
    class Knowing(Recorded):
        def play(self, version: Path, task: GateTask, *, seed: int, cpu_seconds: float) -> Arm:
            found = super().play(version, task, seed=seed, cpu_seconds=cpu_seconds)
            if task.canary:
                return found
            if cpu_seconds > Terms().cpu_seconds:
                return replace(found, loss=0.11 if task in POOLS.gate else by_hand)
            return replace(found, loss=0.1 if "candidates" in str(version) else 0.9)

    practised = Evidence(tuple(replace(evidence().tried[0], task=task.name, loss=0.12) for task in POOLS.practice))
    for by_hand, more, alarm in ((0.11, Evidence(), False), (0.8, Evidence(), True), (0.8, practised, False)):
        known = replace(evidence(), tried=(*evidence().tried, *more.tried))
        made = campaign(tmp_path / f"{by_hand} {len(more.tried)}", {REFIT: 0.15}, gather=lambda known=known: known)
        made.evaluator = Knowing({})
        line = made.round()
        assert line.facts["alarm"] is alarm, line.facts["reason"]


def test_texts_have_an_opening_of_their_own() -> None:
    """What was learned on tables opens no task with texts; where few of those were seen, nothing opens them."""
    seen = evidence()
    few = tuple(replace(row, texts=int(row.task.split()[1]) < 2) for row in seen.tried)
    many = tuple(replace(row, texts=int(row.task.split()[1]) < 12) for row in seen.tried)
    for rows, opened in ((few, False), (many, True)):
        made = proposer("portfolio").propose(Context(Store().load("zero"), replace(seen, tried=rows), np.random.default_rng(0)))
        first, *others = tomllib.loads(made.changes["portfolio.toml"])["opening"]
        assert first["scope"] == {"has": ["text"]} and bool(first["members"]) is opened
        assert all("has" not in other["scope"] and other["members"] for other in others)


def test_a_proposal_of_other_code_is_judged_again_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = campaign(tmp_path, {REFIT: 0.15})
    line = made.round()
    whole = replay(made.store, line.id)
    assert whole.same and not whole.note and "child" in [name for name, _, _ in whole.parts]
    monkeypatch.setattr("agent.improve.replay.proposing", lambda: "other")
    part = replay(made.store, line.id)
    assert part.same and "changed since" in part.note and [name for name, _, _ in part.parts] == ["verdict", "reason"]
