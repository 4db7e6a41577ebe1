"""Image bytes out of Parquet rows, with at most the image column of one row group in memory.

Parquet has no offset of a row: a row group's pages are read from their beginning. `RowCursor` therefore runs
forward through a row group and starts it anew only when asked for an earlier row. It holds a page at a time,
but Arrow's writer cuts pages every 1024 rows at the earliest, so a page of images may be a whole row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.errors import SourceError

_BATCH_ROWS = 32
_BUFFER_BYTES = 1 << 20


def open_parquet(file: BinaryIO) -> pq.ParquetFile:
    """Open a Parquet file so that column chunks are read page by page.

    Raises:
        SourceError: If it is not one, or cut off.
    """
    try:
        return pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except pa.ArrowException as error:
        raise SourceError(
            f"not a Parquet file, or cut off: {error}", hint="fetch or write the file again"
        ) from error


class RowCursor:
    """Reads the bytes of one column, row by row, forward; an earlier row costs a fresh start."""

    def __init__(self, file: BinaryIO) -> None:
        """Open a Parquet file; closes `file` where that fails.

        Raises:
            SourceError: If it is not one.
        """
        self._file = file
        try:
            self._parquet = open_parquet(file)
        except SourceError:
            file.close()
            raise
        self._group = -1
        self._column = ""
        self._batches: Iterator[Any] = iter(())
        self._values: Any = None
        self._first_row = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def bytes_at(self, *, column: str, group: int, row: int) -> bytes | None:
        """Return the bytes in a row of a row group; None where the cell is null.

        Args:
            column: Path of a binary leaf, parts joined by dots.
            group: Number of the row group.
            row: Row within the group.

        Raises:
            SourceError: If the row is not there or its page cannot be read.
        """
        try:
            return self._bytes_at(column=column, group=group, row=row)
        except (pa.ArrowException, OSError) as error:
            self._group = -1
            raise SourceError(f"row {row} of row group {group} cannot be read: {error}") from error

    def _bytes_at(self, *, column: str, group: int, row: int) -> bytes | None:
        if (group, column) != (self._group, self._column) or row < self._first_row:
            self._start(column, group)
        while self._values is None or row >= self._first_row + len(self._values):
            self._first_row += 0 if self._values is None else len(self._values)
            batch = next(self._batches, None)
            if batch is None:
                self._group = -1
                raise SourceError(f"no row {row} in row group {group}")
            values = batch.column(0)
            self._values = values.field(0) if pa.types.is_struct(values.type) else values
        value: bytes | None = self._values[row - self._first_row].as_py()
        return value

    def _start(self, column: str, group: int) -> None:
        if not 0 <= group < self._parquet.num_row_groups:
            raise SourceError(f"no row group {group}")
        self._batches = self._parquet.iter_batches(
            _BATCH_ROWS, row_groups=[group], columns=[column], use_threads=False
        )
        self._group, self._column, self._values, self._first_row = group, column, None, 0
