"""`medalist llm check`: what a language model's endpoint can do, what it costs, how fast it is."""

import argparse
import os
from typing import Any

from agent.llm.arguments import add_options, addresses, limits
from agent.output import UsageError, print_rows

HELP = "probe the endpoint of a language model: what works, what it costs, how fast it is"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("action", choices=["check"])
    add_options(made)


def run(options: argparse.Namespace, started: float) -> None:
    from agent.llm.budget import Budget

    asked = addresses(options, os.environ)
    if not asked:
        raise UsageError("no model to check: say --llm MODEL or --llm MODEL@URL, or set MEDALIST_LLM")
    budget = Budget(limits(options))
    rows = [row for address in asked for row in _rows(address, budget)]
    print_rows(rows, ["model", "check", "works", "detail", "seconds", "dollars"], as_json=options.json, title="language models")
    mute = [row for row in rows if row["check"] == "answers" and row["works"] == "no"]
    if mute:
        raise UsageError(f"{mute[0]['model']} does not answer: {mute[0]['detail']}")


def _rows(address: Any, budget: Any) -> list[dict[str, Any]]:
    from agent.llm.budget import Metered
    from agent.llm.check import check_address, probe
    from agent.llm.connect import endpoint, url_of
    from agent.llm.prices import price_of

    if problem := check_address(address):
        raise UsageError(problem)
    price = price_of(address, url_of(address, os.environ))
    client = endpoint(address, os.environ, price)
    words = {True: "yes", False: "no", None: ""}
    return [{"model": address.model, "check": found.check, "works": words[found.works], "detail": found.detail,
             "seconds": round(found.usage.seconds, 2), "dollars": round(found.usage.dollars, 6)}
            for found in probe(client, Metered(client, budget, price), price)]
