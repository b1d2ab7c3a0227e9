"""Makes a competition's folder from what Kaggle has: its files, its pages as description.md, its facts as kaggle.json."""

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

from leaderboard.kaggle.client import Competition, Kaggle
from leaderboard.kaggle.failures import KaggleError

FACTS = "kaggle.json"
FIRST = ("overview", "description", "abstract", "evaluation", "data-description", "data_description", "data")
APART = ("rules",)  # legal text, which names many things that are not the metric
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
BREAK = re.compile(r"(?i)<(?:br|/p|/div|/li|/h\d|/tr|p|h\d)\b[^<>]*>")


def fetch(kaggle: Kaggle, folder: Path, downloads: Path) -> Path:
    """Download the competition into `folder`, whole or not at all; a later call fetches what is new. `downloads` keeps
    the zip. A task.toml that stands in `folder` already stays: the user may have written into it."""
    about = kaggle.entered()
    pages, file = kaggle.pages(), kaggle.download(downloads)
    stamp = [file.stat().st_size, int(file.stat().st_mtime)]
    if facts(folder).get("zip") != stamp or not _complete(file, folder):
        _unpack(file, folder, kaggle.slug)
    _write_pages(folder, about, pages)
    (folder / FACTS).write_text(json.dumps(_facts(about, stamp), indent=1), encoding="utf-8")
    return folder


def facts(folder: Path) -> dict[str, Any]:
    """What kaggle.json says of a folder's competition; nothing where the folder is no download."""
    path = folder / FACTS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def describe(about: Competition, pages: Mapping[str, str]) -> str:
    """description.md: each page under a heading of its own, the rules left to rules.md."""
    names = sorted((name for name in pages if name.lower() not in APART), key=_place)
    parts = [f"# {about.title}", *(f"## {name.replace('-', ' ')}\n\n{plain(pages[name])}" for name in names)]
    if about.metric and not any("evaluation" in name.lower() for name in names):
        parts.append(f"## Evaluation\n\nSubmissions are scored by {about.metric}.")
    return "\n\n".join(parts) + "\n"


def plain(content: str) -> str:
    """A page without its HTML tags; Markdown stays as it is."""
    text = TAG.sub("", BREAK.sub("\n", content))
    return re.sub(r"\n{3,}", "\n\n", unescape(text)).strip()


def _place(name: str) -> tuple[int, str]:
    known = name.lower().replace(" ", "-")
    return (FIRST.index(known) if known in FIRST else len(FIRST), known)


def _write_pages(folder: Path, about: Competition, pages: Mapping[str, str]) -> None:
    if any(name.lower() not in APART for name in pages) or not (folder / "description.md").exists():
        (folder / "description.md").write_text(describe(about, pages), encoding="utf-8")
    for name in (name for name in pages if name.lower() in APART):
        (folder / f"{name.lower()}.md").write_text(plain(pages[name]) + "\n", encoding="utf-8")


def _facts(about: Competition, stamp: list[int]) -> dict[str, Any]:
    deadline = about.deadline.isoformat() if about.deadline else None
    return {"slug": about.slug, "title": about.title, "url": about.url, "metric": about.metric, "deadline": deadline,
            "rules_accepted": about.entered, "max_daily": about.max_daily, "notebooks_only": about.notebooks_only,
            "zip": stamp}


def _unpack(file: Path, folder: Path, slug: str) -> None:
    """All files of the zip, those inside zips of its own too, put in the place of what stood in `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{slug}-") as partial:
        fresh = Path(partial) / "new"
        _extract(file, fresh, slug)
        _name_as_we_read(fresh)
        if (folder / "task.toml").is_file():
            shutil.copyfile(folder / "task.toml", fresh / "task.toml")
        if folder.exists():
            folder.rename(Path(partial) / "old")
        fresh.rename(folder)


def _complete(file: Path, folder: Path) -> bool:
    """Is all of the zip there?"""
    with zipfile.ZipFile(file) as bundle:
        return all((folder / name).exists() for name in bundle.namelist())


def _extract(file: Path, into: Path, slug: str) -> None:
    try:
        with zipfile.ZipFile(file) as bundle:
            needed, free = sum(info.file_size for info in bundle.infolist()), shutil.disk_usage(into.parent).free
            if needed > free:
                raise KaggleError("files", slug, detail=f"they unpack to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
            bundle.extractall(into)  # zipfile keeps every name below the folder
    except (zipfile.BadZipFile, EOFError) as error:
        file.unlink(missing_ok=True)
        raise KaggleError("files", slug, detail=str(error)) from error
    for inner in [path for path in into.rglob("*.csv.zip") if not path.with_suffix("").exists()]:
        _extract(inner, inner.parent, slug)


def _name_as_we_read(folder: Path) -> None:
    """sample_submission.csv under the names that competitions give it."""
    wanted = folder / "sample_submission.csv"
    named = [path for path in sorted(folder.glob("*.csv")) if re.search(r"(?i)sub", path.stem)]
    if not wanted.exists() and len(named) == 1:
        shutil.copyfile(named[0], wanted)
