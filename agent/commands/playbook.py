"""`medalist playbook list|show|diff|use|rollback`: the versions of the playbook and the pointer to the one in use."""

import argparse
import json
from pathlib import Path
from typing import Any

from agent.output import UsageError, print_rows

HELP = "list, show and compare the versions of the playbook; choose the one in use"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("--home", type=Path, default=None, metavar="FOLDER",
                      help="where versions, pointer and ledger lie (default: the package's own)")
    parts = made.add_subparsers(required=True, metavar="ACTION", dest="action")
    parts.add_parser("list", help="all versions, with their parents")
    shown = parts.add_parser("show", help="the text of a version")
    shown.add_argument("version", nargs="?", default="current", help="a hash, current or zero (default: current)")
    compared = parts.add_parser("diff", help="what one version says otherwise than another")
    compared.add_argument("old", help="a hash, current or zero")
    compared.add_argument("new", nargs="?", default="current", help="a hash, current or zero (default: current)")
    used = parts.add_parser("use", help="move the pointer to a version")
    used.add_argument("version", help="a hash or zero")
    parts.add_parser("rollback", help="move the pointer to the parent of the version in use")


def run(options: argparse.Namespace, started: float) -> None:
    from agent.playbook.store import SHIPPED, Store

    store = Store(options.home or SHIPPED)
    ACTIONS[options.action](store, options)


def _list(store: Any, options: argparse.Namespace) -> None:
    from agent.playbook.store import VERSION_0

    rows = []
    for name in store.folders():
        bundle = store.load(name)
        marks = ["in use"] * (name == store.current) + ["version 0"] * (name == VERSION_0)
        rows.append({"version": name, "parent": bundle.parent[:12], "epoch": bundle.epoch, "": ", ".join(marks),
                     "generation": len(store.line(name)) - 1, "files": len(bundle.files)})
    rows.sort(key=lambda row: (row["generation"], row["version"]))
    print_rows(rows, ["version", "parent", "generation", "epoch", "files", ""], as_json=options.json, title="playbooks")


def _show(store: Any, options: argparse.Namespace) -> None:
    bundle = store.load(options.version)
    if options.json:
        print(json.dumps({"hash": bundle.hash, "parent": bundle.parent, "files": dict(bundle.files)}, indent=1))
        return
    for path, text in sorted(bundle.files.items()):
        print(f"=== {path}\n{text}")


def _diff(store: Any, options: argparse.Namespace) -> None:
    from agent.playbook.bundle import difference

    text = difference(store.load(options.old), store.load(options.new))
    print(json.dumps({"diff": text}, indent=1) if options.json else text, end="" if not options.json else "\n")


def _use(store: Any, options: argparse.Namespace) -> None:
    _move(store, options.version, "use", options)


def _rollback(store: Any, options: argparse.Namespace) -> None:
    parent = store.load("current").parent
    if not parent:
        raise UsageError(f"{store.current} is version 0: there is nothing before it")
    _move(store, parent[:12], "rollback", options)


def _move(store: Any, version: str, how: str, options: argparse.Namespace) -> None:
    from agent.improve.ledger import FILE, Ledger

    before, bundle = store.current, store.load(version)
    Ledger(store.home / FILE).append(how, {"was": before, "now": bundle.short, "reason": "by hand"})
    store.point(version)
    facts = {"was": before, "in use": bundle.short}
    print(json.dumps(facts) if options.json else f"{how}: {before} -> {bundle.short}")


ACTIONS = {"list": _list, "show": _show, "diff": _diff, "use": _use, "rollback": _rollback}
