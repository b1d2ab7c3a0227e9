"""The table of docs/threat-model.md, made from docs/attacks.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- made by make attack: begin -->", "<!-- made by make attack: end -->"


def table(facts: Mapping[str, Any]) -> str:
    """One row an attack, one column a way to run it: ● it got through, · it was stopped, empty where it was not run."""
    columns = list(facts["found"])
    lines = ["| attack | " + " | ".join(columns) + " |", "|---|" + ":-:|" * len(columns)]
    for name in facts["found"][columns[0]]:
        marks = [{True: "●", False: "·", None: ""}[facts["found"][column].get(name)] for column in columns]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(marks) + " |")
    return "\n".join([f"{len(lines) - 2} attacks, on Linux {facts['kernel']} with Landlock {facts['landlock']}.", "", *lines])


def put(page: str, made: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    page = DOCS / "threat-model.md"
    page.write_text(put(page.read_text(), table(json.loads((DOCS / "attacks.json").read_text()))))
