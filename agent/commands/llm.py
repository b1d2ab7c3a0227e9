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
    mute = [row for row in rows if row["check"] == "answers" and row["works"] == "no"]
    if options.json or not mute:
        print_rows(rows, list(rows[0]), as_json=options.json, title="language models")
    if mute:
        raise UsageError(_silence(mute[0], rows, next(address for address in asked if address.model == mute[0]["model"])))


def _silence(mute: dict[str, Any], rows: list[dict[str, Any]], address: Any) -> str:
    """Why a model does not answer and what to do, on one line."""
    from agent.llm.connect import url_of

    detail = mute["detail"].replace("the variable that holds it", address.key)
    listed = next(row["detail"] for row in rows if row["model"] == address.model and row["check"] == "lists models")
    named = f"; {listed.split(';')[0]}" if "is not among" in listed else ""
    dead = "; is the server running, and is the url right?" if "connection failed" in detail else ""
    return f"{address.model} at {url_of(address, os.environ)} does not answer: {detail}{named}{dead}"


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
