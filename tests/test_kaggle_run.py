"""A competition from download to medal, through the real command line, the real sandbox and a real host."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hosts import Server, running
from kaggle_faults import faulty

from agent.envoy import Envoy
from agent.view import Quiet
from leaderboard.host import accounts, admin
from leaderboard.host.home import open_home
from leaderboard.kaggle import Kaggle
from leaderboard.kaggle.environment import kaggle_environment
from leaderboard.locks import is_held
from leaderboard.record import Record
from leaderboard.submissions import calibration, sent
from tasks import catalogue

PROJECT = Path(__file__).resolve().parents[1]
SLUG, AGAIN, KILLED = "house-prices", "house-prices-again", "house-prices-killed"
TWICE, ORPHAN, NOTEBOOKS = "house-prices-twice", "house-prices-orphan", "house-prices-notebooks"
RIVALS = 11
BUDGET = 15


@dataclass(frozen=True)
class Desk:
    """Where a user sits: a host with the competition, a folder to work in, a `medalist` to call."""

    server: Server
    place: Path

    def environment(self) -> dict[str, str]:
        return {**self.server.environment("alice"), "PYTHONPATH": str(PROJECT)}

    def medalist(self, *arguments: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run([sys.executable, "-m", "agent.cli", *map(str, arguments)], cwd=self.place, text=True,
                              capture_output=True, env=self.environment(), check=False)
        assert not check or done.returncode == 0, done.stderr[-3000:]
        return done

    def begin(self, *arguments: object, via: str | None = None) -> "subprocess.Popen[str]":
        """Start a command. `via`: another URL to reach the host by."""
        environment = {**self.environment(), **self.server.environment("alice", via=via)}
        return subprocess.Popen([sys.executable, "-m", "agent.cli", *map(str, arguments)], cwd=self.place, text=True,
                                stdout=subprocess.PIPE, env=environment)

    def kill_once(self, happened: Callable[[], Any], *arguments: object) -> Any:
        """Start a command and `kill -9` it as soon as that has happened; what `happened` gave then."""
        with subprocess.Popen([sys.executable, "-m", "agent.cli", *map(str, arguments)], cwd=self.place,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment()) as process:
            while not (found := happened()):
                assert process.poll() is None, "it ended before that happened"
                time.sleep(0.02)
            process.kill()
        return found

    def listed(self, slug: str) -> list[str]:
        """The messages of all submissions that the host has."""
        return [row["description"] for row in self.server.client("alice").submissions(slug=slug)]

    def record(self) -> Record:
        return Record(self.place / "runs" / "record.db")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Desk]:
    """The catalogue's house prices as a competition with rivals who are all worse than a constant."""
    folder = tmp_path_factory.mktemp("host")
    built, home = catalogue.prepare(SLUG, folder / "data", cache), open_home(folder / "home")
    rivals = pd.DataFrame({"name": [f"rival {k}" for k in range(RIVALS)]})
    rivals.assign(settings="", budget="none", public=9.0, private=9.0).to_csv(folder / "field.csv", index=False)
    admin.create(home, built / "public", built / "private" / "answers.csv", slug=SLUG, field=folder / "field.csv")
    for slug in (others := (AGAIN, KILLED, TWICE, ORPHAN, NOTEBOOKS)):
        admin.create(home, built / "public", built / "private" / "answers.csv", slug=slug,
                     rules=admin.Rules(notebooks_only=slug == NOTEBOOKS))
    accounts.add_user(home, "alice")
    for slug in (SLUG, *others):
        admin.accept_rules(home, slug, "alice")
    with running(home, folder) as server:
        yield Desk(server, tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def made(desk: Desk) -> dict:
    """`make compete TASK=kaggle:house-prices`, as the README says it, in an environment that is set up already."""
    bin = desk.place / "venv" / "bin"
    bin.mkdir(parents=True)
    (bin / "medalist").write_text(f'#!/bin/sh\nexec {sys.executable} -m agent.cli "$@"\n')
    (bin / "medalist").chmod(0o755)
    (bin.parent / ".ready").touch()
    where = f"--json --data {desk.place / 'data'} --runs {desk.place / 'runs'}"
    done = subprocess.run(["make", "-s", "compete", f"TASK=kaggle:{SLUG}", f"BUDGET={BUDGET}", f"VENV={bin.parent}",
                           f"ARGS={where}"], cwd=PROJECT, env=desk.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def killed(made: dict, desk: Desk) -> str:
    """A run in the same data that was to submit, killed when it had little more than the constant."""
    def blended() -> str | None:
        with desk.record() as record:
            for known in record.runs(KILLED):
                if record.events(known.run, "ensemble") and (Path(known.folder) / "blend.json").is_file():
                    return known.run
        return None

    return desk.kill_once(blended, "compete", f"kaggle:{KILLED}", "--submit", "--budget", 300)


def test_one_command_goes_from_download_to_medal(made: dict) -> None:
    submission = made["submission"]
    assert submission["status"] == "COMPLETE"
    assert submission["public"] == made["public"] < 1
    assert (submission["rank"], submission["teams"], submission["medal"]) == (1, RIVALS + 1, "gold")
    assert submission["remaining"] == 4


def test_the_pages_became_the_task(made: dict, desk: Desk) -> None:
    assert made["metric"] == "rmsle"
    assert "Evaluation" in (desk.place / "data" / "kaggle" / SLUG / "description.md").read_text()


def test_the_run_is_named_in_the_message_and_the_record_has_the_score(made: dict, desk: Desk) -> None:
    listed = desk.server.kaggle("alice", "competitions", "submissions", SLUG, "-v").stdout
    assert made["run"] in listed
    with desk.record() as record:
        (known,) = sent(record)
        (row,) = calibration(record)
        assert record.scores(made["run"])["public"] == known.public == row.public
        assert record.run(made["run"]).summary["public"] == known.public
        assert record.events(made["run"], "standing")[0]["remaining"] == 4
    assert (row.task, row.honest, row.private) == (SLUG, made["honest"], None)


def test_the_same_file_is_not_submitted_again(made: dict, desk: Desk) -> None:
    again = json.loads(desk.medalist("submit", "--json").stdout)
    assert again["ref"] == made["submission"]["ref"]
    assert len(json.loads(desk.medalist("sync", "--json").stdout)[0]["rows"]) == 1


def test_no_credential_is_in_what_a_trial_is_given(made: dict, desk: Desk) -> None:
    secrets = [value.encode() for name, value in desk.environment().items() if name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN")]
    files = [path for part in ("data", "runs") for path in (desk.place / part).rglob("*") if path.is_file()]
    assert secrets and files
    assert not [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


def test_a_long_run_keeps_the_day_s_last_submission_for_its_end(killed: str, desk: Desk) -> None:
    with desk.record() as record:
        entry = record.entries(killed)[0]
    lines: list[str] = []
    for a_day in (1, 2):
        with Kaggle(AGAIN, kaggle_environment(desk.environment())) as kaggle:
            envoy = Envoy(Quiet(), kaggle, desk.place / "runs" / "record.db", a_day=a_day, say=lines.append, every_seconds=0)
            envoy.start(None, {}, 1.0)
            envoy.entry(entry, None)
            envoy.ensemble(1.0, 1.0, {})
            envoy.close()
    assert "1 kept for the end" in lines[0]
    assert "public score" in lines[1]


def test_a_worse_run_is_not_worth_a_submission(killed: str, desk: Desk) -> None:
    refused = desk.medalist("submit", killed, "--competition", SLUG, check=False)
    assert refused.returncode == 2
    assert "noise" in refused.stderr or "same file" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_is_refused_before_it_is_sent_is_no_submission(killed: str, desk: Desk) -> None:
    refused = desk.medalist("submit", killed, "--competition", NOTEBOOKS, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1) and "notebooks only" in refused.stderr
    with desk.record() as record:
        assert sent(record, slug=NOTEBOOKS) == []


def test_what_the_user_allows_a_day_is_kept(killed: str, desk: Desk) -> None:
    refused = desk.medalist("submit", killed, "--competition", SLUG, "--anyway", "--submissions-per-day", 1, check=False)
    assert refused.returncode == 2
    assert "--submissions-per-day" in refused.stderr or "same file" in refused.stderr


def test_a_killed_run_is_resumed_to_its_submission_and_killed_again_makes_no_second_one(killed: str, desk: Desk) -> None:
    assert desk.listed(KILLED) == []
    desk.kill_once(lambda: desk.listed(KILLED), "resume", killed, "--budget", 1)
    with desk.record() as record:
        assert [known.ref for known in sent(record, slug=KILLED)] == [None], "it was killed before it heard of it"
    ended = json.loads(desk.medalist("resume", "--budget", 1, "--json").stdout)
    assert ended["run"] == killed and ended["public"] is not None
    (message,) = desk.listed(KILLED)
    assert killed in message
    with desk.record() as record:
        (known,) = sent(record, slug=KILLED)
    assert (known.ref, known.public) == (ended["submission"]["ref"], ended["public"])


def test_finals_are_marked_and_after_the_deadline_private_scores_come_into_the_record(made: dict, desk: Desk) -> None:
    choice = json.loads(desk.medalist("select", SLUG, "--json").stdout)
    assert choice["chosen"] == choice["marked"] == [made["submission"]["ref"]]
    assert any("honest" in line for line in choice["why"])
    admin.finalise(desk.server.home, SLUG)
    (synced,) = json.loads(desk.medalist("sync", SLUG, "--json").stdout)
    assert (synced["final"], synced["rank"], synced["medal"]) == (True, 1, "gold")
    with desk.record() as record:
        row = calibration(record)[0]
    assert row.private is not None


def test_two_processes_that_submit_at_once_make_one_submission(killed: str, desk: Desk) -> None:
    both = [desk.begin("submit", killed, "--competition", TWICE, "--json") for _ in range(2)]
    told = [json.loads(one.communicate()[0]) for one in both]
    assert told[0]["ref"] == told[1]["ref"] and told[0]["public"] == told[1]["public"] is not None
    assert len(desk.listed(TWICE)) == 1


def test_an_upload_that_outlives_its_killed_process_is_waited_for(killed: str, desk: Desk) -> None:
    arguments = ("submit", killed, "--competition", ORPHAN, "--json")
    with faulty(desk.server.url) as faults:
        faults.plan["CreateSubmission"] = [passed_on := threading.Event()]
        first = desk.begin(*arguments, via=faults.url)
        until(lambda: "CreateSubmission" in faults.seen, first)
        first.kill()
        first.communicate()
        assert is_held(desk.place / "runs" / f".submitting-{ORPHAN}"), "the command line that it left holds the lock"
        second = desk.begin(*arguments)
        until(lambda: opened(second.pid, f".submitting-{ORPHAN}"), second)
        passed_on.set()
        told = json.loads(second.communicate()[0])
    assert told["public"] is not None
    assert len(desk.listed(ORPHAN)) == 1


def until(happened: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not happened():
        assert process.poll() is None, "it ended before that happened"
        time.sleep(0.02)


def opened(process: int, name: str) -> bool:
    """Has the process a file of that name open?"""
    links = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(entry.readlink().name)
    return name in links
