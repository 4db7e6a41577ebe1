"""The tagging manifest: a CSV with one row for each image, written for people and read back from them.

The first fifteen columns are the guide's. `row_hash` closes a row: it records what the row said when it was
written, so that a row that somebody edited is told from one that nobody touched, whoever wrote the file
since. docs/formats.md is normative. Paths, ids and labels are never changed; a note or reason that a
spreadsheet would take for a formula gets an apostrophe before it, which reading takes away again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.errors import TableError
from chaffinch.formats.export_table import ExportTable, TableRow
from chaffinch.storage.files import atomic_path
from chaffinch.storage.plan import in_batches

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

ROWS_PER_BATCH = 1 << 15
"""Rows that are made into text at once: few enough that their text stays below the 2 GiB of one array."""

_FREE_TEXTS = ("vl_reason", "notes")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = '"'
_NEEDS_QUOTES = r'[,"\r\n]'
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
    """Write a manifest of rows in memory; as `write_manifest_tables`.

    Args:
        path: The CSV; missing parent folders are made.
        rows: Texts by column; `row_hash` is computed, other columns that are left out are empty.
        more: Further columns behind ours.
    """
    names = [name for name in [*COLUMNS, *more] if name != "row_hash"]
    batches = in_batches(rows, ROWS_PER_BATCH)
    tables = (pa.table({n: [_valid(row.get(n, "")) for row in batch] for n in names}) for batch in batches)
    return write_manifest_tables(path, tables, more=more)


def write_manifest_tables(path: Path, tables: Iterable[pa.Table], *, more: Sequence[str] = ()) -> int:
    """Write a manifest, atomically; returns the number of rows.

    Args:
        path: The CSV; missing parent folders are made.
        tables: Text columns, none of them with nulls; `row_hash` is computed, other columns that are left out
            are empty.
        more: Further columns behind ours.

    Cost: about 3 us a row that nobody decided about, 20 us another; memory of one table.
    """
    columns = [*COLUMNS, *more]
    n_rows = 0
    with atomic_path(path) as temporary, temporary.open("wb") as out:
        out.write(_lines(pa.table([[name] for name in columns], names=columns)))
        for table in tables:
            n_rows += len(table)
            out.write(_lines(_complete(table, columns).select(columns)))
    return n_rows


def _valid(text: str) -> str:
    """Return a text that UTF-8 can hold, with backslashes for what could not be decoded."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _complete(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    empty = pa.repeat("", len(table))
    texts = {name: table.column(name) if name in table.column_names else empty for name in columns}
    action = texts["user_action"]
    texts["user_action"] = pc.if_else(pc.equal(action, ""), UNDECIDED, action)
    texts["row_hash"] = _row_hashes(pa.table(texts))
    for name in _FREE_TEXTS:
        is_formula = pc.match_substring_regex(texts[name], rf"^[{re.escape(''.join(_FORMULA))}]")
        quoted = pc.binary_join_element_wise("'", texts[name], "")
        texts[name] = pc.if_else(is_formula, quoted, texts[name])
    return pa.table(texts)


def _row_hashes(table: pa.Table) -> pa.Array:
    """Return `decision_hash` of each row; rows that nobody touched share theirs."""
    label = table.column("new_label")
    conditions = [
        pc.equal(table.column("user_tags"), ""),
        pc.equal(table.column("user_action"), UNDECIDED),
        pc.or_(pc.equal(label, ""), pc.equal(label, table.column("label"))),
        pc.equal(table.column("notes"), ""),
    ]
    is_untouched = functools.reduce(pc.and_, conditions)
    touched = table.select(["user_tags", "user_action", "new_label", "label", "notes"])
    rows = touched.filter(pc.invert(is_untouched)).to_pylist()
    hashes = pa.array([decision_hash(as_decision(row)) for row in rows], pa.string())
    untouched = pa.repeat(decision_hash(NOTHING_DECIDED), len(table))
    return pc.replace_with_mask(untouched, pc.invert(is_untouched.combine_chunks()), hashes)


def _lines(table: pa.Table) -> pa.Buffer | bytes:
    """Return the rows as lines of CSV.

    Not csv.writer: before Python 3.13 it leaves a lone carriage return unquoted, which splits the row. Not
    Arrow's either: it quotes every text.
    """
    if not len(table):
        return b""
    cells = [_quoted(column.combine_chunks()) for column in table.columns]
    cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "")
    lines = pc.binary_join_element_wise(*cells, ",")
    # The texts of an Arrow array lie one behind the other: joined lines are the file's bytes.
    first, last = np.frombuffer(lines.buffers()[1], np.int32)[[lines.offset, lines.offset + len(lines)]]
    return lines.buffers()[2][int(first) : int(last)]


def _quoted(cells: pa.Array) -> pa.Array:
    needs = pc.match_substring_regex(cells, _NEEDS_QUOTES)
    if not pc.any(needs).as_py():
        return cells
    quoted = pc.binary_join_element_wise(_QUOTE, pc.replace_substring(cells, _QUOTE, _QUOTE * 2), _QUOTE, "")
    return pc.if_else(needs, quoted, cells)


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
