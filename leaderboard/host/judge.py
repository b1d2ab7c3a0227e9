"""The process that evaluates submissions: a job a line on its input, a verdict a line on its output.

It alone reads private answers. It is killed from outside when it takes too long, and ends when its input does.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from leaderboard.host.evaluation import evaluate
from leaderboard.host.unpack import Unreadable, unpack

WENT_WRONG = "Evaluation Exception: the submission could not be evaluated"


def judged(job: dict[str, Any]) -> dict[str, Any]:
    """{"public", "private"}, or {"error"} with what the submitter is told. Nothing else of a failure leaves here."""
    try:
        found = unpack(Path(job["file"]), Path(job["scratch"]), largest=job["largest"])
        return asdict(evaluate(Path(job["task"]), Path(job["answers"]), found, name=job["name"]))
    except Unreadable as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": WENT_WRONG}
    except Exception as error:  # whatever a stranger's file can cause; the trace is for the host's own log
        print(f"submission {job['name']!r}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return {"error": WENT_WRONG}


def main(memory_bytes: int) -> None:
    """Serve until the input ends. What libraries print goes to the error stream, not among the verdicts."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    verdicts = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        verdict = judged(json.loads(line))
        try:
            print(json.dumps(verdict), file=verdicts, flush=True)
        except BrokenPipeError:  # the host was killed: the submission is pending and will be judged after its start
            os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
