"""The tools of a version: modules that join the kit which its runs are given; they run where solutions run, in the sandbox."""

import shutil
from pathlib import Path


def kit_of(kit: Path, playbook: Path, run: Path) -> Path:
    """The kit itself where the version has no tools, else a copy in the run's folder which they have joined.

    A tool never takes the place of a module of the kit."""
    tools = sorted((playbook / "tools").glob("*.py"))
    place = run / "kit"
    if not tools or place.is_dir():
        return place if tools else kit
    shutil.copytree(kit, place, ignore=shutil.ignore_patterns("__pycache__"))
    for tool in (tool for tool in tools if not (place / tool.name).exists()):
        shutil.copyfile(tool, place / tool.name)
    return place
