"""The host on a real PostgreSQL: the same rules, and a database that is said once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import SLUG, Server, competition_home, content, running
from postgres import cluster

from leaderboard.host import admin, clock
from leaderboard.host.home import open_home
from leaderboard.host.refusal import HostError


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with cluster() as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("postgres")
    home = competition_home(folder, rules=admin.Rules(daily_limit=3, days=2), database=database)
    with running(home, folder) as found:
        yield found


def test_parallel_submissions_are_scored_ranked_and_held_to_the_allowance(server: Server) -> None:
    clients = [server.client("alice") for _ in range(10)]
    tokens = [client.upload(content(), slug=SLUG) for client in clients]
    answers: list[int] = []

    def create(number: int) -> None:
        answers.append(clients[number].call(
            "CreateSubmission", competitionName=SLUG, blobFileTokens=tokens[number], submissionDescription="Grüße 🏅")[0])

    threads = [threading.Thread(target=create, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 3 + [400] * 7
    server.client("bob").submit(content(0.5), "", slug=SLUG)
    server.scores("bob")
    assert [(row["publicScore"], row["privateScore"], row["description"]) for row in server.scores("alice")] == [
        ("1.00000", "", "Grüße 🏅")] * 3
    admin.set_clock(server.home, ahead=3 * clock.DAY)
    final = admin.finalise(server.home, SLUG)
    assert [(row.name, row.score) for row in final] == [("bob", 0.5), ("alice", 1.0)]


def test_the_database_is_said_once_and_never_swapped(server: Server) -> None:
    again = open_home(server.home.folder)
    assert again.store.engine.dialect.name == "postgresql"
    again.store.close()
    with pytest.raises(HostError, match="keeps its tables in another database"):
        open_home(server.home.folder, "sqlite://")


def test_a_database_that_cannot_be_reached_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot open the host's database"):
        open_home(tmp_path, f"postgresql://nobody@/nothing?host={tmp_path}")
