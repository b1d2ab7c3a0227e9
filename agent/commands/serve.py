"""`medalist serve`: web pages of the competitions, the runs and the improvement loop, live while a run goes on."""

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

HELP = "serve web pages: competitions, runs as they go on, the improvement loop"
PORT = 8778


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen at (default: this machine only)")
    made.add_argument("--port", type=int, default=PORT, help=f"0: any free port (default: {PORT})")
    made.add_argument("--name", action="append", default=[], help="a name that browsers may call this machine by")
    made.add_argument("--home", type=Path, default=None, metavar="FOLDER",
                      help="the competition host's folder (default: host, below --data)")
    made.add_argument("--playbooks", type=Path, default=None, metavar="FOLDER",
                      help="where playbook versions and ledger lie (default: the package's own)")


def run(options: argparse.Namespace, started: float) -> None:
    from agent.playbook.store import SHIPPED, Store
    from leaderboard.host.home import open_home
    from leaderboard.web.rendering import Sources
    from leaderboard.web.server import serve

    folder, store = options.home or options.data / "host", Store(options.playbooks or SHIPPED)
    home = open_home(folder) if folder.is_dir() else None  # looking makes nothing
    sources = Sources(home=home, runs=options.runs, improvement=lambda: read_improvement(store))

    def ready(url: str) -> None:
        print(json.dumps({"url": url}) if options.json else f"serving at {url} (Ctrl-C ends it)", flush=True)

    try:
        with contextlib.suppress(KeyboardInterrupt):  # it is how a server is ended
            serve(sources, bind=options.host, port=options.port, names=options.name, ready=ready)
    finally:
        if home is not None:
            home.store.close()


def read_improvement(store: Any) -> Any:
    """`improvement`, with what is wrong with a damaged ledger or version as the one line that a page shows."""
    from agent.playbook.bundle import PlaybookError
    from leaderboard.web.improvement_facts import Damaged

    try:
        return improvement(store)
    except (PlaybookError, OSError, ValueError, LookupError) as error:
        raise Damaged(f"The improvement loop cannot be read: {error}") from error


def improvement(store: Any) -> Any:
    """What the pages show of the improvement loop: the versions of the store and its ledger."""
    from agent.improve.campaign import Terms
    from agent.improve.ledger import FILE, Ledger, proposals
    from agent.improve.page import lineage
    from agent.improve.placebos import rate
    from agent.playbook.store import VERSION_0
    from leaderboard.web.improvement_facts import Improvement, Release, Version

    lines = Ledger(store.home / FILE).lines()
    accepted, placebos = rate(lines)
    marks = ((store.current, "in use"), (VERSION_0, "version 0"))
    return Improvement(
        in_use=store.current, version_0=VERSION_0, lines=len(lines), last_hash=lines[-1].hash if lines else "",
        versions=tuple(Version(name, store.load(name).parent[:12], depth, tuple(
            word for known, word in marks if known == name)) for name, depth in lineage(store)),
        releases=tuple(Release(**{name: line.facts[name] for name in Release.__dataclass_fields__})
                       for line in lines if line.kind == "release"),
        proposals=tuple(_proposal(line) for line in proposals(lines)), placebos=placebos, placebos_accepted=accepted,
        level=Terms().alpha)


def _proposal(line: Any) -> Any:
    from agent.improve.proposers import PLACEBO
    from leaderboard.web.improvement_facts import Proposal

    facts = line.facts
    same = ("proposer", "cheap", "hypothesis", "stage", "verdict", "reason", "cpu_seconds", "predicted", "diff")
    return Proposal(id=line.id, placebo=facts["proposer"] == PLACEBO, parent=facts["parent"][:12], child=facts["child"][:12],
                    gains=tuple((pair["family"], -1.0 if pair["gain"] is None else pair["gain"]) for pair in facts["confirm"]),
                    **{name: facts[name] for name in same})
