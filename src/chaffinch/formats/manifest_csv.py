"""The tagging manifest: a CSV with one row for each image, written for people and read back from them.

The first fifteen columns are the guide's. `row_hash` closes a row: it records what the row said when it was
written, so that a row that somebody edited is told from one that nobody touched, whoever wrote the file
since. docs/formats.md is normative. Paths, ids and labels are never changed; a note or reason that a
spreadsheet would take for a formula gets an apostrophe before it, which reading takes away again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaffinch.errors import TableError
from chaffinch.formats.export_table import ExportTable, TableRow
from chaffinch.storage.files import atomic_path

COLUMNS = (
    "image_id",
    "image_path",
    "dataset",
    "split",
    "label",
    "vl_flag_type",
    "vl_confidence",
    "vl_suggested_label",
    "vl_reason",
    "user_tags",
    "user_action",
    "new_label",
    "reviewer_name",
    "reviewed_at",
    "notes",
    "row_hash",
)
"""Columns of a manifest that chaffinch writes, in order."""

DECIDED = ("user_tags", "user_action", "new_label", "reviewer_name", "reviewed_at", "notes")
"""Columns that people fill in."""

UNDECIDED = "none"
"""`user_action` where nobody decided: a column of empty cells breaks the guide's snippets on pandas 3."""

_FREE_TEXTS = ("vl_reason", "notes")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = '"'
_NEEDS_QUOTES = re.compile(r'[,"\r\n]')
_ACTIONS_EMPTY = frozenset(("", "nan", "null", "<na>", UNDECIDED))


@dataclass(frozen=True, slots=True)
class ManifestDecision:
    """What a manifest's row says that people decided, free of spelling."""

    tags: tuple[str, ...]
    """Sorted, each once."""
    action: str
    """`UNDECIDED` where nobody decided."""
    new_label: str
    """'' where it is empty or equals the given label."""
    notes: str
    """As typed."""


NOTHING_DECIDED = ManifestDecision((), UNDECIDED, "", "")
"""The decision of a row that nobody touched."""


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One image of a manifest that was read back."""

    row: int
    """Row number; the header is row 1."""
    image_id: str
    """As written."""
    image_path: str
    """As written."""
    split: str
    """As written; '' where empty."""
    label: str
    """Given label as written."""
    decision: ManifestDecision
    """What the row says now."""
    row_hash: str
    """What it said when it was written; '' in a manifest without the column."""
    reviewer_name: str
    """As written; '' where empty."""

    @property
    def is_edited(self) -> bool:
        """Whether the row says something else than when it was written."""
        return decision_hash(self.decision) != self.base_hash

    @property
    def base_hash(self) -> str:
        """`row_hash`; that of a row that nobody touched where a manifest has no such column."""
        return self.row_hash or decision_hash(NOTHING_DECIDED)


def decision_hash(decision: ManifestDecision) -> str:
    """Return 16 hex digits that differ whenever what people decided does."""
    parts = [decision.tags, decision.action, decision.new_label, decision.notes]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def as_decision(row: Mapping[str, str]) -> ManifestDecision:
    """Return what a row's texts say that people decided."""
    action = row.get("user_action", "").strip().lower()
    label, given = row.get("new_label", "").strip(), row.get("label", "").strip()
    # pandas writes whole numbers beside empty cells as 7.0.
    plain = label.removesuffix(".0") if given.lstrip("-").isdigit() else label
    return ManifestDecision(
        tags=tuple(sorted({t.strip() for t in row.get("user_tags", "").split(",")} - {"", "nan"})),
        action=UNDECIDED if action in _ACTIONS_EMPTY else action,
        new_label="" if plain == given else plain,
        notes=row.get("notes", ""),
    )


# ------------------------------------------------------------------------------------------------- writing


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]], *, more: Sequence[str] = ()) -> int:
    """Write a manifest, atomically; returns the number of rows.

    Args:
        path: The CSV; missing parent folders are made.
        rows: Texts by column; `row_hash` is computed, other columns that are left out are empty.
        more: Further columns behind ours.
    """
    columns = [*COLUMNS, *more]
    n_rows = 0
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as out,
    ):
        out.write(_text(columns))
        for row in rows:
            n_rows += 1
            out.write(_text(_cells(row, columns)))
    return n_rows


def _text(cells: Sequence[str]) -> str:
    # Not csv.writer: before Python 3.13 it leaves a lone carriage return unquoted, which splits the row.
    quoted = (f'"{c.replace(_QUOTE, _QUOTE * 2)}"' if _NEEDS_QUOTES.search(c) else c for c in cells)
    return ",".join(quoted) + "\n"


def _cells(row: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    complete = {**row, "user_action": row.get("user_action") or UNDECIDED}
    complete["row_hash"] = decision_hash(as_decision(complete))
    complete |= {name: without_formula(complete.get(name, "")) for name in _FREE_TEXTS}
    return [complete.get(name, "") for name in columns]


def without_formula(text: str) -> str:
    """Return a text that no spreadsheet computes: one that begins like a formula gets an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _typed(text: str) -> str:
    """Undo `without_formula`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


# ------------------------------------------------------------------------------------------------- reading


def read_manifest(path: Path) -> Iterator[ManifestLine]:
    """Stream the rows of a manifest that people or their scripts may have edited.

    Comma, semicolon or TAB, with or without BOM. Columns that we do not know are passed over.

    Raises:
        TableError: If the columns of a manifest are not there, or a row cannot be read.
    """
    table = ExportTable(path, where=str(path))
    missing = [n for n in ("image_id", "image_path", "user_tags", "user_action") if n not in table.columns]
    if missing:
        raise TableError(
            f"is missing; the columns are {', '.join(table.columns)}",
            path=str(path),
            row=1,
            column=missing[0],
            hint="a tagging manifest has image_id, image_path, user_tags and user_action",
        )
    places = {name: table.columns.index(name) for name in COLUMNS if name in table.columns}
    for row in table.rows():
        yield _line(row, places)


def _line(row: TableRow, places: Mapping[str, int]) -> ManifestLine:
    texts = {name: row.cells[place] for name, place in places.items()}
    texts["notes"] = _typed(texts.get("notes", ""))
    return ManifestLine(
        row=row.number,
        image_id=texts["image_id"].strip(),
        image_path=texts["image_path"],
        split=texts.get("split", "").strip(),
        label=texts.get("label", "").strip(),
        decision=as_decision(texts),
        row_hash=texts.get("row_hash", "").strip(),
        reviewer_name=texts.get("reviewer_name", "").strip(),
    )
