"""Asks a language model for one mechanism: new texts of playbook files, why, and what gain it predicts.

It sees the version in use, a digest of the practice evidence, and of each earlier proposal its words and yes or no.
"""

import json
from collections.abc import Sequence
from typing import Any

from agent.improve.evidence import Tried
from agent.improve.proposers import Context, Proposal
from agent.llm import Message, Request
from agent.llm.extract import decision
from agent.playbook.bundle import HEAD

SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["hypothesis", "predicted", "kinds", "path", "text"],
    "properties": {
        "hypothesis": {"type": "string", "maxLength": 300}, "predicted": {"type": "number"},
        "kinds": {"type": "array", "items": {"type": "string"}}, "path": {"type": "string"}, "text": {"type": "string"},
    },
}
ASK = """You improve the playbook of a program that competes in machine-learning competitions. Propose ONE change of ONE file.
It is kept only if it lowers the loss on small tasks that you have not seen, of other families, in ten processor seconds a run.
Say why (hypothesis), the mean log of the loss ratio that you expect (predicted, 0.05 is 5% lower loss), for which kinds of task.
No names of tasks or columns, no numbers copied from data. Give the file's whole new text.

The playbook in use:
{playbook}

What practice runs say (recipe: tasks, mean loss in parts of a constant's, processor seconds, share in last blends):
{evidence}

Earlier proposals:
{history}

Answer with JSON: {{"hypothesis": "...", "predicted": 0.05, "kinds": ["binary"], "path": "portfolio.toml", "text": "..."}}"""
ROWS = 25


def propose(context: Context) -> Proposal | None:
    if context.llm is None:
        return None
    files = "\n".join(f"=== {path}\n{text}" for path, text in sorted(context.parent.files.items()) if path != HEAD)
    told = "\n".join(f"- {known['verdict']}: {known['hypothesis']}" for known in context.history) or "none"
    text = ASK.format(playbook=files, evidence=digest(context.evidence.tried), history=told)
    reply = context.llm.complete(Request((Message("user", text),), "playbook", schema=SCHEMA, most_tokens=6000))
    made = decision(reply.text, SCHEMA) if reply.ok else None
    if made is None or made.value is None:
        return None
    said = made.value
    return Proposal({str(said["path"]): str(said["text"])}, str(said["hypothesis"]), float(said["predicted"]),
                    tuple(map(str, said["kinds"])))


def digest(rows: Sequence[Tried]) -> str:
    """The recipes tried most often, one a line."""
    found: dict[str, list[Tried]] = {}
    for row in rows:
        found.setdefault(f"{row.model} {row.blocks} {json.dumps(dict(row.params))}", []).append(row)
    most = sorted(found.items(), key=lambda item: -len(item[1]))[:ROWS]
    return "\n".join(
        f"{name}: {len({row.task for row in known})}, {sum(row.loss / row.floor for row in known) / len(known):.3f}, "
        f"{sum(row.cpu_seconds for row in known) / len(known):.1f}, {sum(row.blended for row in known) / len(known):.2f}"
        for name, known in most)
