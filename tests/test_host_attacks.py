"""What strangers may try on a host: every route is read and abused as a plain user, over real HTTP."""

import contextlib
import gzip
import http.client
import io
import json
import random
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hosts import SLUG, Server, add_competition, competition_home, content, running

from leaderboard.host import accounts, admin
from leaderboard.host.app import Settings, make_app

PRIVATE = 7.654321
JSON = {"Content-Type": "application/json"}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A host where alice has a submission with the private score PRIVATE; bob is in, mallory is not."""
    folder = tmp_path_factory.mktemp("attacks")
    home = competition_home(folder, rules=admin.Rules(daily_limit=1000))
    accounts.add_user(home, "mallory")
    with running(home, folder, "--largest", "0.1", "--unpacked", "64") as found:
        found.client("alice").submit(content(1.25, PRIVATE), SCRIPT, slug=SLUG)
        assert found.scores("alice")[0]["publicScore"] == "1.25000"
        yield found


def calls(server: Server) -> list[str]:
    """The path of every call that the application answers to POST, from the application itself."""
    offered = make_app(server.home, Settings()).openapi()["paths"]
    found = [path for path, verbs in offered.items() if "post" in verbs and "{" not in path]
    assert len(found) > 15
    return found


FIELDS: dict[str, Any] = {
    "competitionName": SLUG, "ref": 1, "submissionId": 1, "refs": [1], "fileName": "train.csv", "contentLength": 5,
    "pageSize": 100, "sortBy": "SUBMISSION_SORT_BY_PRIVATE_SCORE", "overridePublic": False, "token": "x",
}


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_private_scores_are_in_no_answer_before_the_deadline(server: Server, user: str) -> None:
    client, answers = server.client(user), {}
    for path in calls(server):
        response = client.send("POST", path, json.dumps(FIELDS).encode())
        answers[path] = response.data
        if response.status == 302:
            answers[f"{path} followed"] = _opened(_get(server, response.headers["Location"]))
    assert sum(b"1.25" in answer for answer in answers.values()) >= 2, "the public score is there"
    for path, answer in answers.items():
        assert f"{PRIVATE:.3f}".encode() not in answer, path
        assert b"Usage" not in answer, path


def test_the_pages_of_a_host_show_competitions_and_neither_private_scores_nor_runs(server: Server) -> None:
    first, second = _bare(server, "GET", "/"), _bare(server, "GET", f"/competitions/{SLUG}")
    assert first[0] == second[0] == 200
    assert f'href="/competitions/{SLUG}"'.encode() in first[1]
    assert b"1.25000" in second[1] and f"{PRIVATE:.3f}".encode() not in first[1] + second[1]
    for path in ("/runs", "/improvement", "/nothing"):
        assert _bare(server, "GET", path)[0] == 404, path


def test_the_order_of_private_scores_shows_neither(server: Server) -> None:
    slug = add_competition(server.home, server.folder, "sorted")
    client = server.client("alice")
    for public, private in ((1.0, 2.0), (2.0, 1.0), (3.0, 3.0)):
        client.submit(content(public, private), "", slug=slug)
    server.scores("alice", slug)
    by_private = client.call("ListSubmissions", competitionName=slug, sortBy="SUBMISSION_SORT_BY_PRIVATE_SCORE")
    assert by_private == client.call("ListSubmissions", competitionName=slug)


def _get(server: Server, url: str) -> bytes:
    return _bare(server, "GET", "/" + url.split("/", 3)[3])[1]


def _bare(server: Server, verb: str, target: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of a request without credentials."""
    with contextlib.closing(http.client.HTTPConnection(server.url.rsplit("/", 1)[1])) as connection:
        connection.request(verb, target, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def _opened(body: bytes) -> bytes:
    """What a download holds, archives unpacked."""
    if not body.startswith(b"PK"):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


@pytest.mark.parametrize("name", [
    "../private/answers.csv", "/etc/passwd", "..%2fprivate%2fanswers.csv", "extra/../../private/answers.csv", "task.toml",
    "files.json", "", ".", "extra",
])
def test_only_listed_files_are_given_out(server: Server, name: str) -> None:
    status, _ = server.client("bob").call("DownloadDataFile", competitionName=SLUG, fileName=name)
    assert status == 404


def test_a_link_gives_out_what_it_was_signed_for_and_nothing_else(server: Server) -> None:
    _, made = server.client("bob").call("DownloadDataFile", competitionName=SLUG, fileName="train.csv")
    assert _get(server, made["location"]).startswith(b"id,")
    signed = made["location"].split("/")[4]
    for other in (f"/download/{signed}/file/{SLUG}/test.csv", f"/download/{signed}/file/{SLUG}/..%2fprivate%2fanswers.csv",
                  f"/download/{signed}/submission/1/train.csv", f"/download/0-{'0' * 40}/file/{SLUG}/train.csv",
                  "/download/x/file/y/z", f"/download/{signed}é/file/{SLUG}/train.csv".encode().decode("latin-1")):
        assert server.client("bob").send("GET", other).status in (403, 404), other


def test_an_upload_token_is_its_users_its_competitions_and_spent_once(server: Server) -> None:
    other = add_competition(server.home, server.folder, "other")
    alice, bob = server.client("alice"), server.client("bob")
    token = alice.upload(content(), slug=SLUG)
    assert bob.call("CreateSubmission", competitionName=SLUG, blobFileTokens=token)[0] == 400
    assert alice.call("CreateSubmission", competitionName=other, blobFileTokens=token)[0] == 400
    assert alice.call("CreateSubmission", competitionName=SLUG, blobFileTokens=token)[0] == 200
    assert alice.call("CreateSubmission", competitionName=SLUG, blobFileTokens=token)[0] == 400


def test_what_was_submitted_cannot_be_replaced(server: Server) -> None:
    alice = server.client("alice")
    _, begun = alice.call("StartSubmissionUpload", competitionName=SLUG, fileName="a.csv", contentLength=3)
    path = "/upload/" + begun["createUrl"].rsplit("/", 1)[1]
    assert alice.send("PUT", path, b"abc").status == 200
    assert alice.send("PUT", path, b"abd").status == 200, "not submitted yet"
    alice.call("CreateSubmission", competitionName=SLUG, blobFileTokens=begun["token"])
    assert alice.send("PUT", path, b"xyz").status == 404
    newest = alice.submissions(slug=SLUG)[0]
    _, link = alice.call("DownloadSubmission", submissionId=newest["ref"])
    assert _get(server, link["location"]) == b"abd"


def test_others_submissions_are_not_found(server: Server) -> None:
    bob = server.client("bob")
    assert bob.call("GetSubmission", ref=1)[0] == 404
    assert bob.call("DownloadSubmission", submissionId=1)[0] == 404
    assert bob.call("SelectSubmissions", service="medalist.HostService", competitionName=SLUG, refs=[1])[0] == 404


def test_who_has_not_entered_is_refused(server: Server) -> None:
    mallory = server.client("mallory")
    for method in ("DownloadDataFiles", "DownloadDataFile", "StartSubmissionUpload", "CreateSubmission", "ListSubmissions"):
        assert mallory.call(method, competitionName=SLUG, fileName="train.csv", contentLength=5)[0] == 403, method


def test_every_call_but_the_token_check_needs_credentials(server: Server) -> None:
    for path in calls(server):
        assert _bare(server, "POST", path, b"{}", **JSON)[0] == (200 if path.endswith("IntrospectToken") else 401), path


def test_more_or_fewer_bytes_than_announced_or_allowed_are_refused(server: Server) -> None:
    alice = server.client("alice")
    assert alice.call("StartSubmissionUpload", competitionName=SLUG, fileName="a.csv", contentLength=10**9)[0] == 400
    for body in (b"abcd", b"ab"):
        _, begun = alice.call("StartSubmissionUpload", competitionName=SLUG, fileName="a.csv", contentLength=3)
        assert alice.send("PUT", "/upload/" + begun["createUrl"].rsplit("/", 1)[1], body).status == 400
        assert alice.call("CreateSubmission", competitionName=SLUG, blobFileTokens=begun["token"])[0] == 400
    assert alice.send("PUT", "/upload/nothing", b"abc").status == 404
    assert alice.send("POST", calls(server)[0], b"[" * (2 << 20)).status in (400, 413)
    assert not [path for path in server.home.uploads.iterdir() if path.name.startswith(".") and path.is_file()]


@pytest.mark.parametrize("pack", ["zip", "gz"])
def test_a_bomb_is_refused_before_it_fills_the_disk(server: Server, pack: str) -> None:
    zeros = bytes(1 << 20)
    packed = io.BytesIO()
    if pack == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w", force_zip64=True) as file:
            for _ in range(70):
                file.write(zeros)
    else:
        with gzip.open(packed, "wb") as file:
            for _ in range(70):
                file.write(zeros)
    _error(server, packed.getvalue(), "ERROR: The submission unpacks to more than 67108864 bytes")


def test_archives_with_one_csv_are_scored_and_others_refused(server: Server) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../up.csv", content(3.0))
    server.client("alice").submit(packed.getvalue(), "", slug=SLUG)
    assert server.scores("alice")[0]["publicScore"] == "3.00000"
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("second.csv", "x")
    _error(server, packed.getvalue(), "ERROR: The submitted archive must hold one file; it holds 2")
    _error(server, packed.getvalue()[:60], "ERROR: The submitted archive cannot be read")
    _error(server, b"\xff\xfe\x00garbage", "ERROR: The submission is not a CSV file in UTF-8")


def _error(server: Server, body: bytes, words: str) -> None:
    alice = server.client("alice")
    _, made = alice.submit(body, "", slug=SLUG)
    server.scores("alice")
    assert alice.call("GetSubmission", ref=made["ref"])[1]["errorDescription"] == words


def test_script_in_a_message_stays_text(server: Server) -> None:
    response = server.client("alice").send("POST", calls(server)[0].rsplit("/", 1)[0] + "/GetSubmission", b"{}")
    assert response.headers["Content-Type"] == "application/json"
    assert server.client("alice").submissions(slug=SLUG)[-1]["description"] == SCRIPT
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["=cmd()", "a\nb", "\u202eevil", "", "x" * 101, "  "])
def test_team_names_that_deceive_are_refused(server: Server, name: str) -> None:
    with pytest.raises(admin.HostError, match="no team name"):
        admin.accept_rules(server.home, SLUG, "mallory", team=name)


def test_no_body_makes_the_host_fail(server: Server) -> None:
    chance, alice = random.Random(0), server.client("alice")
    odd: list[Any] = [None, "", "x" * 300, "\0", "\ud800", -2, -1, 10**30, 1.5, True, [], {}, ["a"], [10**30], "1e9", SLUG, "Ⅷ"]
    for path in calls(server):
        for _ in range(6):
            fields = {name: chance.choice(odd) for name in (*FIELDS, "page", "pageToken", "blobFileTokens", "search",
                                                            "submissionDescription") if chance.random() < 0.4}
            body = json.dumps({"competitionName": SLUG, **fields}).encode()
            assert alice.send("POST", path, body).status < 500 or path.endswith("CreateCodeSubmission"), body
        for body in (b"", b"[]", b"{", b"\xff", b'{"page": NaN}', b"null", b"[" * 5000):
            assert alice.send("POST", path, body).status < 500 or path.endswith("CreateCodeSubmission"), body


def test_the_host_is_no_open_proxy_and_answers_to_its_own_names_only(server: Server) -> None:
    assert _bare(server, "GET", "http://example.com/")[0] == 403
    assert _bare(server, "GET", "/", Host="attacker.example")[0] == 403


def test_no_request_administers(server: Server) -> None:
    alice = server.client("alice")
    for method in ("AcceptRules", "Finalise", "SetClock", "CreateUser", "CreateCompetition"):
        assert alice.call(method, service="medalist.HostService", competitionName=SLUG)[0] == 501
    for name in ("host.db", "key", "users"):
        assert (server.home.folder / name).stat().st_mode & 0o077 == 0 or server.home.folder.stat().st_mode & 0o077 == 0
