"""Public names in step with api.txt, so that none changes unseen.

After a wanted change: `make api`, and say in CHANGELOG.md what changed. Run as a script with ``--write`` it
writes api.txt anew.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("api.txt")

PUBLIC_MODULES = ("errors", "records", "settings", "workspace")
"""Modules that users import from; the others may change with any version."""


def module_names(module: str) -> Iterator[str]:
    """Yield one line for each public name of a module, with its signature or type."""
    path = ROOT / "src" / "chaffinch" / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from member_names(tree.body, f"chaffinch.{module}")


def member_names(body: list[ast.stmt], owner: str) -> Iterator[str]:
    """Yield the lines of a module's or class's members."""
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            bases = ", ".join(map(ast.unparse, node.bases))
            yield f"{owner}.{node.name}({bases})"
            yield from member_names(node.body, f"{owner}.{node.name}")
        elif isinstance(node, ast.FunctionDef) and (is_public(node.name) or node.name == "__init__"):
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield f"{owner}.{node.name}({ast.unparse(node.args)}){returns}"
        elif isinstance(node, ast.AnnAssign) and is_public(ast.unparse(node.target)):
            default = f" = {ast.unparse(node.value)}" if node.value else ""
            yield f"{owner}.{ast.unparse(node.target)}: {ast.unparse(node.annotation)}{default}"
        elif isinstance(node, ast.Assign):
            names = [n for n in map(ast.unparse, node.targets) if is_public(n)]
            yield from (f"{owner}.{name} = {ast.unparse(node.value)}" for name in names)


def is_public(name: str) -> bool:
    """Tell whether a name is meant for users."""
    return not name.startswith("_")


def command_names() -> Iterator[str]:
    """Yield one line for each verb of the command line, with its arguments and options."""
    from typer.main import get_command

    from chaffinch.cli.main import app

    yield from verb_names(get_command(app), "chaffinch")


def verb_names(group: Any, above: str) -> Iterator[str]:
    """Yield the lines of a command's verbs and, below a verb that has some, of its own."""
    for verb, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from verb_names(command, f"{above} {verb}")
            continue
        words = ["/".join([*p.opts, *p.secondary_opts]) for p in command.params if p.name != "help"]
        yield f"$ {above} {verb} " + " ".join(words)


def public_names() -> str:
    """Return the whole snapshot."""
    lines = [line for module in PUBLIC_MODULES for line in module_names(module)]
    return "\n".join([*lines, *command_names()]) + "\n"


def test_public_names__are_those_of_the_snapshot() -> None:
    assert SNAPSHOT.read_text(encoding="utf-8").splitlines() == public_names().splitlines(), "run `make api`"


if __name__ == "__main__" and "--write" in sys.argv:
    SNAPSHOT.write_text(public_names(), encoding="utf-8")
