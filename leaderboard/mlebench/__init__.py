"""MLE-bench as it lies on a disk: which competitions there are, where their prepared data and leaderboards are.

Source of the layout and of the splits: https://github.com/openai/mle-bench. Nothing of MLE-bench is imported or needed.
"""

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SPLITS = ("low", "medium", "high", "all")


class MleBenchError(Exception):
    """A competition that is not there as asked; the message says what exists and what to do."""


@dataclass(frozen=True)
class Competition:
    """A competition of a data directory: `public` is what agents see, `private` holds the answers.

    leaderboard: the original competition's leaderboard.csv, None where it is not at hand (then there are no medals).
    """

    id: str
    public: Path
    private: Path
    leaderboard: Path | None

    @property
    def prepared(self) -> bool:
        """Whether it can be competed in and graded."""
        return self.handed_out and any(self.private.glob("*"))

    @property
    def handed_out(self) -> bool:
        """Whether it can be competed in: inside MLE-bench's container there are no answers."""
        return any(self.public.glob("*"))


@cache
def ids(split: str = "all") -> tuple[str, ...]:
    """The ids of a split: low (which is "lite"), medium, high, or all 75."""
    if split not in SPLITS:
        raise MleBenchError(f"no split {split!r}; there are: {', '.join(SPLITS)}")
    known = tomllib.loads((Path(__file__).parent / "splits.toml").read_text(encoding="utf-8"))
    return tuple(id for name in (known if split == "all" else (split,)) for id in known[name])


def competition(id: str, data: Path, *, repository: Path | None = None) -> Competition:
    """The competition of that id below `data`; `repository`: a checkout of MLE-bench, which has the leaderboards.

    An id that is none of MLE-bench's will do where its folder exists. Raises MleBenchError where it does not.
    """
    folder = data / id
    if id not in ids() and not folder.is_dir():
        near = difflib.get_close_matches(id, ids(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise MleBenchError(f"no MLE-bench competition {id!r}{hint}; `medalist bench --mlebench --list` names all {len(ids())}")
    boards = [folder / "leaderboard.csv"]
    if repository is not None:
        boards.insert(0, repository / "mlebench" / "competitions" / id / "leaderboard.csv")
    found = next((board for board in boards if board.is_file()), None)
    return Competition(id, folder / "prepared" / "public", folder / "prepared" / "private", found)


def handed_out(id: str, data: Path, *, repository: Path | None = None) -> Competition:
    """The same; MleBenchError with the command that prepares it where it is not."""
    known = competition(id, data, repository=repository)
    if not known.handed_out:
        raise MleBenchError(f"{id} is not prepared in {data}: run `{preparing(id, data)}`")
    return known


def preparing(id: str, data: Path) -> str:
    """The command of MLE-bench that downloads and prepares a competition."""
    return f"mlebench prepare -c {id} --data-dir {data}"
