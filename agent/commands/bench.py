"""`medalist bench`: the benchmark, of ourselves or of a rival, on catalogue tasks, plain folders or MLE-bench."""

import argparse
import json
import os
import sys
from pathlib import Path

from agent.output import UsageError, positive, print_rows, whole

HELP = "run the benchmark: catalogue tasks or MLE-bench, ourselves or a rival; resumable"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("--agent", default="medalist", metavar="NAME", help="who competes (default: medalist; ? lists all)")
    made.add_argument("--tasks", nargs="*", default=None, help="catalogue names; all when left out")
    made.add_argument("--folders", type=Path, help="plain task folders with solution.csv")
    made.add_argument("--seeds", type=whole, default=1, metavar="N", help="how many seeds, from 0 (default: 1)")
    made.add_argument("--budget", type=positive, default=300.0, metavar="SECONDS", help="of a run (default: 300)")
    made.add_argument("--slots", type=whole, default=2, help="processors of a run (default: 2)")
    made.add_argument("--parallel", type=whole, default=1, help="runs at once (default: 1)")
    made.add_argument("--out", type=Path, help="where results go (default: docs/results.md; MLE-bench: RUNS/mlebench/...)")
    made.add_argument("--anew", action="store_true", help="catalogue: also what older code of ours has a result of")
    made.add_argument("--as-long-as", nargs="+", metavar="NAME",
                      help="catalogue: as much wall clock for us as the best of these rivals took, where it was late")
    made.add_argument("--cache", type=Path, default=Path("data/rivals"), help="where rivals' environments lie")
    made.add_argument("--llm", metavar="MODEL", help="for rivals that need one (default: the first of MEDALIST_LLM)")
    made.add_argument("--mlebench", action="store_true", help="MLE-bench's competitions instead of the catalogue")
    made.add_argument("--split", default="low", help="low, medium, high or all (default: low)")
    made.add_argument("--ids", nargs="*", metavar="ID", help="these competitions instead of a split")
    made.add_argument("--mlebench-data", type=Path, default=Path("data/mlebench"), metavar="FOLDER",
                      help="where prepared competitions lie (default: data/mlebench)")
    made.add_argument("--mlebench-repo", type=Path, metavar="FOLDER", help="a checkout of MLE-bench, for its leaderboards")
    made.add_argument("--list", action="store_true", help="list the split and what prepares it; run nothing")


def run(options: argparse.Namespace, started: float) -> None:
    from agent.rivals import names, rival

    if options.agent == "?":
        print_rows([{"agent": name} for name in ("medalist", *names())], ["agent"], as_json=options.json, title="agents")
        return
    if options.agent != "medalist":
        rival(options.agent)  # says who there is
    if options.mlebench and options.as_long_as:
        raise UsageError("--as-long-as is for the catalogue and --folders, not for --mlebench")
    if options.mlebench:
        _mlebench(options)
    else:
        _catalogue(options)


def _catalogue(options: argparse.Namespace) -> None:
    from agent import bench

    if options.list or options.ids:
        raise UsageError("--list and --ids are for --mlebench; `medalist tasks` lists the catalogue")
    words = ["--agent", options.agent, "--budget", str(options.budget), "--slots", str(options.slots),
             "--parallel", str(options.parallel), "--runs", str(options.runs), "--data", str(options.data),
             "--cache", str(options.cache), "--model", _model(options), "--seeds", *map(str, range(options.seeds))]
    words += ["--tasks", *options.tasks] if options.tasks is not None else []
    words += ["--folders", str(options.folders)] if options.folders else []
    words += ["--out", str(options.out)] if options.out else []
    words += ["--anew"] if options.anew else []
    words += ["--as-long-as", *options.as_long_as] if options.as_long_as else []
    bench.main(words)


def _mlebench(options: argparse.Namespace) -> None:
    from agent.mlebench_bench import Plan, bench, lines, standing
    from leaderboard.mlebench import ids

    ids(options.split)  # says which there are
    out = options.out or options.runs / "mlebench" / f"{options.agent}-{options.budget:g}s"
    plan = Plan(options.agent, options.data, options.mlebench_data, options.mlebench_repo, options.runs, out.resolve(),
                options.budget, options.slots, options.parallel, options.seeds, options.cache, _model(options))
    if options.list:
        columns = ["id", "split", "prepared", "leaderboard", "prepare"]
        print_rows(standing(options.split, plan), columns, as_json=options.json, title="MLE-bench")
        return
    asked = options.ids or ids(options.split)
    figures = bench(asked, plan, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(figures, indent=1) if options.json else "\n".join([*lines(figures), f"files: {out}"]))


def _model(options: argparse.Namespace) -> str:
    known = (options.llm or os.environ.get("MEDALIST_LLM", "")).split()
    return known[0] if known else ""
