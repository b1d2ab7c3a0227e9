"""The longest files come first, so that no worker is left alone with one of them at the end."""

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, settings

from agent.cli import main

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")  # on a busy machine an example that takes long says nothing of the code

LONGEST = (
    "test_proposer_llm.py", "test_kaggle_run.py", "test_kaggle_client.py", "test_executor_ray.py",
    "test_proposer_llm_real.py", "test_backbone.py", "test_host_client.py", "test_compete.py", "test_odd_runs.py",
    "test_sandbox.py", "test_export.py", "test_improve_live.py", "test_kit.py", "test_mcp.py", "test_host_command.py",
    "test_host_load.py", "test_reference.py", "test_catalogue_contract.py", "test_mlebench_agent.py", "test_sentences.py",
    "test_host_rules.py", "test_llm_real.py", "test_mlebench_bench.py", "test_sandbox_attacks.py", "test_sandbox_walls.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages of the catalogue lie, for the workers together: each is fetched once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packages"


@pytest.fixture
def medalist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> Callable[..., "CompletedProcess[str]"]:
    """The command line in the test's folder, for tests of what it does and says: called here, since a process of its own would
    read all libraries anew each time."""
    def called(*arguments: object) -> "CompletedProcess[str]":
        monkeypatch.chdir(tmp_path)
        words = [*map(str, arguments)]
        return CompletedProcess(words, main(words), *capsys.readouterr())
    return called
