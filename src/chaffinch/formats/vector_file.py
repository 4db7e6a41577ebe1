"""Vectors that the user has: a NumPy file with the names of its rows beside it, or a Parquet file with both.

``vectors.npy`` holds one row of floats per image. Which image that is stands in ``vectors.csv`` or
``vectors.parquet`` beside it, row by row; without either the rows are in the order of the table `samples`. A
Parquet file has the vector in a column of lists. Images are named by a column `key`, `image_id` or
`image_path`, of which a table may have several. Nothing pickled is ever loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.export_table import ExportTable, known_columns, value_or_none

ROWS_PER_BLOCK = 4096

ID_NAMES = ("image_id", "id")
PATH_NAMES = ("key", "image_path", "path", "file_name", "filename")
VECTOR_NAMES = ("vector", "vectors", "embedding", "embeddings", "features")
"""Column names that are understood, best first."""


@dataclass(frozen=True, slots=True)
class RowNames:
    """What each row of a file calls its image; None where it does not say. One entry a row each."""

    ids: Sequence[str | None]
    """Image ids."""
    paths: Sequence[str | None]
    """Keys or paths."""
    splits: Sequence[str | None]
    """Splits."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorFile:
    """Vectors in a file, opened and not read yet."""

    path: Path
    """The file."""
    n_rows: int
    """Rows it has."""
    dim: int
    """Length of a vector."""
    names: RowNames | None
    """Which image each row is of; None where they are in the order of the samples."""
    blocks: Callable[[], Iterator[np.ndarray]]
    """Streams the rows, shape (B, dim), float32; rows of zeros where the file has no vector."""


def open_vectors(path: Path) -> VectorFile:
    """Open a file of vectors.

    Raises:
        SourceError: If it is neither, cannot be read, or the rows of both files differ in number.
        TableError: If no column names images, or none holds vectors.
    """
    if not path.is_file():
        raise SourceError("is not there", where=str(path), hint="--embedder vectors:FILE.npy")
    if path.suffix == ".parquet":
        return _open_parquet(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"cannot be read as an array: {error}", where=str(path), hint="save it with numpy.save"
        ) from error
    if array.ndim != 2 or array.dtype.kind != "f" or not array.shape[1]:
        raise SourceError(
            f"holds {array.dtype} of shape {array.shape}",
            where=str(path),
            hint="save floats, a row per image",
        )
    return VectorFile(
        path, len(array), array.shape[1], _names_beside(path, len(array)), partial(_array_blocks, path)
    )


def _array_blocks(path: Path) -> Iterator[np.ndarray]:
    n_rows = len(np.load(path, mmap_mode="r", allow_pickle=False))
    for start in range(0, n_rows, ROWS_PER_BLOCK):
        # Mapped anew each time, since pages of one long-lived map all count as our memory.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        yield _finite(np.array(array[start : start + ROWS_PER_BLOCK], dtype=np.float32))


def _names_beside(path: Path, n_rows: int) -> RowNames | None:
    candidates = (path.with_suffix(".csv"), path.with_suffix(".parquet"))
    beside = next((file for file in candidates if file.exists()), None)
    if beside is None:
        return None
    names = _row_names(beside)
    if len(names.ids) != n_rows:
        raise SourceError(
            f"names {len(names.ids)} rows, and {path.name} has {n_rows}",
            where=str(beside),
            hint="there must be one row for each vector, in the same order",
        )
    return names


def _row_names(path: Path) -> RowNames:
    table = ExportTable(path, where=str(path))
    known = known_columns(table.columns)
    id_place = next((known[name] for name in ID_NAMES if name in known), None)
    path_place = next((known[name] for name in PATH_NAMES if name in known), None)
    if id_place is None and path_place is None:
        raise _no_names(path, table.columns)
    names = RowNames(ids=[], paths=[], splits=[])
    columns: list[tuple[Any, int | None]] = [
        (names.ids, id_place),
        (names.paths, path_place),
        (names.splits, known.get("split")),
    ]
    for row in table.rows():
        for values, place in columns:
            values.append(None if place is None else value_or_none(row.cells[place]))
    return names


def _no_names(path: Path, columns: Sequence[str]) -> TableError:
    return TableError(
        f"no column names the images; there are {', '.join(columns)}",
        path=str(path),
        hint="it needs a column key, image_id or image_path",
    )


def _open_parquet(path: Path) -> VectorFile:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"is not a Parquet file, or cut off: {error}", where=str(path)) from error
    with file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
        column = _vector_column(schema, path)
        dim = _dim(file, column, path)
        names = _parquet_names(file, path)
    return VectorFile(path, n_rows, dim, names, partial(_parquet_blocks, path, column, dim))


def _vector_column(schema: pa.Schema, path: Path) -> str:
    lists = [
        field.name
        for field in schema
        if isinstance(field.type, pa.ListType | pa.LargeListType | pa.FixedSizeListType)
        and pa.types.is_floating(field.type.value_type)
    ]
    for name in (*VECTOR_NAMES, *lists):
        if name in lists:
            return str(name)
    raise TableError(
        f"no column holds vectors; there are {', '.join(schema.names)}",
        path=str(path),
        hint="it needs a column of lists of floats, such as 'vector'",
    )


def _dim(file: pq.ParquetFile, column: str, path: Path) -> int:
    """Return the length of the first vector there is."""
    for batch in file.iter_batches(256, columns=[column]):
        lengths = batch.column(0).value_lengths().drop_null().to_pylist()
        if any(lengths):
            return int(next(filter(None, lengths)))
    raise TableError("holds no vector", path=str(path), column=column)


def _parquet_names(file: pq.ParquetFile, path: Path) -> RowNames:
    known = known_columns(file.schema_arrow.names)
    found = [
        next((known[name] for name in names if name in known), None)
        for names in (ID_NAMES, PATH_NAMES, ("split",))
    ]
    if found[0] is None and found[1] is None:
        raise _no_names(path, file.schema_arrow.names)
    columns = [_texts(file, place) for place in found]
    return RowNames(*columns)


def _texts(file: pq.ParquetFile, place: int | None) -> list[str | None]:
    if place is None:
        return [None] * file.metadata.num_rows
    values = file.read(columns=[file.schema_arrow.names[place]]).column(0)
    return [None if value is None else str(value) for value in values.to_pylist()]


def _parquet_blocks(path: Path, column: str, dim: int) -> Iterator[np.ndarray]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_PER_BLOCK, columns=[column]):
            lists = batch.column(0)
            lengths = np.array(lists.value_lengths().fill_null(0))
            wrong = np.flatnonzero((lengths != dim) & (lengths != 0))
            if len(wrong):
                raise TableError(
                    f"has a vector of {lengths[wrong[0]]} numbers where the first has {dim}",
                    path=str(path),
                    row=number + int(wrong[0]) + 1,
                    column=column,
                )
            block = np.zeros((len(lists), dim), np.float32)
            values = lists.drop_null().flatten().to_numpy(zero_copy_only=False)
            block[lengths > 0] = values.reshape(-1, dim)
            number += len(block)
            yield _finite(block)


def _finite(block: np.ndarray) -> np.ndarray:
    """Make rows that hold what is no number into rows of zeros."""
    block[~np.isfinite(block).all(axis=1)] = 0
    return block
