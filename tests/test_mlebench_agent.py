"""The folder that MLE-bench's run_agent uses, in its container's layout under bubblewrap with a stand-in validation server."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import yaml
from lookalikes import M, prepared

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "mlebench_agent"


def test_the_config_is_what_run_agent_reads() -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text())
    agents = {id: known for id, known in config.items() if id.startswith("medalist")}
    assert set(agents) == {"medalist", "medalist/hour", "medalist/llm"}
    for known in agents.values():
        assert (FOLDER / Path(known["start"]).name).is_file() and (FOLDER / Path(known["dockerfile"]).name).is_file()
        assert known.get("kwargs", {}) == {} or known["kwargs_type"] in ("argparse", "omegaconf")
        assert isinstance(known["env_vars"]["TIME_LIMIT_SECS"], int)
        assert set(known) <= {"start", "dockerfile", "kwargs", "kwargs_type", "env_vars", "privileged"}
    assert (FOLDER / "Dockerfile").read_text().count("FROM mlebench-env") == 1


def _in_the_container(base: Path, *, limit: int, arguments: str) -> tuple[Path, float]:
    """/home after the agent's run, and how many seconds that took."""
    public = prepared(base / "data", "loans") / "prepared" / "public"
    for name in ("submission", "logs", "code", "checked"):
        (base / "home" / name).mkdir(parents=True)
    shutil.copytree(FOLDER, base / "home" / "agent")
    program = Path(__file__).parent / "validation_server.py"
    server = f"{sys.executable} {program} /home/data/sample_submission.csv /home/checked/log"
    inside = f"{server} & until curl -s http://localhost:5000/health; do sleep 0.2; done; " \
             f"bash /home/agent/start.sh {arguments}; code=$?; kill %1; exit $code"
    told = {"COMPETITION_ID": "loans", "TIME_LIMIT_SECS": str(limit), "SUBMISSION_DIR": "/home/submission",
            "LOGS_DIR": "/home/logs", "CODE_DIR": "/home/code", "AGENT_DIR": "/home/agent", "PYTHONPATH": str(ROOT),
            "MEDALIST": f"{sys.executable} -m agent.cli", "MEDALIST_PYTHON": sys.executable, "HOME": "/home/agent",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "OMP_NUM_THREADS": "1"}
    words = ["bwrap", "--dev-bind", "/", "/", "--cap-add", "ALL", "--unshare-net", "--unshare-pid", "--proc", "/proc",
             "--tmpfs", "/home", "--clearenv", "--die-with-parent"]
    for name in ("submission", "logs", "code", "agent", "checked"):
        words += ["--bind", str(base / "home" / name), f"/home/{name}"]
    words += ["--ro-bind", str(public), "/home/data"]
    for name, value in told.items():
        words += ["--setenv", name, value]
    started = time.monotonic()
    done = subprocess.run([*words, "bash", "-c", inside], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return base / "home", time.monotonic() - started


def test_a_submission_lies_where_it_is_looked_for_and_was_shown_to_the_validation_server(tmp_path: Path) -> None:
    home, seconds = _in_the_container(tmp_path, limit=240, arguments="--slots 1 --until 0.55")
    submission = pd.read_csv(home / "submission" / "submission.csv")
    assert list(submission.columns) == ["loan", "default"] and len(submission) == M
    assert submission["default"].nunique() > 2, "it is no longer the sample"
    assert not list((home / "submission").glob(".*partial"))
    asked = (home / "checked" / "log").read_text().splitlines()
    assert len(asked) >= 2 and set(asked) == {"Submission is valid."}
    said = (home / "logs" / "deliver.log").read_text().splitlines()
    assert "sample_submission.csv" in said[0] and len(said) == len(asked)
    assert (home / "code" / "solution.py").is_file() and (home / "logs" / "report.html").is_file()
    assert "payments.amount.mean" in (home / "agent" / "data" / "arranged" / "loans" / "public" / "train.csv").read_text()
    assert seconds < 240


def test_the_time_limit_is_kept_and_something_valid_is_left(tmp_path: Path) -> None:
    home, seconds = _in_the_container(tmp_path, limit=12, arguments="--slots 1")
    assert seconds < 12 + 15  # and the interpreter's starts on a busy machine
    assert len(pd.read_csv(home / "submission" / "submission.csv")) == M
