"""Write the tables of docs/performance.md from benchmarks/results/*.json, so that no figure is typed by hand.

    make docs

A result file is a JSON object. Scalars and flat objects (machine, versions, settings) become a list, a list
of objects a table with one row per object; objects that hold objects of one kind (one per method, say) a
table with one column for each. Its block on the page stands between ``<!-- results: NAME -->`` and
``<!-- end: NAME -->``; a file without a block gets one at the end of the page.
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


def words(name: str) -> str:
    """Return a name in the result file as it stands on the page."""
    return name.replace("_", " ")


def is_table(value: object) -> bool:
    """Tell whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def is_fact(value: object) -> bool:
    """Tell whether a value fits on a line: a scalar, a short list, an object of those."""
    if isinstance(value, Mapping):
        return all(not isinstance(part, Mapping) and is_fact(part) for part in value.values())
    return not is_table(value)


def nested(value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the objects in an object that do not fit on a line."""
    return {n: part for n, part in value.items() if isinstance(part, Mapping) and not is_fact(part)}


def is_comparison(inner: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether objects are of one kind, so that they can stand side by side in one table."""
    if len(inner) < 2 or any(map(nested, inner.values())):
        return False
    by_object = [measures(value) for value in inner.values()]
    has_tables = any(is_table(leaf) for leaves in by_object for leaf in leaves.values())
    return bool(set.intersection(*map(set, by_object))) and not has_tables


def measures(value: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the leaves of nested objects by their path; a share with its counts is one leaf."""
    found: dict[str, Any] = {}
    for name, part in value.items():
        path = f"{above}, {words(name)}" if above else words(name)
        is_share = isinstance(part, Mapping) and {"rate", "n"} <= part.keys()
        found |= measures(part, path) if isinstance(part, Mapping) and not is_share else {path: share(part)}
    return found


def share(value: object) -> object:
    """Spell a share with its counts; return anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    if value["rate"] is None:
        return ""
    low, high = value.get("interval") or (None, None)
    interval = "" if low is None else f", {abs(low):.3f} to {high:.3f}"
    return f"{value['rate']:.3f} ({value.get('hits', '?')} of {value['n']:,}{interval})"


def comparison(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table with one row per measure and one column per object."""
    by_column = {name: measures(value) for name, value in columns.items()}
    rows = dict.fromkeys(path for leaves in by_column.values() for path in leaves)
    yield from table(
        [{"measure": row, **{n: leaves.get(row) for n, leaves in by_column.items()}} for row in rows]
    )


def body(result: Mapping[str, Any], title: str = "") -> Iterator[str]:
    """Yield the lines of a result, its objects below each other."""
    facts = [f"- {words(name)}: {cell(value)}" for name, value in result.items() if is_fact(value)]
    yield from ("", f"{title}:", "") if title and facts else ()
    yield from facts
    for name, value in result.items():
        if is_table(value):
            yield from ("", f"{words(name).capitalize()}:", "", *table(value))
    inner = nested(result)
    if is_comparison(inner):
        yield from ("", *comparison(inner))
        return
    for name, value in inner.items():
        yield from body(value, f"{title}, {words(name)}" if title else words(name).capitalize())


def block(name: str, result: Mapping[str, Any]) -> str:
    """Return the block of one result file, markers included."""
    return "\n".join([f"<!-- results: {name} -->", "", *body(result), "", f"<!-- end: {name} -->"])


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
