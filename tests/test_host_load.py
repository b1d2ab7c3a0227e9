"""A host under load, and killed in the middle of it: what was acknowledged is there, once."""

from pathlib import Path

from leaderboard.host.bench import load


def test_fifty_clients_at_once_lose_nothing(tmp_path: Path) -> None:
    found = load(tmp_path, clients=50, rounds=1)
    assert found.acknowledged == 50
    assert (found.lost, found.doubled, found.unanswered, found.unscored, found.server_errors) == (0, 0, 0, 0, 0)


def test_after_a_kill_everything_acknowledged_is_there_and_scored(tmp_path: Path) -> None:
    found = load(tmp_path, clients=6, rounds=4, kill=True)
    assert found.killed and found.acknowledged == 24
    assert (found.lost, found.doubled, found.unscored, found.server_errors) == (0, 0, 0, 0)
    assert found.unanswered <= 6, "at most the call that each client was in"
