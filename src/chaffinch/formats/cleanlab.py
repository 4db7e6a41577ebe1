"""Tables of cleanlab, as CSV or Parquet: `find_label_issues` and Datalab's `get_issues`.

Every pair of columns `is_<name>_issue` and `<name>_score` is one type of issue (`is_label_issue` with
`label_score`, or `label_quality` as CleanLearning calls it). Rows with the flag set are findings. cleanlab's
scores are lower for worse; they are turned round here: confidence = 1 - score.

A row is about the image that its id or path column names; else about the one with the number in the unnamed
first column, which is pandas' index; else about the one with the row's number, from 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaffinch.errors import TableError
from chaffinch.formats.export_columns import SYNONYMS
from chaffinch.formats.export_table import ExportTable, TableRow, known_columns, value_or_none
from chaffinch.records import ExportedIssue, ExportedItem
from chaffinch.taxonomy import normalise_issue_type

_FLAG = re.compile(r"is_(.+)_issue")
_TRUE = frozenset(("true", "1", "1.0", "yes"))
_FALSE = frozenset(("false", "0", "0.0", "no"))
_INDEX_NAMES = ("", "unnamed:_0", "__index_level_0__", "index")
_LABEL = "label"
_WORDS = {_LABEL: "mislabel"}
"""cleanlab's names that mean something else than they say; the others are normalised as anyone's."""


@dataclass(frozen=True, slots=True)
class _Check:
    """One type of issue and where its columns are."""

    name: str
    flag: int
    score: int | None
    group: int | None


def read_cleanlab(table: ExportTable) -> Iterator[ExportedItem]:
    """Stream the rows of a cleanlab table.

    Raises:
        TableError: With file, row and column, if there is no flag column or a cell cannot be read.
    """
    known = known_columns(table.columns)
    checks = _checks(table, known)
    columns = {
        target: next((known[word] for word in SYNONYMS[target] if word in known), None)
        for target in ("image_id", "image_path")
    }
    index = next((known[name] for name in _INDEX_NAMES if name in known), None)
    for number, row in enumerate(table.rows()):
        item_id, path = (_value(row, columns[target]) for target in ("image_id", "image_path"))
        if item_id is None and path is None:
            item_id = _value(row, index) if index is not None else str(number)
        yield ExportedItem(
            item_id=item_id,
            path=path,
            given_label=_label(row, known.get("given_label")),
            is_path_unique=False,
            place=row.number,
            issues=tuple(_issues(table, row, checks, known)),
        )


def _value(row: TableRow, place: int | None) -> str | None:
    return None if place is None else value_or_none(row.cells[place])


def _label(row: TableRow, place: int | None) -> str | None:
    return None if place is None else row.cells[place].strip() or None


def _checks(table: ExportTable, known: Mapping[str, int]) -> list[_Check]:
    checks = []
    for column, place in known.items():
        flag = _FLAG.fullmatch(column)
        if flag:
            name = flag[1]
            scores = (f"{name}_score", f"{name}_quality", f"{name}_quality_score")
            score = next((known[s] for s in scores if s in known), None)
            checks.append(_Check(name, place, score, known.get(f"{name}_cluster_id")))
    if not checks:
        raise TableError(
            f"is missing; the columns are {', '.join(map(repr, table.columns))}",
            path=table.where,
            column="is_label_issue",
            hint="write the frame that find_label_issues or Datalab.get_issues returns, with to_csv",
        )
    return checks


def _issues(
    table: ExportTable, row: TableRow, checks: list[_Check], known: Mapping[str, int]
) -> Iterator[ExportedIssue]:
    for check in checks:
        if not _is_flagged(table, row, check.flag):
            continue
        word = _WORDS.get(check.name, check.name)
        score = None if check.score is None else _score(table, row, check.score)
        told = "" if score is None else f" (score {score:.4f}, lower is worse)"
        is_label = check.name == _LABEL
        yield ExportedIssue(
            issue_type=normalise_issue_type(word),
            written_type=check.name,
            confidence=None if score is None else 1 - score,
            suggested_label=_label(row, known.get("predicted_label")) if is_label else None,
            reason=f"cleanlab flags {check.name.replace('_', ' ')}{told}.",
            group_id=_value(row, check.group),
            place=row.number,
        )


def _is_flagged(table: ExportTable, row: TableRow, place: int) -> bool:
    text = row.cells[place].strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE or value_or_none(text) is None:
        return False
    raise TableError(
        f"is neither True nor False (line {row.line})",
        path=table.where,
        row=row.number,
        column=table.columns[place],
        got=row.cells[place],
        hint="correct the cell",
    )


def _score(table: ExportTable, row: TableRow, place: int) -> float | None:
    text = value_or_none(row.cells[place])
    if text is None:
        return None
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not -1e-6 <= score <= 1 + 1e-6:
        raise TableError(
            f"is not a number from 0 to 1 (line {row.line})",
            path=table.where,
            row=row.number,
            column=table.columns[place],
            got=text,
            hint="correct the cell",
        )
    return min(max(score, 0.0), 1.0)
