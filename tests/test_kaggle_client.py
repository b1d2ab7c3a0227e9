"""The client against a real host, through the real command line, and against everything that goes wrong on the way."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hosts import NEXT_CLIENT, SLUG, Server, competition_home, running, submission_file, task_folder
from kaggle_faults import Faults, faulty

from agent.finals import Candidate, Choice
from agent.kaggle_finals import mark
from leaderboard.host import admin
from leaderboard.kaggle import Kaggle, KaggleError, Seconds
from leaderboard.kaggle.environment import kaggle_environment
from leaderboard.kaggle.failures import until_reset
from leaderboard.kaggle.folder import facts, fetch
from leaderboard.submissions import Sent
from tasks.spec import load_task

PATIENT = Seconds(question=300, submit=300, download=300, score=300)
ONCE, NOTEBOOKS, CLOSED_TO_US = "once-a-day", "notebooks-only", "not-entered"


@dataclass(frozen=True)
class Field:
    """A host, a proxy before it that goes wrong on demand, and a valid submission."""

    server: Server
    faults: Faults
    file: Path
    stack: ExitStack
    open: dict[str, Kaggle]

    def kaggle(self, slug: str = SLUG, *, seconds: Seconds = PATIENT, **environment: str) -> Kaggle:
        """A client of its own where an environment is given, else the one that there is."""
        known = {**self.server.environment("alice", via=self.faults.url), **environment}
        if environment or seconds != PATIENT or slug not in self.open:
            made = self.stack.enter_context(Kaggle(slug, kaggle_environment(known), seconds=seconds))
            return made if environment or seconds != PATIENT else self.open.setdefault(slug, made)
        return self.open[slug]


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    folder = tmp_path_factory.mktemp("kaggle")
    home = competition_home(folder, users=("alice",), rules=admin.Rules(daily_limit=50))
    public, answers = task_folder(folder / "more")
    for slug, rules in ((ONCE, admin.Rules(daily_limit=1)), (NOTEBOOKS, admin.Rules(notebooks_only=True)),
                        (CLOSED_TO_US, admin.Rules())):
        admin.create(home, public, answers, slug=slug, rules=rules)
        if slug != CLOSED_TO_US:
            admin.accept_rules(home, slug, "alice")
    with running(home, folder) as server, faulty(server.url) as faults, ExitStack() as stack:
        yield Field(server, faults, submission_file(folder / "submission.csv"), stack, {})


def failure(kaggle: Kaggle, file: Path, tag: str = "tag") -> KaggleError:
    with pytest.raises(KaggleError) as caught:
        kaggle.submit(file, tag=tag)
    assert file.is_file()
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_download_becomes_a_folder_that_can_be_competed_in(field: Field, tmp_path: Path) -> None:
    folder = fetch(field.kaggle(), tmp_path / SLUG, tmp_path / "zips")
    task = load_task(folder)
    assert (task.name, task.metric, task.targets) == (SLUG, "rmse", ("y",))
    assert "root mean squared error" in (folder / "description.md").read_text()
    assert (folder / "extra" / "deep er" / "notes with space.txt").read_text() == "x\n" * 10
    assert facts(folder)["rules_accepted"] is True
    assert facts(folder)["slug"] == SLUG


def test_a_download_that_breaks_off_goes_on(field: Field, tmp_path: Path) -> None:
    field.faults.plan["GET"] = ["cut"]
    folder = fetch(field.kaggle(), tmp_path / SLUG, tmp_path / "zips")
    assert (folder / "train.csv").is_file()
    assert field.faults.seen[-2:] == ["GET", "GET"]


def test_what_the_user_wrote_into_task_toml_survives_a_new_download(field: Field, tmp_path: Path) -> None:
    folder = fetch(field.kaggle(), tmp_path / SLUG, tmp_path / "zips")
    shutil.rmtree(tmp_path / "zips")
    (folder / "train.csv").unlink()
    (folder / "task.toml").write_text('metric = "mae"\n')
    fetch(field.kaggle(), folder, tmp_path / "zips")
    assert (folder / "train.csv").is_file()
    assert load_task(folder).metric == "mae"


def test_a_submission_is_scored_and_is_never_sent_twice(field: Field) -> None:
    kaggle = field.kaggle()
    made = kaggle.submit(field.file, tag="run-1/abc", note="è honest 1.0")
    found = kaggle.scored(made.ref)
    assert (found.status, found.public, found.private) == ("COMPLETE", 1.0, None)
    assert found.description == "run-1/abc è honest 1.0"
    field.faults.seen.clear()
    assert kaggle.submit(field.file, tag="run-1/abc").ref == made.ref
    assert "CreateSubmission" not in field.faults.seen


def test_the_client_after_the_pinned_one_is_spoken_to_alike(field: Field) -> None:
    if not NEXT_CLIENT.is_dir():
        pytest.skip(f"no {NEXT_CLIENT}: `make test` installs it")
    environment = {**field.server.environment("alice", via=field.faults.url), "PYTHONPATH": str(NEXT_CLIENT)}
    with Kaggle(SLUG, environment, seconds=PATIENT) as kaggle:
        field.faults.plan["PUT"] = [403, 403]
        assert failure(kaggle, field.file, "run-next/abc").kind == "upload"
        field.faults.plan["CreateSubmission"] = ["lose answer"]
        made = kaggle.submit(field.file, tag="run-next/abc")
        assert kaggle.scored(made.ref).public == 1.0
        assert [known.ref for known in kaggle.submissions() if known.description == "run-next/abc"] == [made.ref]


def test_an_answer_that_is_lost_after_the_upload_makes_no_duplicate(field: Field) -> None:
    kaggle, before = field.kaggle(), len(field.kaggle().submissions())
    field.faults.plan["CreateSubmission"] = ["lose answer"]
    made = kaggle.submit(field.file, tag="run-2/abc")
    assert made.description == "run-2/abc"
    assert len(kaggle.submissions()) == before + 1


def test_a_question_that_never_arrived_is_asked_once_more(field: Field) -> None:
    kaggle, before = field.kaggle(), len(field.kaggle().submissions())
    field.faults.plan["CreateSubmission"] = ["lose question"]
    assert kaggle.submit(field.file, tag="run-3/abc").description == "run-3/abc"
    assert len(kaggle.submissions()) == before + 1


def test_an_upload_that_fails_is_told_though_the_command_line_exits_0(field: Field) -> None:
    field.faults.plan["PUT"] = [403, 403]
    field.faults.seen.clear()
    assert failure(field.kaggle(), field.file, "run-5/abc").kind == "upload"
    assert "CreateSubmission" not in field.faults.seen


def test_rules_that_are_not_accepted(field: Field, tmp_path: Path) -> None:
    error = failure(field.kaggle(CLOSED_TO_US), field.file)
    assert error.kind == "rules"
    assert f"`medalist host accept-rules {CLOSED_TO_US} USER`" in str(error)
    assert f"https://www.kaggle.com/competitions/{CLOSED_TO_US}/rules" in str(KaggleError("rules", CLOSED_TO_US))
    with pytest.raises(KaggleError, match="rules"):
        fetch(field.kaggle(CLOSED_TO_US), tmp_path / "x", tmp_path)


def test_a_wrong_key_and_no_key(field: Field) -> None:
    wrong = failure(field.kaggle(KAGGLE_KEY="f" * 32, KAGGLE_API_TOKEN=""), field.file)
    assert (wrong.kind, "medalist host env" in str(wrong)) == ("key", True)
    assert "KAGGLE_KEY" in str(KaggleError("key", SLUG))
    bare = {name: value for name, value in field.server.environment("alice").items()
            if name not in ("KAGGLE_KEY", "KAGGLE_USERNAME", "KAGGLE_API_TOKEN")}
    with Kaggle(SLUG, kaggle_environment(bare)) as stranger:
        assert failure(stranger, field.file).kind == "no_key"


def test_the_daily_limit(field: Field) -> None:
    kaggle = field.kaggle(ONCE)
    kaggle.submit(field.file, tag="run-6/abc")
    error = failure(kaggle, field.file, "run-7/abc")
    assert error.kind == "limit"
    assert "00:00 UTC" in str(error)
    assert until_reset().endswith("min")


def test_a_competition_that_takes_notebooks_only(field: Field) -> None:
    assert failure(field.kaggle(NOTEBOOKS), field.file).kind == "notebook"


def test_a_competition_that_does_not_exist(field: Field) -> None:
    assert failure(field.kaggle("nowhere"), field.file).kind == "missing"


@pytest.mark.parametrize(("call", "status", "kind"), [
    ("CreateSubmission", 429, "busy"), ("StartSubmissionUpload", 500, "server"), ("CreateSubmission", 400, "refused"),
    ("GetCompetition", 429, "busy"), ("GetCompetition", 503, "server"),
])
def test_a_refusal_is_told_by_its_status(field: Field, call: str, status: int, kind: str) -> None:
    field.faults.plan[call] = [status]
    assert failure(field.kaggle(), field.file, f"run-{call}-{status}/abc").kind == kind


def test_a_format_error_is_told_in_kaggle_s_words(field: Field, tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("\n".join(field.file.read_text().splitlines()[:-3]) + "\n")
    kaggle = field.kaggle()
    found = kaggle.scored(kaggle.submit(short, tag="run-8/abc").ref)
    assert found.status == "ERROR"
    assert "rows" in found.error


def test_a_server_that_hangs_is_left_after_the_time_limit(field: Field) -> None:
    kaggle = field.kaggle(seconds=replace(PATIENT, submit=12))
    kaggle.competition()  # the worker is up
    field.faults.plan["CreateSubmission"] = ["hang"]
    assert failure(kaggle, field.file, "run-9/abc").kind == "hung"
    field.faults.plan["GetCompetition"] = ["hang"]
    kaggle.seconds = replace(kaggle.seconds, question=3)
    error = failure(kaggle, field.file, "run-9/abc")
    assert (error.kind, "3 s" in str(error)) == ("hung", True)
    field.faults.over.set()


def test_a_server_that_is_not_there(field: Field) -> None:
    assert failure(field.kaggle(http_proxy="http://127.0.0.1:9"), field.file).kind == "offline"


def test_finals_are_marked_on_a_host_of_one_s_own_and_on_kaggle_the_page_is_named(field: Field) -> None:
    kaggle = field.kaggle()
    refs = [kaggle.submit(field.file, tag=f"run-{name}/abc").ref for name in ("final", "other")]
    for wanted in (refs[:1], refs[1:], refs):
        marks = mark(kaggle, chosen(*wanted))
        assert marks.refs == tuple(wanted) and "marked to count" in marks.line
    assert "not marked" in mark(kaggle, chosen(10**6)).line and "Submission not found" in mark(kaggle, chosen(10**6)).line
    assert kaggle.finals() == sorted(refs, reverse=True), "the choice before stands"
    real = field.kaggle(KAGGLE_API_ENVIRONMENT="PROD", KAGGLE_API_TOKEN="")
    marks = mark(real, chosen(7, 8))
    assert marks.refs is None
    assert f"tick 7 and 8 at https://www.kaggle.com/competitions/{SLUG}/submissions" in marks.line


def chosen(*refs: int) -> Choice:
    """A choice of these submissions."""
    sent = Sent("run", "task", SLUG, "tag", "2026-01-01", "file", "", 1.0, 1.0, 0.1, False)
    return Choice((), tuple(Candidate(replace(sent, ref=ref), 1.0, 0.1) for ref in refs), ())


def test_kaggle_is_not_imported_here(field: Field) -> None:
    field.kaggle().competition()
    assert not {"kaggle", "kagglesdk"} & set(sys.modules)


def test_only_what_kaggle_needs_is_passed_on() -> None:
    found = kaggle_environment({"PATH": "/bin", "KAGGLE_KEY": "k", "SECRET": "s", "PYTHONPATH": "x", "no_proxy": "*"})
    assert found == {"PATH": "/bin", "KAGGLE_KEY": "k", "no_proxy": "*"}
    local = kaggle_environment({"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "no_proxy": "localhost", "http_proxy": "http://h:1"})
    assert "no_proxy" not in local
