"""Flat exports as users make them of Visual Layer's: one row a finding, columns of any name.

Each row becomes one item with at most one finding for each issue word in its cell; rows of one image are
joined later, by id and path. Confidences are numbers of 0..1, or percentages: which of the two is decided for
the whole column before the first row is used, never row by row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaffinch.errors import TableError
from chaffinch.formats.export_columns import ExportColumns, find_export_columns
from chaffinch.formats.export_table import ExportTable, TableRow, value_or_none
from chaffinch.records import ExportedIssue, ExportedItem, ExportedTag
from chaffinch.taxonomy import normalise_issue_type

_ROUNDING = 1e-6
"""Scores written as float32 may exceed 1 by this much."""
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+\s*%?")
_WORDS = re.compile(r"[;,|]")
_NO_ISSUE = frozenset(("ok", "clean", "no_issue", "no issue"))


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """How the numbers of one column are written."""

    target: str
    """Our name of the column."""
    place: int
    """Number of the column."""
    scale: float
    """What a number is multiplied with to come to 0..1: 1, or 0.01 for percentages."""


def read_table_items(
    table: ExportTable, *, mapping: Mapping[str, str], saved: Mapping[str, str]
) -> tuple[ExportColumns, Iterator[ExportedItem]]:
    """Find the columns of a flat export and stream its rows.

    Args:
        table: The export.
        mapping: What the user maps now: target to column name.
        saved: What was mapped before.

    Raises:
        TableError: With file, row and column, if a column is missing or a number is none; when streaming too.
    """
    columns = find_export_columns(table.columns, where=table.where, mapping=mapping, saved=saved)
    return columns, _items(table, columns)


def _items(table: ExportTable, columns: ExportColumns) -> Iterator[ExportedItem]:
    numbers = {
        target: _number_column(table, target, columns.places[target])
        for target in ("confidence", "uniqueness")
        if target in columns.places
    }
    for row in table.rows():
        values = {target: value_or_none(row.cells[place]) for target, place in columns.places.items()}
        values["suggested_label"] = _as_written(row, columns, "suggested_label")
        found = {t: _unit(table, row, column) for t, column in numbers.items()}
        place = columns.places.get("reason")
        # A reason is kept as it stands, line breaks and all.
        reason = row.cells[place] or None if place is not None else None
        yield ExportedItem(
            item_id=values.get("image_id"),
            path=values.get("image_path"),
            given_label=_as_written(row, columns, "label"),
            split=values.get("split"),
            uniqueness=found.get("uniqueness"),
            cluster_id=values.get("cluster_id"),
            is_path_unique=False,
            place=row.number,
            issues=tuple(_issues(values, row, found.get("confidence"), reason)),
            tags=tuple(_tags(values.get("user_tags"))),
        )


def _as_written(row: TableRow, columns: ExportColumns, target: str) -> str | None:
    """Return a label as written: a class may be called `None` or `NA`."""
    place = columns.places.get(target)
    return None if place is None else row.cells[place].strip() or None


def _issues(
    values: Mapping[str, str | None], row: TableRow, confidence: float | None, reason: str | None
) -> Iterator[ExportedIssue]:
    cell = values.get("issue_type")
    if cell is None or cell.lower() in _NO_ISSUE:
        return
    words = [cell] if normalise_issue_type(cell) else [w.strip() for w in _WORDS.split(cell) if w.strip()]
    for word in words:
        yield ExportedIssue(
            issue_type=normalise_issue_type(word),
            written_type=word,
            confidence=confidence,
            suggested_label=values["suggested_label"],
            reason=reason,
            group_id=values.get("group_id"),
            place=row.number,
        )


def _tags(cell: str | None) -> Iterator[ExportedTag]:
    words = (word.strip() for word in _WORDS.split(cell or ""))
    return (ExportedTag(word) for word in words if word)


# ------------------------------------------------------------------------------------------------ numbers


def _number_column(table: ExportTable, target: str, place: int) -> NumberColumn:
    """Read a whole column and decide whether it holds percentages.

    It does if any number has a percent sign, or if at least half of those above 0 exceed 1. Otherwise a
    number above 1 is a fault of that row.
    """
    n_positive = n_above = 0
    plain = NumberColumn(target, place, 1.0)
    for row in table.rows():
        cell = row.cells[place]
        if "%" in cell:
            return NumberColumn(target, place, 0.01)
        number = _number(table, row, plain)
        n_positive += number is not None and number > 0
        n_above += number is not None and number > 1 + _ROUNDING
    is_percent = n_above > 0 and 2 * n_above >= n_positive
    return NumberColumn(target, place, 0.01 if is_percent else 1.0)


def _number(table: ExportTable, row: TableRow, column: NumberColumn) -> float | None:
    """Return the number in a cell as written, without percent sign; None where the cell is empty."""
    text = value_or_none(row.cells[column.place])
    if text is None:
        return None
    if table.delimiter not in ("", ",") and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise _bad_number("is no number", table, row, column)
    return number


def _unit(table: ExportTable, row: TableRow, column: NumberColumn) -> float | None:
    number = _number(table, row, column)
    if number is None:
        return None
    scaled = number * column.scale
    if not -_ROUNDING <= scaled <= 1 + _ROUNDING:
        bounds = "0 to 100, as the column holds percentages" if column.scale < 1 else "0 to 1, as the others"
        raise _bad_number(f"is not within {bounds}", table, row, column)
    return min(max(scaled, 0.0), 1.0)


def _bad_number(what: str, table: ExportTable, row: TableRow, column: NumberColumn) -> TableError:
    name = table.columns[column.place]
    called = "" if name == column.target else f" (called {name!r})"
    return TableError(
        f"{what} (line {row.line} of the file){called}",
        path=table.where,
        row=row.number,
        column=column.target,
        got=row.cells[column.place],
        hint="write a number from 0 to 1, or percentages in the whole column",
    )
