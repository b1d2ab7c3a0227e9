"""The unmodified kaggle command line against a real host: everything it offers to a competitor."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import SLUG, Server, add_competition, competition_home, content, running, submission_file
from relay import relaying

from leaderboard.host import accounts, admin

MESSAGE = "run-id=7f3a Grüße, 你好 🏅"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("client")
    home = competition_home(folder, rules=admin.Rules(daily_limit=100))
    accounts.add_user(home, "stranger")
    with running(home, folder) as found:
        yield found


def test_competitions_and_their_files_are_listed(server: Server) -> None:
    listed = json.loads(server.kaggle("alice", "competitions", "list", "-s", "tiny", "--format", "json").stdout)
    assert [row["ref"].rsplit("/", 1)[1] for row in listed] == [SLUG]
    assert listed[0]["userHasEntered"] is True
    files = server.kaggle("alice", "competitions", "files", SLUG, "-v").stdout.splitlines()[1:]
    assert [line.split(",")[0] for line in files] == [
        "extra/deep er/notes with space.txt", "extra/noise.bin", "sample_submission.csv", "test.csv", "train.csv"]
    pages = server.kaggle("alice", "competitions", "pages", "-c", SLUG).stdout
    assert {"description", "evaluation", "data-description", "rules"} <= set(pages.split())


def test_a_competition_is_downloaded_whole_though_the_connection_breaks(server: Server) -> None:
    with relaying(server.url, cut_after=2_200_000) as relay:
        done = server.kaggle("alice", "competitions", "download", SLUG, "-p", "cut", via=relay.url)
        assert relay.cuts == 1
        assert re.search(r"Resuming from [1-9]\d* bytes", done.stdout), done.stdout
    with zipfile.ZipFile(server.folder / "cut" / f"{SLUG}.zip") as archive:
        assert archive.testzip() is None
        assert "extra/deep er/notes with space.txt" in archive.namelist()
        task = server.folder / "task" / "public"
        assert archive.read("extra/noise.bin") == (task / "extra" / "noise.bin").read_bytes()
        assert not {"task.toml", "answers.csv"} & {Path(name).name for name in archive.namelist()}


def test_one_file_with_folders_and_spaces_in_its_name_is_downloaded(server: Server) -> None:
    server.kaggle("alice", "competitions", "download", SLUG, "-f", "extra/deep er/notes with space.txt", "-p", "one")
    (found,) = (server.folder / "one").glob("notes*")
    assert found.read_text() == "x\n" * 10


def test_more_submissions_than_a_page_holds_are_listed_and_ranked(server: Server) -> None:
    first = submission_file(server.folder / "two words.csv", 0.5)
    done = server.kaggle("alice", "competitions", "submit", SLUG, "-f", str(first), "-m", MESSAGE)
    assert "Successfully submitted to Tiny sizes" in done.stdout
    for number in range(34):
        server.client("alice").submit(content(1.0 + number), f"number {number}", slug=SLUG)
    server.client("bob").submit(content(0.75), "bob's", slug=SLUG)
    server.scores("alice"), server.scores("bob")
    messages, token = [], []
    while True:
        out = server.kaggle("alice", "competitions", "submissions", SLUG, "--format", "json", *token).stdout
        page = json.loads(out[out.index("["):])
        messages += [row["description"] for row in page]
        if len(page) < 20:
            break
        token = ["--page-token", str(page[-1]["ref"])]
    assert messages == [*(f"number {number}" for number in reversed(range(34))), MESSAGE]
    assert page[-1] == {"ref": page[-1]["ref"], "fileName": "two words.csv", "date": page[-1]["date"],
                        "description": MESSAGE, "status": "SubmissionStatus.COMPLETE", "publicScore": "0.50000",
                        "privateScore": ""}
    shown = server.kaggle("bob", "competitions", "leaderboard", SLUG, "--show", "--format", "json").stdout
    assert [(row["teamName"], row["score"]) for row in json.loads(shown)] == [("alice", "0.50000"), ("bob", "0.75000")]
    limits = server.kaggle("alice", "competitions", "submission-limits", SLUG).stdout
    assert "Submissions today: 35" in limits and "Remaining today: 65" in limits


def test_the_leaderboard_is_downloaded_in_kaggles_form(server: Server) -> None:
    server.kaggle("bob", "competitions", "leaderboard", SLUG, "--download", "-p", "board")
    with zipfile.ZipFile(server.folder / "board" / f"{SLUG}.zip") as archive:
        (name,) = archive.namelist()
        text = archive.read(name)
    assert re.fullmatch(rf"{SLUG}-publicleaderboard-\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.csv", name)
    assert text.startswith(b"\xef\xbb\xbf")
    head = next(csv.reader(io.StringIO(text.decode("utf-8-sig"))))
    assert head == ["Rank", "TeamId", "TeamName", "LastSubmissionDate", "Score", "SubmissionCount", "TeamMemberUserNames"]


def test_who_has_not_accepted_the_rules_neither_downloads_nor_submits(server: Server) -> None:
    refused = server.kaggle("stranger", "competitions", "download", SLUG, "-p", "no", check=False)
    assert refused.returncode == 1
    assert "403" in refused.stdout + refused.stderr
    path = submission_file(server.folder / "stranger.csv")
    server.kaggle("stranger", "competitions", "submit", SLUG, "-f", str(path), "-m", "no", check=False)
    assert server.client("stranger").call("ListSubmissions", competitionName=SLUG)[0] == 403


def test_the_allowance_of_a_day_ends(server: Server) -> None:
    slug = add_competition(server.home, server.folder, "once-a-day", rules=admin.Rules(daily_limit=1))
    path = submission_file(server.folder / "once.csv")
    assert "Successfully" in server.kaggle("alice", "competitions", "submit", slug, "-f", str(path), "-m", "1").stdout
    again = server.kaggle("alice", "competitions", "submit", slug, "-f", str(path), "-m", "2", check=False)
    assert "Successfully" not in again.stdout + again.stderr
    assert [row["description"] for row in server.scores("alice", slug)] == ["1"]


def test_the_other_shape_of_errors_shows_their_words(server: Server) -> None:
    with running(server.home, server.folder, "--errors", "plain") as plain:
        refused = plain.kaggle("stranger", "competitions", "download", SLUG, "-p", "no", check=False)
    assert "You must accept this competition's rules" in refused.stdout + refused.stderr


def test_the_next_client_does_all_that_is_new_in_it(server: Server) -> None:
    slug = add_competition(server.home, server.folder, "next", rules=admin.Rules(daily_limit=2))
    assert "2.2.5" in server.next_kaggle("alice", "--version").stdout
    server.next_kaggle("alice", "competitions", "download", slug, "-p", "next", "--unzip")
    assert (server.folder / "next" / "extra" / "deep er" / "notes with space.txt").read_text() == "x\n" * 10
    path = submission_file(server.folder / "next.csv", 0.5)
    send = ("competitions", "submit", slug, "-f", str(path), "-m", MESSAGE, "--wait")
    sent = server.next_kaggle("alice", *send).stdout
    assert "Public score: 0.50000" in sent and "1 submissions remaining today" in sent
    (ref,) = re.findall(r"Submission ref: (\d+)", sent)
    assert "COMPLETE" in server.next_kaggle("alice", "competitions", "submission", ref).stdout
    server.next_kaggle("alice", "competitions", "submission-download", ref, "-p", "next")
    assert any(path.read_bytes() == found.read_bytes() for found in (server.folder / "next").glob("*.csv"))
    path.write_text("id,y\n1,2\n")
    failed = server.next_kaggle("alice", *send, check=False)
    assert "Submission must have 20 rows" in failed.stderr and failed.returncode != 0
    server.client("alice").submit(content(), "", slug=slug)
    assert server.next_kaggle("alice", *send[:-1], check=False).returncode != 0, "the allowance is used up"
    assert server.next_kaggle("stranger", "competitions", "download", slug, check=False).returncode != 0


def test_a_wrong_key_is_refused(server: Server) -> None:
    environment = {**server.environment("alice"), "KAGGLE_KEY": "0" * 32}
    del environment["KAGGLE_API_TOKEN"]
    done = server.run("competitions", "list", environment=environment)
    assert done.returncode != 0
    assert "401" in done.stdout + done.stderr or "authenticat" in (done.stdout + done.stderr).lower()
