"""One word for one thing: the source uses the words of GLOSSARY.md and none of those it rules out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "chaffinch"
ROW = re.compile(r"^\| (?P<word>[^|]+) \|(?P<meaning>[^|]+)\|(?P<ruled_out>[^|]*)\|$", re.MULTILINE)


def glossary() -> dict[str, set[str]]:
    """Return each word with the names that are ruled out for it."""
    page = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    rows = [m for m in ROW.finditer(page) if m["word"] not in ("word", "---")]
    return {m["word"]: set(re.findall(r"`(\w+)`", m["ruled_out"])) for m in rows}


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything a module defines: functions, classes, parameters, variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def ruled_out(source: str, words: set[str]) -> list[tuple[int, str]]:
    """Return line and name of each definition that holds one of `words` as a whole part."""
    found = []
    for line, name in defined_names(ast.parse(source)):
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        if any(f"_{word}_" in f"_{snake.strip('_')}_" for word in words):
            found.append((line, name))
    return found


def test_names__the_source_uses_the_glossary() -> None:
    words = set().union(*glossary().values())
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in ruled_out(path.read_text(encoding="utf-8"), words)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(img_path): ...", [(1, "img_path")]),
        ("gt_label = 1", [(1, "gt_label")]),
        ("class SubsetSource: ...", [(1, "SubsetSource")]),
        ("subsets = 1\nx = subset", []),
    ],
)
def test_names__the_check_catches_what_is_planted(code: str, expected: list[tuple[int, str]]) -> None:
    assert ruled_out(code, {"img_path", "gt_label", "subset"}) == expected


def test_names__the_glossary_has_the_words_of_the_guide() -> None:
    words = "sample split given_label issue confidence pair similarity hamming_distance leak image_id".split()
    assert set(words) <= glossary().keys()
