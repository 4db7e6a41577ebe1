"""An export as a DataFrame: one row for each finding, raw columns as they came, normalised ones behind.

`image_id` is int64 if every id of the export is a whole number without leading zeros, else text; so is
`label`. An image without an id is known by its path. Cells with nothing in them are missing values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.export_columns import find_export_columns
from chaffinch.formats.export_source import split_of
from chaffinch.formats.export_table import ExportTable
from chaffinch.formats.visual_layer import open_visual_layer
from chaffinch.identity import is_canonical_int
from chaffinch.records import ExportedIssue, ExportedItem

NORMALISED = (
    "image_id",
    "image_path",
    "split",
    "label",
    "vl_flag_type",
    "vl_confidence",
    "vl_suggested_label",
    "vl_reason",
)
"""Columns that every export comes to."""

GROUP = "vl_group_id"
"""One more of them, which no manifest has: the group of duplicates that a finding is about."""

TEXT = "str" if int(pd.__version__.partition(".")[0]) >= 3 else "object"
"""The type that pandas gives to texts by itself."""


@dataclass(frozen=True, slots=True)
class ExportFrame:
    """An export in memory."""

    rows: pd.DataFrame
    """One row for each finding; images without a finding have one too."""
    unmapped: TableError | None
    """Why the normalised columns are not there: the export's own could not be told; None where they are."""


def read_export_frame(path: Path, *, mapping: Mapping[str, str]) -> ExportFrame:
    """Read an export of any kind that `open_visual_layer` knows.

    A table whose columns are not known comes with its raw columns alone: whoever uses it may know better.

    Args:
        path: The file.
        mapping: Target to column name, as the user maps.

    Raises:
        SourceError: If it is not there or cannot be read; with row and column where a value cannot be used.

    Cost: about 2.5 KB of memory and 40 us of CPU a finding (300,000 findings of a CSV).
    """
    if not path.exists():
        raise SourceError("there is no such file", where=str(path), hint="export the flagged samples first")
    table = _table(path)
    if table is not None:
        try:
            find_export_columns(table.columns, where=str(path), mapping=mapping, saved={})
        except TableError as error:
            return ExportFrame(_raw_frame(table.columns, [row.cells for row in table.rows()]), error)
    opened = open_visual_layer(path, where=str(path), mapping=mapping, saved={})
    items = list(opened.items)
    findings = [(item, issue) for item in items for issue in item.issues or (None,)]
    normal = _normalised(findings)
    if table is None:
        return ExportFrame(normal, None)
    cells = {row.number: row.cells for row in table.rows()}
    raw = _raw_frame(table.columns, [cells[item.place] for item, _ in findings])
    taken = [name for name in raw.columns if name in normal.columns]
    return ExportFrame(pd.concat([raw.drop(columns=taken), normal], axis=1), None)


def _table(path: Path) -> ExportTable | None:
    """Return the export as a flat table; None where it is JSON, a zip, or Parquet of media items."""
    with path.open("rb") as file:
        head = file.read(64).lstrip(b" \t\r\n\xef\xbb\xbf")
    if head[:2] == b"PK" or head[:1] in (b"{", b"["):
        return None
    table = ExportTable(path, where=str(path))
    return None if {"media_id", "metadata_items"} <= set(table.columns) else table


def _raw_frame(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    by_column = zip(*rows, strict=True) if rows else (() for _ in columns)
    # Of two columns with one name the first is kept: a frame with both answers no question about either.
    named: dict[str, pd.Series[Any]] = {}
    for name, cells in zip(columns, by_column, strict=True):
        named.setdefault(name, _typed(list(cells)))
    return pd.DataFrame(named)


def _typed(cells: list[str]) -> pd.Series[Any]:
    """Return numbers where every cell is one as programs write it, else texts; empty cells are missing."""
    values = [cell if cell.strip() else None for cell in cells]
    present = [v for v in values if v is not None]
    if present and all(map(is_canonical_int, present)):
        whole = [None if v is None else int(v) for v in values]
        return pd.Series(whole, dtype="int64" if len(present) == len(values) else "float64")
    if present and all(map(_is_decimal, present)):
        return pd.Series([None if v is None else float(v) for v in values], dtype="float64")
    return pd.Series(values, dtype=TEXT)


def _is_decimal(text: str) -> bool:
    whole, point, rest = text.partition(".")
    return is_canonical_int(whole.removeprefix("-")) and (not point or rest.isdigit())


def _normalised(findings: Sequence[tuple[ExportedItem, ExportedIssue | None]]) -> pd.DataFrame:
    ids = [item.item_id or item.path for item, _ in findings]
    issues = [issue for _, issue in findings]
    confidences = [None if i is None else i.confidence for i in issues]
    columns: dict[str, pd.Series[Any]] = {
        "image_id": _whole_or_text(ids),
        "image_path": _text([item.path for item, _ in findings]),
        "split": _text([item.split or split_of(item.path, ()) for item, _ in findings]),
        "label": _whole_or_text([item.given_label for item, _ in findings]),
        "vl_flag_type": _text([None if i is None else i.issue_type or i.written_type for i in issues]),
        "vl_confidence": pd.Series(confidences, dtype="float64"),
        "vl_suggested_label": _text([None if i is None else i.suggested_label for i in issues]),
        "vl_reason": _text([None if i is None else i.reason for i in issues]),
        GROUP: _text([None if i is None else i.group_id for i in issues]),
    }
    return pd.DataFrame(columns)


def _text(values: Sequence[str | None]) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=TEXT)


def _whole_or_text(values: Sequence[str | None]) -> pd.Series[Any]:
    """Return int64 where every value is a canonical whole number, else texts as written."""
    if values and all(value is not None and is_canonical_int(value) for value in values):
        return pd.Series([int(value) for value in values if value is not None], dtype="int64")
    return _text(values)


# --------------------------------------------------------------------------------------------- one per image


def image_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each image of `ExportFrame.rows`, in the order of the export.

    Types are joined by ';', surest first; confidence and reason are those of the surest finding, the
    suggested label that of the surest finding that suggests one. Rows with one id are one image unless their
    paths differ; `image_id` then stands more than once.
    """
    ranked = _by_image(rows)
    surest = ranked.drop_duplicates("_image").set_index("_image").sort_index()
    suggesting = ranked.dropna(subset="vl_suggested_label").drop_duplicates("_image").set_index("_image")
    types: dict[int, dict[str, None]] = {}
    for number, word in zip(ranked["_image"].tolist(), ranked["vl_flag_type"].tolist(), strict=True):
        types.setdefault(number, {}).update({word: None} if isinstance(word, str) else {})
    joined = pd.Series({number: ";".join(words) for number, words in types.items()}, dtype=TEXT)
    return surest.assign(
        vl_flag_type=joined, vl_suggested_label=suggesting["vl_suggested_label"]
    ).reset_index(drop=True)[list(NORMALISED)]


def image_findings(rows: pd.DataFrame) -> dict[tuple[str, str], list[ExportedIssue]]:
    """Return the findings of each image of `ExportFrame.rows`, surest first, by its id and path as texts.

    Of findings that say the same (a group of duplicates at several thresholds), the surest is returned.
    """
    found: dict[tuple[str, str], dict[object, ExportedIssue]] = defaultdict(dict)
    if not {*NORMALISED, GROUP} <= set(rows.columns):
        return {}
    ranked = _by_image(rows).dropna(subset="vl_flag_type")
    names = ("image_id", "image_path", *NORMALISED[4:], GROUP)
    for cells in zip(*(ranked[name].tolist() for name in names), strict=True):
        image_id, path, word, sure, label, reason, group = (None if pd.isna(c) else c for c in cells)
        issue = ExportedIssue(None, str(word), sure, suggested_label=label, reason=reason, group_id=group)
        found[str(image_id), path or ""].setdefault((word, label, reason), issue)
    return {image: list(issues.values()) for image, issues in found.items()}


def _by_image(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the findings, surest first, with the number of the image in `_image`, in order of the export."""
    columns = [name for name in (*NORMALISED, GROUP) if name in rows.columns]
    ranked = rows.loc[:, columns].assign(_place=range(len(rows)))
    paths = ranked.groupby("image_id")["image_path"]
    is_single = paths.transform("nunique") == 1
    ranked.loc[is_single, "image_path"] = paths.transform("first")[is_single]
    image = ranked.groupby(["image_id", "image_path"], sort=False, dropna=False).ngroup()
    ranked = ranked.assign(_image=image)
    return ranked.sort_values(["vl_confidence", "_place"], ascending=[False, True], na_position="last")
