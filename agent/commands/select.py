"""`medalist select [SLUG]`: which two submissions should count in the end, and why."""

import argparse
import json

from agent.output import print_rows, record_path

HELP = "choose the two final submissions of a Kaggle competition and explain why"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("competition", nargs="?", metavar="SLUG", help="the one of the latest submission when left out")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import kaggle_finals
    from leaderboard.record import Record

    with Record(record_path(options.runs)) as record:
        slug, choice = kaggle_finals.select(record, options.competition)
    chosen = {known.sent.ref for known in choice.chosen}
    rows = [{"final": "yes" if known.sent.ref in chosen else "", "ref": known.sent.ref, "run": known.sent.run,
             "honest": known.sent.honest, "public": known.sent.public, "estimate": known.estimate,
             "standard error": known.standard_error} for known in choice.candidates]
    tick = f"tick them at https://www.kaggle.com/competitions/{slug}/submissions: Kaggle's client cannot"
    if options.json:
        print(json.dumps({"competition": slug, "chosen": sorted(chosen), "candidates": rows, "why": choice.why}, indent=1))
        return
    print_rows(rows, list(rows[0]), as_json=False, title=f"{slug}: finals")
    print("\n".join((*choice.why, tick)))
