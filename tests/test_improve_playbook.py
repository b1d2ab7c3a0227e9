"""The playbook's versions: what a name promises, what the search does with one, and the pointer."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.operators import Parent
from agent.playbook.bundle import PlaybookError, difference, head, made, read, write
from agent.playbook.policy import BY_HAND, policy_of
from agent.playbook.store import VERSION_0, Store
from agent.playbook.tools import kit_of
from agent.portfolio import opening
from agent.proposers.embedded import Embedded
from agent.run import KIT
from agent.solution import Recipe, render
from agent.traits import Traits

Command = Callable[..., "CompletedProcess[str]"]
TRAITS = Traits("binary", "auc", 3000, 2, 8, 4, 0, 1, 0, 60, False, False)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40)


def version(**texts: str) -> object:
    return made({"bundle.toml": head(parent="", epoch="")} | {f"{name}.toml": text for name, text in texts.items()})


def test_version_0_is_what_it_was() -> None:
    assert Store().load("zero").hash == "af73498fb8675a18a3ddf32668934a7458be7b1b80abb823c533e2cb24533e0b"
    assert Store().load("zero").short == VERSION_0


def test_version_0_has_no_favourite() -> None:
    policy = policy_of(Store().load("zero"))
    first = [policy.portfolio.moves(TRAITS, seed)[0][0].model for seed in range(300)]
    counts = np.unique(first, return_counts=True)[1]
    assert len(counts) == len({recipe.model for recipe, _ in opening(TRAITS)})
    assert counts.max() < 3 * counts.min()
    assert not policy.priors and not policy.learns


def test_the_shipped_version_plays_as_the_code_does_without_one() -> None:
    line = [bundle.short for bundle in Store().line("current")]
    assert line[-1] == VERSION_0
    assert policy_of(Store().load(line[-2])) == BY_HAND


@given(WORDS, WORDS)
def test_a_version_reads_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, one: str, two: str) -> None:
    place = tmp_path_factory.mktemp("v")
    bundle = made({"bundle.toml": head(parent="", epoch="x"), "lessons.toml": one, "prompts/draft.jinja": two})
    assert read(write(bundle, place)) == bundle


@given(st.dictionaries(st.sampled_from(["lessons.toml", "tools/a.py", "stopping.toml"]), WORDS))
def test_equal_text_has_an_equal_name_and_other_text_another(texts: dict[str, str]) -> None:
    bundle = made({"bundle.toml": head(parent="", epoch="")} | texts)
    again = made(dict(reversed({"bundle.toml": head(parent="", epoch="")} .items())) | texts)
    assert again.hash == bundle.hash
    assert bundle.child({"lessons.toml": "other = 1"}, epoch="").hash != bundle.hash


def test_an_edited_version_is_refused(tmp_path: Path) -> None:
    place = write(Store().load("zero"), tmp_path)
    (place / "stopping.toml").write_text("peer = [0.0, 0.0]\n")
    with pytest.raises(PlaybookError, match="was changed"):
        read(place)


def test_a_child_knows_its_parent_and_what_changed() -> None:
    parent = Store().load("current")
    child = parent.child({"stopping.toml": "peer = [0.1, 0.2]"}, epoch="e")
    assert (child.parent, child.epoch) == (parent.hash, "e")
    assert "+peer = [0.1, 0.2]" in difference(parent, child)
    assert difference(parent, parent.child({}, epoch="f")) == ""


@pytest.mark.parametrize(("name", "text", "words"), [
    ("portfolio", 'otherwise = "best"', "none of 'by hand'"),
    ("portfolio", '[[opening]]\nscope = {colour = 1}\nmembers = []', "colour"),
    ("allocation", "shares = 1", "shares"),
    ("allocation", 'share = "much"', "cannot be read"),
    ("stopping", "peer = 3", "cannot be read"),
    ("operators", "= 3", "no TOML"),
])
def test_what_no_playbook_can_say_is_one_clear_line(name: str, text: str, words: str) -> None:
    with pytest.raises(PlaybookError, match=words):
        policy_of(version(**{name: text}))


def test_an_opening_in_scope_comes_first_and_models_out_of_use_never() -> None:
    text = """without = ["nets.tabm"]
[[opening]]
scope = { kinds = ["regression"] }
members = [{ model = "linear.regularised", blocks = "basic" }]
[[opening]]
scope = { kinds = ["binary"] }
members = [{ model = "nets.mlp", blocks = "rich", params = { width = 64 } }, { model = "images.convnet" }]
"""
    moves = policy_of(version(portfolio=text)).portfolio.moves(TRAITS, 0)
    assert (moves[0][0].model, moves[0][0].params) == ("nets.mlp", {"width": 64})
    assert not {"images.convnet", "nets.tabm"} & {recipe.model for recipe, _ in moves}
    assert len(moves) >= len(opening(TRAITS)) - 1


def test_a_macro_is_an_operator_and_an_unused_one_is_none() -> None:
    text = 'unused = ["seed"]\n[macros]\nwiden = ["add_feature", "add_feature"]\n[priors]\nwiden = {wins = 30, losses = 1}'
    policy = policy_of(version(operators=text))
    proposer = Embedded(TRAITS, seed=0, greater_is_better=True, policy=policy)
    assert "widen" in proposer.arms and "seed" not in proposer.arms
    wins, losses = proposer.bandit.beliefs["widen"]
    assert wins > 3 * losses


def test_the_pointer_moves_there_and_back(tmp_path: Path, medalist: Command) -> None:
    before = Store().current
    assert medalist("playbook", "--home", tmp_path, "use", "zero").returncode == 0
    assert Store(tmp_path).current == VERSION_0
    assert "nothing before it" in medalist("playbook", "--home", tmp_path, "rollback").stderr
    assert json.loads(medalist("playbook", "--home", tmp_path, "--json", "use", before).stdout)["in use"] == before
    medalist("playbook", "--home", tmp_path, "rollback")
    assert Store(tmp_path).current == Store().load(before).parent[:12]
    assert Store().current == before


def test_an_unknown_version_is_one_line(medalist: Command) -> None:
    done = medalist("compete", "nowhere-at-all", "--playbook", "abc")
    assert done.returncode == 2 and "\n" not in done.stderr.strip()
    assert "no playbook 'abc'" in medalist("playbook", "show", "abc").stderr


def test_a_plan_follows_the_playbook(tmp_path: Path, medalist: Command) -> None:
    from tests.folders import folder_with_target

    folder = folder_with_target(tmp_path / "task", np.arange(60) % 2)
    plans = [json.loads(medalist("compete", folder, "--plan", "--json", "--playbook", name).stdout)
             for name in ("zero", "current")]
    assert plans[0]["portfolio"] != plans[1]["portfolio"]
    assert plans[0]["playbook"] == VERSION_0


def test_a_tool_of_a_version_joins_the_kit_and_the_operators(tmp_path: Path) -> None:
    texts = {"tools/extra.py": "def twice(train, predict, task):\n    return train, predict\n",
             "tools/clock.py": "never = 1\n",
             "operators.toml": 'tools = [{ block = "extra.twice", has = ["numeric"] }]\n'}
    bundle = made({"bundle.toml": head(parent="", epoch="")} | texts)
    kit = kit_of(KIT, write(bundle, tmp_path), tmp_path / "run")
    assert (kit / "extra.py").read_text() == texts["tools/extra.py"]
    assert (kit / "clock.py").read_text() == (KIT / "clock.py").read_text()
    assert kit_of(KIT, Store().folder("current"), tmp_path / "other") == KIT
    proposer = Embedded(TRAITS, seed=0, greater_is_better=True, policy=policy_of(bundle))
    parent = Parent(SimpleNamespace(number=4), Recipe("boosters.lightgbm"))
    move = proposer._move(("add_tool",), [parent])
    assert "train, predict = extra.twice(train, predict, task)" in render(move.recipe, move.hypothesis)
    assert "add_tool" not in Embedded(TRAITS, seed=0, greater_is_better=True).arms
