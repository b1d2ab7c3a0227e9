"""`medalist host` as its owner types it: a competition of a folder, users, the clock, the end; and what is left behind."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import add_competition, competition_home, content, running, task_folder

from leaderboard.host import admin, clock

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def owner(medalist: Command, tmp_path: Path) -> Command:
    """`medalist host`, as its owner types it."""
    return lambda *arguments: medalist("host", *arguments, "--home", tmp_path / "host")


def test_a_folder_becomes_a_competition_that_a_shell_can_enter_and_its_owner_ends(tmp_path: Path, owner: Command) -> None:
    task_folder(tmp_path / "my_task")
    (tmp_path / "my_task" / "field.csv").write_text("name,settings,budget,private,public\nlinear,,,0.7,0.6\n")
    task_folder(tmp_path / "another")
    folders = (str(tmp_path / "my_task"), str(tmp_path / "another"))
    made, another = map(json.loads, owner("create", *folders, "--days", "2", "--json").stdout.splitlines())
    assert another["slug"] == "another"
    assert (made["slug"], made["metric"]) == ("my-task", "rmse")
    assert json.loads(owner("users", "alice", "--json").stdout) == [{"user": "alice"}]
    assert "as team 'Die Ersten'" in owner("accept-rules", "my-task", "alice", "--team", "Die Ersten").stdout
    printed = owner("env").stdout
    shell = subprocess.run(["sh", "-c", f"{printed}\nenv"], capture_output=True, text=True, check=True,
                           env={"PATH": os.environ["PATH"]})
    assert {"KAGGLE_API_ENVIRONMENT=LOCALHOST", "KAGGLE_USERNAME=alice", "https_proxy=http://127.0.0.1:9"} <= set(
        shell.stdout.splitlines())
    before = json.loads(owner("clock", "--json").stdout)["now"]
    after = json.loads(owner("clock", "--ahead", "86400", "--json").stdout)["now"]
    assert 86400 <= clock.seconds_of(after) - clock.seconds_of(before) < 86400 + 600
    (final,) = json.loads(owner("finalise", "my-task", "--json").stdout)
    assert (final["place"], final["name"], final["score"]) == (1, "linear", 0.7)


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, owner: Command) -> None:
    task_folder(tmp_path / "task")
    for arguments, words in (
        (["create", "no-such-task"], "no task 'no-such-task'"), (["create", "a", "b", "--slug", "c"], "--slug, --answers and"),
        (["create", str(tmp_path / "task"), "--days", "1e9"], "say fewer --days"), (["env", "nobody"], "no user 'nobody'"),
        (["--port", "99999"], "a port is a number"), (["--database", "mysql://x/y"], "SQLite or PostgreSQL, not mysql"),
        (["finalise", "nothing"], "no competition 'nothing'"), (["clock", "--to", "soon"], "'soon' is no date"),
        (["clock", "--ahead", "nan"], "from 1970 to 9998"),
    ):
        done = owner(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr and done.stderr.count("\n") == 1


def test_the_shell_lines_know_whether_the_host_runs(tmp_path: Path, owner: Command) -> None:
    home = competition_home(tmp_path)
    with running(home, tmp_path) as server:
        assert "# the host runs\nexport KAGGLE_API_ENVIRONMENT" in owner("env", "alice").stdout
        assert f"http_proxy={server.url}" in owner("env", "alice").stdout
    assert not home.address.exists(), "stopped in good order"
    with running(home, tmp_path) as server:
        server.kill()
    assert owner("env", "alice").stdout.startswith("# the host is not running: medalist host\n")
    home.store.close()


def test_what_nobody_submitted_is_removed_after_a_day(tmp_path: Path) -> None:
    home = competition_home(tmp_path)
    other = add_competition(home, tmp_path, "other")
    with running(home, tmp_path) as server:
        alice = server.client("alice")
        alice.submit(content(), "kept", slug=other)
        server.scores("alice", other)
        token = alice.upload(content(), slug=other)
        assert len(list(home.uploads.iterdir())) == 2
    admin.set_clock(home, ahead=2 * clock.DAY)
    with running(home, tmp_path) as server:
        assert len(list(home.uploads.iterdir())) == 1
        assert server.client("alice").call("CreateSubmission", competitionName=other, blobFileTokens=token)[0] == 400
        assert [row["description"] for row in server.scores("alice", other)] == ["kept"]
    home.store.close()
