"""One competition as the agent speaks with it: download, submit, ask. Every process has an environment and a time limit."""

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from leaderboard.kaggle.environment import is_own_host
from leaderboard.kaggle.failures import KaggleError, kind_of
from leaderboard.locks import locked

SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
WORKER = Path(__file__).with_name("worker.py")
SETTLING_SECONDS = 2.0  # until a submission that Kaggle accepted is surely listed
EXCHANGE = re.compile(r'"(?:GET|POST|PUT) (\S+) HTTP/[\d.]+" (\d{3})')


@dataclass(frozen=True)
class Seconds:
    """Time limits: of one question, of one upload with its submission, of a whole download, of waiting for a score, of
    waiting for another process that submits."""

    question: float = 90.0
    submit: float = 600.0
    download: float = 4 * 3600.0
    score: float = 900.0
    turn: float = 1800.0


@dataclass(frozen=True)
class Allowance:
    """Submissions of the team today, and how many Kaggle still takes."""

    used_today: int
    remaining: int


@dataclass(frozen=True)
class Competition:
    """What Kaggle says of a competition. `entered`: its rules are accepted. `rank`: the team's, None without a score."""

    slug: str
    title: str
    url: str
    metric: str
    deadline: datetime | None
    entered: bool
    notebooks_only: bool
    disabled: bool
    max_daily: int
    teams: int
    rank: int | None
    allowance: Allowance


@dataclass(frozen=True)
class Submission:
    """A submission as Kaggle lists it. status: PENDING, COMPLETE or ERROR; scores are None until they are known."""

    ref: int
    date: str
    file: str
    description: str
    status: str
    error: str
    public: float | None
    private: float | None


@dataclass(frozen=True)
class Finished:
    """How a process of the command line ended. `exchanges`: (last part of the address, HTTP status), where it told."""

    code: int
    output: str
    exchanges: tuple[tuple[str, int], ...]
    hung: bool = False

    @property
    def last_words(self) -> str:
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "it said nothing"


class Kaggle:
    """Kaggle, for one competition; `with` ends its process. Raises KaggleError; no file of ours is changed by that."""

    def __init__(self, slug: str, environment: Mapping[str, str], *, seconds: Seconds | None = None) -> None:
        """`environment`: see kaggle_environment; it holds the credentials and is given to our two processes alone."""
        self.slug, self.environment, self.seconds = slug, dict(environment), seconds or Seconds()
        self.worker = Worker(environment)
        self.turn: tuple[int, ...] = ()
        if not SLUG.fullmatch(slug):
            raise self.failed("missing")

    def __enter__(self) -> "Kaggle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.worker.close()

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Be the only process with this folder that submits to the competition; wait for another one. The command line holds
        the lock with us: where we are killed and it goes on, the next process looks for its submission once it has ended."""
        with ExitStack() as held:
            try:
                self.turn = (held.enter_context(locked(folder / f".submitting-{self.slug}", seconds=self.seconds.turn)),)
            except TimeoutError as late:
                raise self.failed("turn", detail=f"{self.seconds.turn:g}") from late
            held.callback(setattr, self, "turn", ())
            yield

    def competition(self) -> Competition:
        return _competition(self._ask("competition"))

    def entered(self) -> Competition:
        """The competition; KaggleError where its rules are not accepted yet."""
        found = self.competition()
        if not found.entered:
            raise self.failed("rules")
        return found

    def ready(self) -> tuple[Competition, list[Submission]]:
        """The competition and the team's submissions, the newest first; KaggleError where its rules are not accepted."""
        found = self._ask("ready")
        if not found["competition"]["entered"]:
            raise self.failed("rules")
        return _competition(found["competition"]), [_submission(known) for known in found["submissions"]]

    def pages(self) -> dict[str, str]:
        """The text of each page by its name; none where Kaggle shows none."""
        try:
            return {page["name"]: page["content"] for page in self._ask("pages")}
        except KaggleError as error:
            if error.kind not in ("missing", "forbidden"):
                raise
            return {}

    def submissions(self) -> list[Submission]:
        """All submissions of the team, the newest first."""
        return [_submission(known) for known in self._ask("submissions")]

    def scored(self, ref: int) -> Submission:
        """The submission, waited for until it is scored or the time is up (then it is still PENDING)."""
        found = self._ask("wait", ref=ref, seconds=self.seconds.score, within=self.seconds.score)
        if found is None:
            raise self.failed("lost")
        return _submission(found)

    def finals(self) -> list[int]:
        """Which submissions are marked to count in the end."""
        return [known["ref"] for known in self._ask("finals")]

    def mark_finals(self, refs: Sequence[int]) -> None:
        """Mark these, and no others, to count in the end: a call that a host of one's own has and Kaggle has not, there it is
        on the web page alone."""
        try:
            self._ask("mark_finals", refs=list(refs))
        except KaggleError as error:
            raise self.failed("refused", detail=error.detail) if error.kind == "missing" else error from error

    @property
    def own_host(self) -> bool:
        return is_own_host(self.environment)

    def failed(self, kind: str, *, detail: str = "", ref: int = 0) -> KaggleError:
        """What went wrong, with the remedy that there is on Kaggle or on a host of one's own."""
        return KaggleError(kind, self.slug, detail=detail, ref=ref, own_host=self.own_host)

    def leaderboard(self) -> list[float]:
        """The scores of all teams, the best first."""
        return [float(row["score"]) for row in self._ask("leaderboard") if row["score"]]

    def download(self, folder: Path) -> Path:
        """The competition's files as one zip in `folder`; a download that broke off before goes on where it was."""
        self.entered()
        folder.mkdir(parents=True, exist_ok=True)
        done = self._command("download", self.slug, "-p", str(folder), "-q", seconds=self.seconds.download)
        if done.hung:
            raise self.failed("hung", detail=f"{self.seconds.download:g}")
        file = folder / f"{self.slug}.zip"
        if done.code or not file.is_file():
            self.entered()  # says why, where Kaggle refuses us altogether
            raise self.failed("files", detail=done.last_words)
        return file

    def submit(self, file: Path, *, tag: str, note: str = "") -> Submission:
        """Submit once. `tag`, the first word of the message, names this submission for ever: where Kaggle lists one
        with it, from an earlier try whose answer was lost, that one is returned and nothing is sent."""
        for attempt in (1, 2):
            about, listed = self.ready()
            found = tagged(listed, tag)
            if found is not None:
                return found
            self.check_open(about)
            done = self._send(file, f"{tag} {note}".strip())
            found = self._arrived(tag, done)
            if found is not None:
                return found
            error = self._why_refused(done)
            if attempt == 2 or error.kind not in ("lost", "upload"):
                raise error
        raise AssertionError("two attempts end in a return or an error")

    def check_open(self, about: Competition) -> None:
        """KaggleError, before any upload, where a submission would be refused."""
        if about.notebooks_only:
            raise self.failed("notebook")
        if about.disabled:
            raise self.failed("closed")
        if not about.allowance.remaining:
            raise self.failed("limit")

    def _send(self, file: Path, message: str) -> Finished:
        """The upload and the submission, by the command line. VERBOSE makes it log the status of every exchange."""
        return self._command("submit", self.slug, "-f", str(file), "-m", message, "-q", seconds=self.seconds.submit,
                             environment={"VERBOSE": "1"})

    def _arrived(self, tag: str, done: Finished) -> Submission | None:
        """The submission, if it is there whatever the command line said. Where it said yes, the list is given time."""
        accepted = ("CreateSubmission", 200) in done.exchanges
        for pause in (0.0, SETTLING_SECONDS, 2 * SETTLING_SECONDS):
            time.sleep(pause)
            try:
                found = tagged(self.submissions(), tag)
            except KaggleError as error:
                if done.exchanges and done.exchanges[-1][0] == "StartSubmissionUpload":
                    raise
                raise self.failed("unknown", detail=str(error)) from error
            if found is not None or not (accepted or _is_open(done)):
                return found
        return None

    def _why_refused(self, done: Finished) -> KaggleError:
        """The reason, by the status of the exchange that failed and by what Kaggle says of the competition now."""
        call, status = done.exchanges[-1] if done.exchanges else ("", 0)
        failed = status >= 400
        uploaded = call in ("StartSubmissionUpload", "CreateSubmission")
        if failed and not uploaded:
            return self.failed("upload", detail=f"HTTP {status}")
        if not failed:
            return self.failed("hung" if done.hung else "lost", detail=f"{self.seconds.submit:g}")
        if status in (400, 403):
            try:
                self.check_open(self.entered())
            except KaggleError as error:
                return error
        return self.failed(kind_of(status), detail=f"HTTP {status}: {_reason(done.output)}")

    def _command(
        self, *arguments: str, seconds: float, environment: Mapping[str, str] | None = None,
    ) -> Finished:
        """One run of `kaggle competitions ...`; -P keeps a folder named kaggle from being taken for it."""
        command = [sys.executable, "-P", "-m", "kaggle", "-W", "competitions", *arguments]
        try:
            done = subprocess.run(command, env={**self.environment, **(environment or {})}, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=seconds, check=False,
                                  pass_fds=self.turn)
        except subprocess.TimeoutExpired as late:
            return Finished(1, _text(late.stdout), _exchanges(_text(late.stderr)), hung=True)
        return Finished(done.returncode, done.stdout + ("" if environment else done.stderr), _exchanges(done.stderr))

    def _ask(self, what: str, *, within: float = 0.0, **more: Any) -> Any:
        """The worker's answer to one question; `within`: seconds it may take beyond those of a question."""
        limit = self.seconds.question + within
        try:
            answer = self.worker.ask({"do": what, "slug": self.slug, **more}, seconds=limit)
        except TimeoutError as late:
            raise self.failed("hung", detail=f"{limit:g}") from late
        if answer["status"] != 200:
            kind = "no_key" if answer["status"] == -1 else kind_of(answer["status"])
            raise self.failed(kind, detail=answer["message"])
        return answer["value"]


class Worker:
    """The process of worker.py, started at the first question, ended by `close` or by a question that hung."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, question: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """One answer. Raises TimeoutError after `seconds`; a worker that died answers with the status 500."""
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, "-P", str(WORKER)], env=self.environment,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
            line = _line(self.process.stdout.fileno(), end=time.monotonic() + seconds)
        except BrokenPipeError:
            line = b""
        except TimeoutError:
            self.close()
            raise
        if line:
            return dict(json.loads(line))
        self.close()
        return {"status": 500, "message": "our worker process died"}

    def close(self) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def _line(handle: int, *, end: float) -> bytes:
    """All until the end of a line, or nothing where the other side is gone. TimeoutError at `end`."""
    read = b""
    while not read.endswith(b"\n"):
        if not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(handle, 1 << 16)
        if not part:
            return b""
        read += part
    return read


def tagged(listed: Sequence[Submission], tag: str) -> Submission | None:
    """The submission whose message starts with this tag."""
    return next((known for known in listed if known.description.split(" ")[0] == tag), None)


def _competition(found: dict[str, Any]) -> Competition:
    allowance = Allowance(found.pop("used_today"), found.pop("remaining"))
    stated = found.pop("deadline")
    deadline = datetime.fromisoformat(stated) if stated else None
    if deadline is not None and deadline.tzinfo is None:
        deadline = deadline.replace(tzinfo=UTC)
    return Competition(**found, deadline=deadline, allowance=allowance)


def _submission(known: dict[str, Any]) -> Submission:
    numbers = {part: float(known[part]) if known[part] else None for part in ("public", "private")}
    return Submission(known["ref"], known["date"], known["file"], known["description"], known["status"], known["error"],
                      **numbers)


def _exchanges(log: str) -> tuple[tuple[str, int], ...]:
    """What urllib3 logged, in order: an upload's last part is its token, a call's its name."""
    return tuple((address.split("?")[0].rsplit("/", 1)[-1], int(status)) for address, status in EXCHANGE.findall(log))


def _is_open(done: Finished) -> bool:
    """Was everything up to the last exchange answered well, so that the last request's fate is not known?"""
    return bool(done.code or done.hung) and bool(done.exchanges) and done.exchanges[-1][1] < 400


def _reason(output: str) -> str:
    """The server's message in the last answer that the command line printed. For people; nothing is decided by it."""
    for line in reversed(output.splitlines()):
        try:
            body = json.loads(line)
            return str(body.get("error", body)["message"])[:300]
        except (ValueError, AttributeError, KeyError, TypeError):
            continue
    return "no reason given"


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
