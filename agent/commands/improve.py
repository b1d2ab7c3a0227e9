"""`medalist improve`: proposes changes of the playbook, gates them, moves the pointer or not; each ledger line is printed."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.llm.arguments import add_options
from agent.output import positive, whole

PRACTICE = 8  # times the budget of an arm: a table of trials needs many recipes on the same task
HELP = "propose changes of the playbook from the record, gate them on unseen families, keep what helps"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("--rounds", type=number, default=1, metavar="K", help="proposals to take to a verdict (default: 1)")
    made.add_argument("--budget", type=positive, default=10.0, metavar="SECONDS",
                      help="processor seconds of one run of one arm (default: 10)")
    made.add_argument("--placebos", type=number, default=0, metavar="N", help="also judge N reruns of nothing at all")
    made.add_argument("--release", nargs="?", const="zero", metavar="VERSION",
                      help="then open the vault: the version in use against this one (default: zero)")
    made.add_argument("--practice", type=number, default=12, metavar="N",
                      help="first play those of N practice tasks that the evidence lacks, at eight times the budget, "
                           "so that each shows many recipes (default: 12)")
    made.add_argument("--proposers", nargs="+", default=None, metavar="NAME", help="only these (default: all)")
    made.add_argument("--confirmations", type=whole, default=20, metavar="N", help="at most, for one epoch's error budget")
    add_playing(made)
    add_options(made)


def add_playing(made: argparse.ArgumentParser) -> None:
    """The options of whatever plays versions against each other."""
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--executor", default="local", help="how trials run (default: local)")
    made.add_argument("--home", type=Path, default=None, metavar="FOLDER",
                      help="where versions, pointer and ledger lie (default: the package's own)")
    made.add_argument("--rehearse", type=Path, metavar="FILE", help="outcomes from a JSON file instead of runs: a rehearsal")
    made.add_argument("--page", type=Path, metavar="FILE", help="also write what the ledger says as Markdown")


def number(text: str) -> int:
    """A whole number, none included, for argparse."""
    return 0 if text == "0" else whole(text)


def run(options: argparse.Namespace, started: float) -> None:
    from agent.improve import placebos, vault, watch
    from agent.improve.page import write_page
    from agent.playbook.store import SHIPPED, Store

    store = Store(options.home or SHIPPED)
    if (line := watch.watch(store, options.runs / "record.db")) is not None:
        _say(line, options)
    with campaign(store, options) as known:
        for _ in range(options.rounds):
            if known.round() is None:
                print("nobody has anything to propose: compete more, or give a larger --practice N", file=sys.stderr)
                break
        if options.placebos:
            list(placebos.placebos(known, options.placebos))
        if options.release:
            vault.release(known, options.release)
    if options.page:
        write_page(store, options.page)


@contextmanager
def campaign(store: Any, options: argparse.Namespace) -> Iterator[Any]:
    """A Campaign as `medalist improve` was asked for, its practice played and its evaluator open."""
    from agent.improve import pools, vault
    from agent.improve.campaign import Campaign, Terms
    from agent.improve.evidence import gather
    from agent.improve.ledger import FILE, Ledger
    from agent.improve.live import Live
    from agent.improve.practice import practise
    from agent.improve.proposers import names
    from agent.improve.recorded import Recorded

    opened = vault.opened(Ledger(store.home / FILE).lines())
    tasks = pools.load(options.data, opened=opened, names=("practice", "gate", *(["vault"] if options.release else [])))
    hidden = frozenset(name for pool in ("gate", "vault") for name in pools.families(opened)[pool][1])
    practice_runs = store.home / "workshop" / "practice"
    terms = Terms(cpu_seconds=options.budget, seed=options.seed, confirmations=options.confirmations)
    evaluator = Recorded.load(options.rehearse) if options.rehearse else Live(options.executor)
    made = Campaign(
        store, tasks, evaluator, lambda: gather([options.runs / "record.db", practice_runs / "record.db"], hidden=hidden),
        terms, _llm(options), lambda line: _say(line, options), options.proposers or names(),
    )
    if isinstance(evaluator, Recorded):
        yield made
        return
    with evaluator:
        practise(store, tasks.practice, options.practice, evaluator=evaluator, runs=practice_runs,
                 cpu_seconds=PRACTICE * options.budget, say=lambda text: print(text, file=sys.stderr, flush=True))
        yield made


def _llm(options: argparse.Namespace) -> Any:
    """The language model that was asked for, None where none was."""
    import os

    from agent.llm.arguments import addresses, limits, store_folder
    from agent.llm.connect import connect

    if not (options.llm or os.environ.get("MEDALIST_LLM")):
        return None
    return connect(addresses(options, os.environ), environment=os.environ, limits=limits(options),
                   ledger=options.runs / "llm" / "improve.jsonl", store=store_folder(options.runs), replay=options.llm_replay)


def _say(line: Any, options: argparse.Namespace) -> None:
    from agent.improve.ledger import summary

    print(json.dumps({"id": line.id, "kind": line.kind, **line.facts}) if options.json else summary(line), flush=True)
