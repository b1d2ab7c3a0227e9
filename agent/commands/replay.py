"""`medalist replay ID`: makes a decision of the ledger again from what it rests on, and says whether it is the same."""

import argparse
import json
from pathlib import Path

from agent.output import UsageError, whole

HELP = "repeat a decision of the improvement ledger, bit for bit"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("id", type=whole, help="of a proposal in the ledger")
    made.add_argument("--home", type=Path, default=None, metavar="FOLDER",
                      help="where versions, pointer and ledger lie (default: the package's own)")


def run(options: argparse.Namespace, started: float) -> None:
    from agent.improve.replay import replay
    from agent.playbook.store import SHIPPED, Store

    found = replay(Store(options.home or SHIPPED), options.id)
    if options.json:
        print(json.dumps({"id": found.id, "same": found.same, "parts": found.parts, "note": found.note}, indent=1))
    else:
        for name, then, now in found.parts:
            print(f"{name}: {now}" if then == now else f"{name}: {now}, the ledger has {then}")
    if not found.same:
        raise UsageError(f"decision {found.id} came out otherwise: the code or the evidence is not that of its time")
    if not options.json:
        print(f"decision {found.id} is the same" + (f"; {found.note}" if found.note else ""))
