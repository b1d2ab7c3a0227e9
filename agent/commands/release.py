"""`medalist release`: opens the vault, once: the version in use against another on tasks that no decision was made with."""

import argparse

from agent.commands import improve
from agent.output import positive, whole

HELP = "open the vault: how much better the version of the playbook in use is than version 0, with an interval"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("--against", default="zero", metavar="VERSION", help="a hash, or zero (default: zero)")
    made.add_argument("--budget", type=positive, default=10.0, metavar="SECONDS",
                      help="processor seconds of one run of one arm (default: 10)")
    made.add_argument("--seeds", type=whole, default=3, metavar="N", help="runs of both on each task (default: 3)")
    improve.add_playing(made)


def run(options: argparse.Namespace, started: float) -> None:
    from agent.improve import vault
    from agent.improve.page import write_page
    from agent.playbook.store import SHIPPED, Store

    made = argparse.ArgumentParser()
    improve.add(made)
    whole_set = argparse.Namespace(**{**vars(made.parse_args(["--practice", "0", "--release"])), **vars(options)})
    store = Store(options.home or SHIPPED)
    with improve.campaign(store, whole_set) as campaign:
        vault.release(campaign, options.against, seeds=options.seeds)
    if options.page:
        write_page(store, options.page)
