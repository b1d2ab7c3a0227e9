"""`medalist host`: an offline competition host for the real `kaggle` command line, and what its owner does with it."""

import argparse
import contextlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.output import UsageError, positive, print_rows, whole

HELP = "serve competitions to the real kaggle command line, offline"
PORT = 8777
DEAD = "http://127.0.0.1:9"  # nothing listens there: calls to the real Kaggle fail at once


def add(made: argparse.ArgumentParser) -> None:
    actions = made.add_subparsers(metavar="ACTION", dest="action")
    _shared(made, default=True)
    made.add_argument("--bind", default="127.0.0.1", help="address to listen at (default: this machine only)")
    made.add_argument("--port", type=int, default=PORT, help=f"0: any free port (default: {PORT})")
    made.add_argument("--name", action="append", default=[], help="a name that clients may call this machine by")
    made.add_argument("--errors", choices=("kaggle", "plain"), default="kaggle",
                      help="kaggle: as production answers, the client shows the status only; plain: it shows the message")
    made.add_argument("--largest", type=positive, default=100.0, metavar="MIB", help="the largest submission (default: 100)")
    made.add_argument("--unpacked", type=positive, default=512.0, metavar="MIB", help="the largest one unpacked (default: 512)")
    made.add_argument("--seconds", type=positive, default=120.0, help="for scoring one submission (default: 120)")
    made.set_defaults(act=serve)
    for name, (act, arguments, about) in ACTIONS.items():
        action = actions.add_parser(name, help=about, description=about)
        _shared(action, default=False)
        action.set_defaults(act=act)
        arguments(action)


def run(options: argparse.Namespace, started: float) -> None:
    from leaderboard.host.home import open_home

    home = open_home(options.home or options.data / "host", options.database)
    try:
        options.act(home, options)
    finally:
        home.store.close()


def serve(home: Any, options: argparse.Namespace) -> None:
    from leaderboard.host.app import Settings
    from leaderboard.host.scoring import Allowed
    from leaderboard.host.server import serve as serve_until_stopped

    settings = Settings(largest=int(options.largest * 2**20), nested_errors=options.errors == "kaggle",
                        names=tuple(options.name),
                        allowed=Allowed(seconds=options.seconds, largest=int(options.unpacked * 2**20)))

    def ready(url: str) -> None:
        print(json.dumps({"url": url}) if options.json else
              f"serving at {url} (Ctrl-C ends it)\na client's environment: eval \"$(medalist host env USER)\"", flush=True)

    with contextlib.suppress(KeyboardInterrupt):  # it is how a host is ended
        serve_until_stopped(home, settings, bind=options.bind, port=options.port, ready=ready)


def env(home: Any, options: argparse.Namespace) -> None:
    """The shell lines for the server that runs in this folder, or will at the usual port."""
    from leaderboard.host import accounts
    from leaderboard.host.home import running_at

    known = accounts.names(home)
    if options.user is None and len(known) != 1:
        raise UsageError(f"say which user; there are: {', '.join(known) or 'none yet, make one: medalist host users NAME'}")
    url = running_at(home)
    found = environment(accounts.credentials(home, options.user or known[0]), url or f"http://127.0.0.1:{PORT}")
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"# {'the host runs' if url else 'the host is not running: medalist host'}")
    for name, value in found.items():
        print(f"export {name}={shlex.quote(value)}")


def environment(credentials: Any, url: str) -> dict[str, str]:
    """What makes the unmodified client talk to the host at `url`. The token also outranks one in the user's own folder,
    which the client would otherwise send here."""
    return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "KAGGLE_USERNAME": credentials.username,
            "KAGGLE_KEY": credentials.key, "KAGGLE_API_TOKEN": credentials.token, "http_proxy": url,
            "https_proxy": DEAD, "no_proxy": ""}


def create(home: Any, options: argparse.Namespace) -> None:
    from leaderboard.host import admin
    from leaderboard.host.clock import iso

    if len(options.tasks) > 1 and (options.slug or options.answers or options.field):
        raise UsageError(f"--slug, --answers and --field are of one task; {len(options.tasks)} were given: make them one by one")
    rules = admin.Rules(days=options.days, daily_limit=options.daily_limit, finals=options.finals,
                        notebooks_only=options.notebooks_only)
    for task in options.tasks:
        public, answers, field, slug = _source(task, options)
        made = admin.create(home, public, answers, slug=options.slug or slug, rules=rules, field=options.field or field)
        facts = {"slug": made.slug, "title": made.title, "metric": made.metric, "deadline": iso(made.deadline)}
        print(json.dumps(facts) if options.json else f"{made.slug}: {made.title}, until {facts['deadline']}", flush=True)


def _source(task: str, options: argparse.Namespace) -> tuple[Path, Path, Path, str]:
    """The public folder, the answers, the rivals and the name of a catalogue task or of a prepared folder."""
    from tasks import catalogue

    if task in catalogue.names():
        built = catalogue.prepare(task, options.data, options.data / "cache")
        answers = options.answers or built / "private" / "answers.csv"
        return built / "public", answers, catalogue.folder(task) / "field.csv", task
    folder = Path(task)
    public = folder / "public" if (folder / "public").is_dir() else folder
    answers = options.answers or folder / "private" / "answers.csv"
    if not public.is_dir():
        raise UsageError(f"no task {task!r}: it is neither a folder nor one of {', '.join(catalogue.names())}")
    if not answers.is_file():
        raise UsageError(f"no answers at {answers}: put private/answers.csv beside public/, or say --answers FILE")
    return public, answers, folder / "field.csv", folder.resolve().name.lower().replace("_", "-")


def users(home: Any, options: argparse.Namespace) -> None:
    from leaderboard.host import accounts

    for name in options.names:
        accounts.add_user(home, name)
    print_rows([{"user": name} for name in accounts.names(home)], ["user"], as_json=options.json, title="users")


def accept_rules(home: Any, options: argparse.Namespace) -> None:
    from leaderboard.host import admin

    for name in options.users:
        team = admin.accept_rules(home, options.competition, name, team=options.team)
        print(json.dumps({"user": name, "team": team}) if options.json else f"{name} is in, as team {team!r}")


def clock(home: Any, options: argparse.Namespace) -> None:
    from leaderboard.host import admin
    from leaderboard.host.clock import iso, seconds_of

    if options.reset:
        now = admin.reset_clock(home)
    elif options.to is not None:
        try:
            now = admin.set_clock(home, to=seconds_of(options.to))
        except ValueError as error:
            raise UsageError(f"{options.to!r} is no date: say it as 2026-11-30T12:00, in UTC") from error
    else:
        now = admin.set_clock(home, ahead=options.ahead) if options.ahead else admin.read_clock(home)
    print(json.dumps({"now": iso(now)}) if options.json else f"the host's clock shows {iso(now)}")


def finalise(home: Any, options: argparse.Namespace) -> None:
    from leaderboard.host import admin

    rows = [vars(row) for row in admin.finalise(home, options.competition)]
    print_rows(rows, ["place", "name", "score", "medal", "submissions"], as_json=options.json, title="final standings")


def _shared(made: argparse.ArgumentParser, *, default: bool) -> None:
    """Options that every action takes, before or after its name."""
    absent: Any = None if default else argparse.SUPPRESS
    made.add_argument("--home", type=Path, default=absent, help="the host's folder (default: host, below --data)")
    made.add_argument("--database", default=absent, metavar="URL",
                      help="postgresql://user@machine/name; said once, kept in the folder (default: SQLite in it)")
    if not default:
        made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for machines")
        made.add_argument("--data", type=Path, default=argparse.SUPPRESS, help="where prepared tasks lie (default: data)")


def _of_env(made: argparse.ArgumentParser) -> None:
    made.add_argument("user", nargs="?", help="whose credentials (default: the only user's)")


def _of_create(made: argparse.ArgumentParser) -> None:
    made.add_argument("tasks", nargs="+", metavar="TASK",
                      help="catalogue name, or a folder with public/ and private/answers.csv; each becomes a competition")
    made.add_argument("--answers", type=Path, help="the test rows' answers, where they lie elsewhere")
    made.add_argument("--field", type=Path, help="CSV of rival teams: name, private, and public where it is known")
    made.add_argument("--slug", help="the competition's name in URLs (default: the task's)")
    made.add_argument("--days", type=positive, default=30.0, help="until the deadline (default: 30)")
    made.add_argument("--daily-limit", type=whole, default=5, help="submissions of a team a day (default: 5)")
    made.add_argument("--finals", type=whole, default=2, help="submissions that count in the end (default: 2)")
    made.add_argument("--notebooks-only", action="store_true", help="refuse submitted files, as code competitions do")


def _of_users(made: argparse.ArgumentParser) -> None:
    made.add_argument("names", nargs="*", metavar="NAME", help="users to make; none: list those there are")


def _of_accept(made: argparse.ArgumentParser) -> None:
    made.add_argument("competition")
    made.add_argument("users", nargs="+", metavar="USER")
    made.add_argument("--team", help="the team's name (default: the user's own)")


def _of_clock(made: argparse.ArgumentParser) -> None:
    made.add_argument("--ahead", type=float, default=0.0, metavar="SECONDS", help="move it on, from where it is")
    made.add_argument("--to", metavar="DATE", help="set it, e.g. 2026-12-31T23:59, in UTC")
    made.add_argument("--reset", action="store_true", help="back to real time")


def _of_finalise(made: argparse.ArgumentParser) -> None:
    made.add_argument("competition")


Act = Callable[[Any, argparse.Namespace], None]
Arguments = Callable[[argparse.ArgumentParser], None]
ACTIONS: dict[str, tuple[Act, Arguments, str]] = {
    "env": (env, _of_env, "print the shell lines that point the real kaggle client at the host"),
    "create": (create, _of_create, "make competitions of tasks"),
    "users": (users, _of_users, "make users, or list them"),
    "accept-rules": (accept_rules, _of_accept, "enter users into a competition"),
    "clock": (clock, _of_clock, "show or move the host's clock"),
    "finalise": (finalise, _of_finalise, "end a competition: private scores, final places, medals"),
}
