"""Flat tables of other tools: CSV with any usual delimiter, or Parquet; rows as texts, any number of times.

CSV: comma, semicolon, TAB or bar, told by the header; UTF-8 with or without byte order mark, or UTF-16 with
one; any line end; quoted fields may hold delimiters and line breaks, which are kept. Row numbers are those a
spreadsheet shows (the header is row 1); a row also knows its line in the file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pyarrow.parquet as pq

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.list_rows import open_text
from chaffinch.formats.parquet_rows import open_parquet

DELIMITERS = (",", ";", "\t", "|")
_PARQUET_ROWS = 8192
_MAX_FIELD_CHARS = 1 << 24
MISSING_TEXTS = frozenset(("", "nan", "na", "n/a", "null", "none", "<na>", "-"))
"""What programs and people write for a missing value, in lower case."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table."""

    number: int
    """Row number: the header of a CSV is row 1; Parquet has no header, so its first row is row 1."""
    line: int
    """Line of a CSV that the row begins in; the row number for Parquet."""
    cells: list[str]
    """One text a column; '' where the table has nothing."""


class ExportTable:
    """A flat table in a file; `rows` may be run any number of times."""

    def __init__(self, file: Path, *, where: str) -> None:
        """Read the column names.

        Args:
            file: A local file; one that begins as Parquet does is read as such, every other as CSV.
            where: Its name, for messages.

        Raises:
            SourceError: If it cannot be read, or holds no header.
        """
        self._file = file
        self.where = where
        with file.open("rb") as stream:
            self._is_parquet = stream.read(4) == b"PAR1"
        self.delimiter = ""
        """What stands between the cells of a CSV; '' for Parquet."""
        self.columns: list[str] = self._read_parquet_names() if self._is_parquet else self._read_header()
        """Names as written."""

    def rows(self) -> Iterator[TableRow]:
        """Stream the rows.

        Raises:
            TableError: With file, row and line where a row has more cells than the header, or is no CSV.
        """
        if self._is_parquet:
            yield from self._parquet_rows()
            return
        with self._open() as text:
            records = self._records(text)
            next(records)
            for row in records:
                yield self._checked(row)

    def _read_parquet_names(self) -> list[str]:
        with self._file.open("rb") as stream, self._opened_parquet(stream) as parquet:
            return list(parquet.schema_arrow.names)

    def _opened_parquet(self, stream: object) -> pq.ParquetFile:
        try:
            return open_parquet(stream)  # type: ignore[arg-type]
        except SourceError as error:
            raise SourceError(error.what, where=self.where, hint=error.hint) from error

    def _parquet_rows(self) -> Iterator[TableRow]:
        number = 0
        with self._file.open("rb") as stream, self._opened_parquet(stream) as parquet:
            for batch in parquet.iter_batches(_PARQUET_ROWS, use_threads=False):
                columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield TableRow(number, number, list(cells))

    def _open(self) -> TextIO:
        return open_text(self._file.open("rb"))

    def _read_header(self) -> list[str]:
        with self._open() as text:
            first = text.readline()
        self.delimiter = max(DELIMITERS, key=first.count)
        with self._open() as text:
            header = next(self._records(text), None)
        if header is None or not any(cell.strip() for cell in header.cells):
            raise TableError("is empty", path=self.where, hint="its first line must name the columns")
        return [cell.strip() for cell in header.cells]

    def _records(self, text: TextIO) -> Iterator[TableRow]:
        csv.field_size_limit(_MAX_FIELD_CHARS)
        reader = csv.reader(text, delimiter=self.delimiter, strict=True)
        number = 0
        while True:
            number += 1
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except (csv.Error, UnicodeError) as error:
                raise TableError(
                    f"cannot be read (line {line}): {error}",
                    path=self.where,
                    row=number,
                    hint="a quote may be open: quotes inside a quoted field are doubled",
                ) from error
            if cells is None:
                return
            if cells:
                yield TableRow(number, line, cells)

    def _checked(self, row: TableRow) -> TableRow:
        n_columns = len(self.columns)
        if len(row.cells) > n_columns:
            raise TableError(
                f"has {len(row.cells)} cells where the header has {n_columns} (line {row.line})",
                path=self.where,
                row=row.number,
                hint="put quotes around a value that holds the delimiter",
            )
        row.cells.extend([""] * (n_columns - len(row.cells)))
        return row


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)


def value_or_none(cell: str) -> str | None:
    """Return a cell's text without blanks around it; None where it says that there is nothing."""
    text = cell.strip()
    return None if text.lower() in MISSING_TEXTS else text


def known_columns(columns: Sequence[str]) -> dict[str, int]:
    """Return the place of each column by its name in lower case, blanks and hyphens as '_'."""
    places: dict[str, int] = {}
    for place, name in enumerate(columns):
        places.setdefault(name.strip().lower().replace(" ", "_").replace("-", "_"), place)
    return places
