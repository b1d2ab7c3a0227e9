"""`medalist select [SLUG]`: which two submissions should count in the end, and why; marked where that can be asked for."""

import argparse
import json

from agent.output import print_rows, record_path

HELP = "choose the two final submissions of a Kaggle competition, explain why, and mark them where the host lets us"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("competition", nargs="?", metavar="SLUG", help="the one of the latest submission when left out")
    made.add_argument("--finals", type=int, choices=(1, 2), default=2, help="how many count in the end (default: 2)")
    made.add_argument("--dry-run", action="store_true", help="say which and why, and mark nothing")


def run(options: argparse.Namespace, started: float) -> None:
    place = record_path(options.runs)
    from agent import kaggle_finals
    from agent.kaggle_run import client
    from leaderboard.record import Record

    with Record(place) as record:
        slug, choice = kaggle_finals.select(record, options.competition, finals=options.finals)
    if options.dry_run:
        marks = kaggle_finals.Marks(None, "a dry run: nothing was marked")
    else:
        with client(slug) as kaggle:
            marks = kaggle_finals.mark(kaggle, choice)
    chosen = {known.sent.ref for known in choice.chosen}
    rows = [{"final": "yes" if known.sent.ref in chosen else "", "ref": known.sent.ref, "run": known.sent.run,
             "honest": known.sent.honest, "public": known.sent.public, "estimate": known.estimate,
             "standard error": known.standard_error} for known in choice.candidates]
    if options.json:
        print(json.dumps({"competition": slug, "chosen": sorted(chosen), "marked": marks.refs, "candidates": rows,
                          "why": choice.why, "note": marks.line}, indent=1))
        return
    print_rows(rows, list(rows[0]), as_json=False, title=f"{slug}: finals")
    print("\n".join((*choice.why, marks.line)))
