"""The rows of a list of images: CSV, TSV, Parquet or plain text, streamed.

Columns are known by their usual names (`SYNONYMS`), in any order and case; other columns are passed over.
Values are taken as written: ids keep their leading zeros, paths and labels their blanks. Row numbers are
those a spreadsheet shows: the header of a CSV is row 1, a field with line breaks in quotes counts as one row;
text and Parquet have no header, so their first row is row 1.

Plain text has one path a line, with a label behind it if there is one. Paths may hold blanks, so the line is
cut at its *last* picture ending that is followed by a blank, TAB or comma; a line that ends in a picture
ending is a path alone. Where there is no picture ending at all, a TAB, else a blank before a last word that
is a whole number, begins the label; else the line is a path alone.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from chaffinch.errors import TableError
from chaffinch.formats.source import IMAGE_SUFFIXES

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "image_path", "file_path", "filepath", "file_name", "filename", "file", "image"),
    "label": ("label", "given_label", "class", "class_name", "target"),
    "split": ("split", "subset", "set", "partition"),
    "id": ("id", "image_id"),
}
"""Names of the four columns, the surest first."""

_DELIMITERS = (",", ";", "\t", "|")
_ENDINGS = "|".join(re.escape(suffix[1:]) for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True))
_LAST_ENDING = re.compile(rf"(.*\.(?:{_ENDINGS}))[ \t,]+(.*)", re.IGNORECASE | re.DOTALL)
_NUMBER_BEHIND = re.compile(r"(.*\S)[ \t]+(-?\d+)", re.DOTALL)
_PARQUET_BATCH = 1 << 14


@dataclass(frozen=True, slots=True)
class ListRow:
    """One image of a list; None where there is no such column or the cell is empty."""

    number: int
    """Row number, for messages."""
    path: str | None
    """Path or URL as written."""
    label: str | None
    """Label as written."""
    split: str | None
    """Split as written."""
    id: str | None
    """Id as written."""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """Which columns of a list hold what; names as written there, None where absent."""

    path: str
    label: str | None
    split: str | None
    id: str | None


def find_columns(names: Sequence[str], *, path: str) -> ListColumns:
    """Find the four columns by their names.

    Args:
        names: The column names of the list.
        path: The list, for messages.

    Raises:
        TableError: If no column holds paths, naming those that are there and a likely match.
    """
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(name.strip().lower().replace(" ", "_"), name)
    found = {
        role: next((by_name[word] for word in words if word in by_name), None)
        for role, words in SYNONYMS.items()
    }
    path_column = found["path"]
    if path_column is None:
        raise _no_path_column(list(by_name), path)
    return ListColumns(path_column, found["label"], found["split"], found["id"])


def _no_path_column(names: Sequence[str], path: str) -> TableError:
    close = [name for name in names if difflib.get_close_matches(name, SYNONYMS["path"], 1, 0.5)]
    hint = (
        f"rename the column {close[0]!r} to 'path'" if close else "its first line must name a column 'path'"
    )
    return TableError(
        f"no column holds the path of an image (such as {', '.join(SYNONYMS['path'][:3])}); "
        f"its columns are {', '.join(repr(name) for name in names)}",
        path=path,
        column="path",
        hint=hint,
    )


# ------------------------------------------------------------------------------------------ CSV and TSV


def open_text(file: BinaryIO) -> TextIO:
    """Decode a list: UTF-8 with or without BOM, UTF-16 with BOM; undecodable bytes stay what they are.

    Line ends are left alone, since a quoted field or a file name may hold one.
    """
    start = file.read(2)
    file.seek(0)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="\n")


def csv_rows(text: TextIO, *, path: str) -> tuple[ListColumns, Iterator[ListRow]]:
    """Read the header of a CSV or TSV and stream its rows.

    Comma, semicolon, TAB and bar are told apart by the header.

    Raises:
        TableError: If a column is missing or a row cannot be used; while streaming too.
    """
    header_line = text.readline()
    delimiter = max(_DELIMITERS, key=header_line.count)
    spaced = header_line.count(delimiter) == header_line.count(f"{delimiter} ") > 0
    reader = csv.reader(
        _chained(header_line, text), delimiter=delimiter, skipinitialspace=spaced, strict=True
    )
    records = _records(reader, path)
    header = next(records, (1, []))[1]
    columns = find_columns(header, path=path)
    return columns, _csv_rows(records, header, columns, path)


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _records(reader: Iterator[list[str]], path: str) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            record = next(reader, None)
        except (csv.Error, UnicodeError) as error:
            raise TableError(
                f"cannot be read: {error}", path=path, row=number, hint="is a quote left open?"
            ) from error
        if record is None:
            return
        if record:
            yield number, record


def _csv_rows(
    records: Iterator[tuple[int, list[str]]], header: Sequence[str], columns: ListColumns, path: str
) -> Iterator[ListRow]:
    places = [
        None if name is None else header.index(name)
        for name in (columns.path, columns.label, columns.split, columns.id)
    ]
    for number, record in records:
        if len(record) > len(header):
            raise TableError(
                f"has {len(record)} fields where the header has {len(header)}",
                path=path,
                row=number,
                column=columns.path,
                got=record[len(header)],
                hint="put quotes around a value that holds the delimiter",
            )
        cells = [
            record[place] or None if place is not None and place < len(record) else None for place in places
        ]
        yield ListRow(number, *cells)


# ------------------------------------------------------------------------------------ text and Parquet


def text_rows(text: TextIO) -> Iterator[ListRow]:
    """Stream the rows of a plain text list; see the module for its rule. Blank lines are passed over."""
    for number, line in enumerate(text, start=1):
        path, label = split_text_line(line.removesuffix("\n").removesuffix("\r"))
        if path.strip():
            yield ListRow(number, path, label, None, None)


def split_text_line(line: str) -> tuple[str, str | None]:
    """Cut a line of a plain text list into path and label; None where it has no label."""
    stripped = line.rstrip(" \t,")
    if re.search(rf"\.(?:{_ENDINGS})$", stripped, re.IGNORECASE):
        return stripped, None
    match = _LAST_ENDING.fullmatch(stripped)
    if match is None and "\t" in stripped:
        path, _, label = stripped.partition("\t")
        return path, label.strip() or None
    match = match or _NUMBER_BEHIND.fullmatch(stripped)
    return (match[1], match[2].strip() or None) if match else (stripped, None)


def parquet_rows(file: BinaryIO, *, path: str) -> tuple[ListColumns, Iterator[ListRow]]:
    """Read the column names of a Parquet list and stream its rows.

    Raises:
        TableError: If no column holds paths.
        SourceError: If it is not a Parquet file.
    """
    from chaffinch.formats.parquet_rows import open_parquet

    parquet = open_parquet(file)
    columns = find_columns(parquet.schema_arrow.names, path=path)
    wanted = [columns.path, columns.label, columns.split, columns.id]

    def rows() -> Iterator[ListRow]:
        number = 0
        read = [name for name in wanted if name is not None]
        for batch in parquet.iter_batches(_PARQUET_BATCH, columns=read, use_threads=False):
            values = {name: batch.column(name).to_pylist() for name in read}
            for row in range(batch.num_rows):
                number += 1
                cells = (None if name is None else _text(values[name][row]) for name in wanted)
                yield ListRow(number, *cells)

    return columns, rows()


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
