"""Lists the kit's functions with their signatures and the first words of their docstrings, read from source, not imported."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.syntax import parse

BLOCK = ["train", "predict", "task"]
LABELLED = ["train", "target", "predict", "task"]
INSIDE = ("batch_ensemble", "boosters", "calendar", "clock", "efficientnet", "forecast", "groups", "heads", "history",
          "least_squares", "likeness", "linear", "losses", "nets", "ngrams", "packed", "penalties", "pixels", "prepared",
          "recommend", "residual", "sequences", "training")
# modules whose other functions are parts of their models, not tools
HIDDEN = ("foundation",)  # serves only where weights are present, and there the opening asks it
MOST = 240  # characters of a docstring


@dataclass(frozen=True)
class Tool:
    """One public function. kind: block (returns new frames), model (returns predictions) or tool (anything else)."""

    name: str
    kind: str
    signature: str
    returns: str
    says: str

    @property
    def line(self) -> str:
        return f"- `{self.call}` {self.says}"

    @property
    def call(self) -> str:
        return f"{self.name}({self.signature}){self.returns}"


def kit_card(kit: Path, *, brief: bool = False) -> str:
    """The kit in a folder as Markdown; `brief`: the names of blocks and models only."""
    parts = []
    for kind, title in TITLES.items():
        found = [tool for tool in tools(kit) if tool.kind == kind]
        if found and not brief:
            parts.append(f"{title}\n" + "\n".join(tool.line for tool in found))
        elif found and kind != "tool":
            parts.append(f"{title}\n{', '.join(tool.name for tool in found)}")
    return "\n\n".join(parts)


def signatures(kit: Path, module: str) -> list[str]:
    """What one module of the kit offers, a line a function as on the card."""
    return [tool.line.removeprefix("- ") for tool in tools(kit) if tool.name.startswith(f"{module}.")]


TITLES = {
    "block": "Blocks: `train, predict = block(...)`; new frames, what they were given stays as it was.",
    "model": "Models: `return model(train, target, predict, task)`; predictions for `predict`, in the shape that is asked for.",
    "tool": "Smaller tools:",
}


def tools(kit: Path) -> list[Tool]:
    """The public functions of a kit, module by module."""
    modules = {path.stem: parse(path.read_text(encoding="utf-8")) for path in sorted(kit.glob("*.py"))
               if path.stem not in ("__init__", *HIDDEN)}
    types = {name: value for module in modules.values() for name, value in _named(module).items()
             if isinstance(value, ast.Subscript)}
    return [tool for stem, module in modules.items() for tool in _of_module(stem, module, Spelled({**types, **_named(module)}))]


def _of_module(stem: str, module: ast.Module, spelled: "Spelled") -> Iterator[Tool]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith(("_", "test_")) and ast.get_docstring(node):
            kind = _kind(node)
            returns = f" -> {ast.unparse(spelled.visit(node.returns))}" if kind == "tool" and node.returns else ""
            if kind != "tool" or stem not in INSIDE:
                node.args = spelled.visit(node.args)
                yield Tool(f"{stem}.{node.name}", kind, _signature(node, kind), returns, _first_words(node))


def _named(module: ast.Module) -> dict[str, ast.expr]:
    """A module's constants and names of types: what a reader of a signature alone could not know."""
    return {node.targets[0].id: node.value for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, (ast.Constant, ast.Subscript))}


class Spelled(ast.NodeTransformer):
    """Puts what a name stands for in its place."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self.values.get(node.attr, node)


def _kind(node: ast.FunctionDef) -> str:
    names = [argument.arg for argument in node.args.args]
    if names[:4] == LABELLED:
        return "block" if node.returns is not None and "Frames" in ast.unparse(node.returns) else "model"
    return "block" if names == BLOCK and node.returns is not None and "Frames" in ast.unparse(node.returns) else "tool"


def _signature(node: ast.FunctionDef, kind: str) -> str:
    """Arguments with their defaults; what every block and model takes goes without its types."""
    arguments = node.args
    if kind == "tool":
        return ast.unparse(arguments)
    shown = [argument.arg for argument in arguments.args] + (["*"] if arguments.kwonlyargs else [])
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        shown.append(argument.arg if default is None else f"{argument.arg}={ast.unparse(default)}")
    return ", ".join(shown + ([f"**{arguments.kwarg.arg}"] if arguments.kwarg else []))


def _first_words(node: ast.FunctionDef) -> str:
    """The docstring's first paragraph on one line."""
    words = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return words if len(words) <= MOST else words[: MOST - 1].rsplit(" ", 1)[0] + " ..."
