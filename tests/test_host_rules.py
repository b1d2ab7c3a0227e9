"""A competition's rules over real HTTP: allowance, deadline, finals, ties, errors, and what stays private."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hosts import SLUG, Server, add_competition, competition_home, content, running
from sqlalchemy import update

from leaderboard.host import admin, clock
from leaderboard.host.bench import Client
from leaderboard.host.home import open_home
from leaderboard.host.refusal import HostError
from leaderboard.host.store import settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rules")
    home = competition_home(folder, rules=admin.Rules(daily_limit=1000))
    with running(home, folder) as found:
        yield found


@pytest.fixture
def right_time(server: Server) -> Iterator[None]:
    yield
    admin.reset_clock(server.home)


def competition(server: Server, slug: str, **rules: Any) -> str:
    return add_competition(server.home, server.folder, slug, rules=admin.Rules(**rules))


def submit(server: Server, user: str, slug: str, public: float, private: float | None = None) -> int:
    status, made = server.client(user).submit(content(public, private), "", slug=slug)
    assert status == 200, made
    return int(made["ref"])


def board(server: Server, slug: str) -> list[tuple[str, str]]:
    _, found = server.client("alice").call("GetLeaderboard", competitionName=slug)
    return [(row["teamName"], row["score"]) for row in found["submissions"]]


def test_of_parallel_submissions_exactly_the_allowance_is_accepted(server: Server) -> None:
    slug = competition(server, "race", daily_limit=3)
    clients = [server.client("alice") for _ in range(12)]
    tokens = [client.upload(content(), slug=slug) for client in clients]
    answers: list[int] = []

    def create(client: Client, token: str) -> None:
        answers.append(client.call("CreateSubmission", competitionName=slug, blobFileTokens=token)[0])

    threads = [threading.Thread(target=create, args=pair) for pair in zip(clients, tokens, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 3 + [400] * 9
    assert len(server.scores("alice", slug)) == 3


def test_the_allowance_comes_back_at_midnight_utc(server: Server, right_time: None) -> None:
    slug = competition(server, "midnight", daily_limit=2)
    night = clock.midnight(admin.read_clock(server.home)) + clock.DAY
    admin.set_clock(server.home, to=night - 1800)
    submit(server, "alice", slug, 1.0), submit(server, "alice", slug, 1.0)
    status, refused = server.client("alice").submit(content(), "", slug=slug)
    assert status == 400
    assert refused["error"]["message"] == (
        "Submission not allowed: Your team has used its daily Submission allowance (2) today, "
        "please try again tomorrow UTC (0.5 hours from now).")
    admin.set_clock(server.home, to=night + 1)
    submit(server, "alice", slug, 1.0)
    _, limits = server.client("alice").call("GetSubmissionLimits", competitionName=slug)
    assert limits == {"numToday": 1, "numTotal": 3, "numAllowedNow": 1}


def test_a_failed_submission_spends_nothing(server: Server) -> None:
    slug = competition(server, "failed", daily_limit=1)
    server.client("alice").submit(b"id,y\n1,2\n", "", slug=slug)
    (failed,) = server.scores("alice", slug)
    assert (failed["status"], failed["publicScore"]) == ("ERROR", "")
    submit(server, "alice", slug, 1.0)


GOOD = content().decode().splitlines()


@pytest.mark.parametrize(("lines", "words"), [
    (GOOD[:-1], "Evaluation Exception: Submission must have 20 rows"),
    ([*GOOD, "999,1.0"], "Evaluation Exception: Submission must have 20 rows"),
    ([*GOOD[:-2], "999,1.0", "998,1.0"], "ERROR: Unable to find 2 required key values in the 'id' column\n"
                                         "ERROR: Unable to find the required key value '58' in the 'id' column"),
    ([*GOOD[:-1], GOOD[1]], "ERROR: The value '40' in the key column 'id' has already been defined (Line 21)"),
    (["id,z", *GOOD[1:]], "ERROR: Unable to find the required column 'y'"),
    ([f"{line},0" for line in GOOD], "Evaluation Exception: Submission must have 2 columns"),
    ([*GOOD[:-1], "59,1.0,7"], "ERROR: Record 20 had 3 columns but expected 2"),
    ([*GOOD[:-1], "59,much"], "Evaluation Exception: bad.csv has 1 values of 'y' that are no finite number, "
                              "the first in row 20 of the test: 'much'"),
    ([], "Evaluation Exception: Submission is empty"),
])
def test_what_is_wrong_with_a_file_is_said_in_kaggles_words(server: Server, lines: list[str], words: str) -> None:
    client = server.client("bob")
    token = client.upload("\n".join(lines).encode(), slug=SLUG, name="bad.csv")
    _, made = client.call("CreateSubmission", competitionName=SLUG, blobFileTokens=token)
    server.scores("bob")
    _, found = client.call("GetSubmission", ref=made["ref"])
    assert (found["status"], found["errorDescription"]) == ("ERROR", words)


def test_the_order_of_rows_does_not_matter(server: Server) -> None:
    slug = competition(server, "order")
    server.client("alice").submit("\n".join([GOOD[0], *reversed(GOOD[1:])]).encode(), "", slug=slug)
    assert [row["publicScore"] for row in server.scores("alice", slug)] == ["1.00000"]


def test_private_scores_decide_after_the_deadline_and_late_submissions_are_not_ranked(
    server: Server, right_time: None,
) -> None:
    slug = competition(server, "deadline", days=10)
    overfit, robust = submit(server, "alice", slug, 0.1, 9.0), submit(server, "alice", slug, 0.5, 2.0)
    submit(server, "alice", slug, 0.3, 8.0), submit(server, "bob", slug, 0.2, 3.0)
    server.scores("alice", slug), server.scores("bob", slug)
    assert board(server, slug) == [("alice", "0.10000"), ("bob", "0.20000")]
    chosen = server.client("alice").call("SelectSubmissions", service="medalist.HostService", competitionName=slug,
                                         refs=[overfit, robust])
    assert chosen == (200, {"refs": [overfit, robust]})
    assert {row["privateScore"] for row in server.scores("alice", slug)} == {""}
    admin.set_clock(server.home, ahead=11 * clock.DAY)
    assert board(server, slug) == [("alice", "2.00000"), ("bob", "3.00000")]
    submit(server, "bob", slug, 0.0, 0.0)
    assert server.scores("bob", slug)[0]["privateScore"] == "0.00000"
    assert board(server, slug) == [("alice", "2.00000"), ("bob", "3.00000")]
    refused = server.client("alice").call("SelectSubmissions", service="medalist.HostService", competitionName=slug, refs=[])
    assert refused[0] == 400


def test_without_a_choice_the_best_public_scores_are_the_finals(server: Server, right_time: None) -> None:
    slug = competition(server, "unchosen", days=1)
    for public, private in ((0.1, 5.0), (0.2, 4.0), (0.3, 1.0)):
        submit(server, "alice", slug, public, private)
    server.scores("alice", slug)
    admin.set_clock(server.home, ahead=2 * clock.DAY)
    assert board(server, slug) == [("alice", "4.00000")]


def test_of_equal_scores_the_earlier_is_ahead(server: Server) -> None:
    slug = competition(server, "ties")
    submit(server, "bob", slug, 0.5), submit(server, "alice", slug, 0.5)
    server.scores("alice", slug), server.scores("bob", slug)
    assert [name for name, _ in board(server, slug)] == ["bob", "alice"]


def test_rivals_of_the_field_are_ranked_and_medals_are_kaggles(server: Server, tmp_path: Path) -> None:
    field = tmp_path / "field.csv"
    field.write_text("name,settings,budget,private,public\n" + "".join(f"rival {n},,,{n},{n}\n" for n in range(2, 11)))
    slug = add_competition(server.home, server.folder, "field", field=field)
    submit(server, "alice", slug, 1.0, 2.5)
    server.scores("alice", slug)
    assert board(server, slug)[:2] == [("alice", "1.00000"), ("rival 2", "2.00000")]
    final = admin.finalise(server.home, slug)
    assert [(row.name, row.medal) for row in final[:5]] == [
        ("rival 2", "gold"), ("alice", "silver"), ("rival 3", "bronze"), ("rival 4", "bronze"), ("rival 5", None)]
    assert board(server, slug)[1] == ("alice", "2.50000")


def test_rivals_whose_public_score_is_unknown_wait_for_the_end(server: Server, tmp_path: Path) -> None:
    field = tmp_path / "field.csv"
    field.write_text("name,settings,budget,private\nlinear,,,0.7\n")
    slug = add_competition(server.home, server.folder, "unknown", field=field)
    assert board(server, slug) == []
    assert [(row.name, row.score) for row in admin.finalise(server.home, slug)] == [("linear", 0.7)]


def test_answers_without_a_usage_column_are_parted_by_the_host(server: Server, tmp_path: Path) -> None:
    lines = (server.folder / "task" / "private" / "answers.csv").read_text().splitlines()
    answers = tmp_path / "answers.csv"
    answers.write_text("\n".join(line.rsplit(",", 1)[0] for line in lines))
    admin.create(server.home, server.folder / "task" / "public", answers, slug="parted")
    kept = (server.home.competition("parted") / "private" / "answers.csv").read_text().splitlines()[1:]
    assert [line.rsplit(",", 1)[1] for line in kept].count("Public") == 6


def test_members_of_a_team_share_its_submissions(server: Server) -> None:
    slug = add_competition(server.home, server.folder, "together", users=())
    for user in ("alice", "bob"):
        assert admin.accept_rules(server.home, slug, user, team="Wir, zusammen") == "Wir, zusammen"
    submit(server, "alice", slug, 1.0)
    assert [row["submittedBy"] for row in server.scores("bob", slug)] == ["alice"]
    assert board(server, slug) == [("Wir, zusammen", "1.00000")]


def test_a_notebook_competition_takes_no_files(server: Server) -> None:
    slug = competition(server, "notebooks", notebooks_only=True)
    status, refused = server.client("alice").submit(content(), "", slug=slug)
    assert status == 400
    assert refused["error"]["message"].endswith("This competition only accepts Submissions from Notebooks.")


def test_a_submission_that_cannot_be_scored_in_time_is_an_error_and_the_next_is_scored(tmp_path: Path) -> None:
    home = competition_home(tmp_path)
    with running(home, tmp_path, "--seconds", "0.001") as hasty:
        submit(hasty, "alice", SLUG, 1.0)
        (row,) = hasty.scores("alice")
        _, found = hasty.client("alice").call("GetSubmission", ref=row["ref"])
        assert found["errorDescription"] == "Evaluation Exception: the evaluation took longer than 0.001 seconds"
        hasty.kill()
    with running(home, tmp_path) as patient:
        submit(patient, "alice", SLUG, 1.0)
        assert [row["status"] for row in patient.scores("alice")] == ["COMPLETE", "ERROR"]


def test_a_database_that_is_not_ours_is_left_at_once(tmp_path: Path) -> None:
    home = open_home(tmp_path / "newer")
    with home.store.writing() as connection:
        connection.execute(update(settings).where(settings.c.name == "version").values(value="999"))
    home.store.close()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "host.db").write_text("no database " * 100)
    for name, words in (("newer", "is of version 999"), ("text", "cannot open the host's database")):
        before = _handles(tmp_path)
        with pytest.raises(HostError, match=words):
            open_home(tmp_path / name)
        assert _handles(tmp_path) == before == []


def _handles(folder: Path) -> list[str]:
    """Files of the folder that this process has open."""
    opened = [os.readlink(handle) for handle in Path("/proc/self/fd").iterdir() if handle.exists()]
    return [path for path in opened if path.startswith(str(folder))]


def test_an_admin_is_told_what_exists(server: Server) -> None:
    with pytest.raises(HostError, match=r"no competition 'nothing'; there are: .*tiny-sizes"):
        admin.finalise(server.home, "nothing")
    with pytest.raises(HostError, match="no user 'nobody'; there are: alice, bob"):
        admin.accept_rules(server.home, SLUG, "nobody")
    with pytest.raises(HostError, match="there is a competition 'tiny-sizes' already"):
        add_competition(server.home, server.folder, SLUG)
