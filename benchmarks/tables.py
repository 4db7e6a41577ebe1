"""Write the tables of docs/performance.md from benchmarks/results/*.json, so that no figure is typed by hand.

    make docs

A result file is a JSON object: scalars and small objects (machine, versions, settings) become a list above
the table, each list of objects a table with one row per object. Its block on the page stands between
``<!-- results: NAME -->`` and ``<!-- end: NAME -->``; a file without a block gets one at the end of the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"


def cell(value: object) -> str:
    """Return a value as people read it: thousands separated, four significant digits, no line breaks."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {cell(part)}" for name, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(cell, value))
    return " ".join(str(value).split()).replace("|", "\\|")


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; its columns are all names in the rows, in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    is_number = {n: all(isinstance(row.get(n, 0), int | float) for row in rows) for n in names}
    yield "| " + " | ".join(name.replace("_", " ") for name in names) + " |"
    yield "|" + "|".join("---:" if is_number[name] else "---" for name in names) + "|"
    for row in rows:
        yield "| " + " | ".join(cell(row.get(name)) for name in names) + " |"


def is_table(value: object) -> bool:
    """Tell whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def block(name: str, result: Mapping[str, Any]) -> str:
    """Return the block of one result file, markers included."""
    facts = {key: value for key, value in result.items() if not is_table(value)}
    lines = [f"- {key.replace('_', ' ')}: {cell(value)}" for key, value in facts.items()]
    for key, value in result.items():
        if is_table(value):
            lines += ["", f"{key.replace('_', ' ').capitalize()}:", "", *table(value)]
    return "\n".join([f"<!-- results: {name} -->", "", *lines, "", f"<!-- end: {name} -->"])


def render(page: str, results: Path = RESULTS) -> str:
    """Return the page with the block of every result file written anew."""
    for path in sorted(results.glob("*.json")):
        new = block(path.stem, json.loads(path.read_text(encoding="utf-8")))
        name = re.escape(path.stem)
        old = re.compile(rf"<!-- results: {name} -->.*?<!-- end: {name} -->", re.DOTALL)
        if old.search(page):
            page = old.sub(lambda _, new=new: new, page)  # type: ignore[misc]
        else:
            title = path.stem.replace("_", " ").capitalize()
            page = f"{page.rstrip()}\n\n## {title}\n\n{new}\n"
    return page


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
