"""Predicted probabilities of a user's model: a row per image, a column per class.

`.npy`: shape (samples, classes), rows in the order of `sample_id`, columns in the order of the class table.
CSV (any usual delimiter) or Parquet: a column `key` or `image_id`, and either a column per class, named by
the class, or (Parquet) a list column `pred_probs` in the order of the class table. Nothing else may stand in
the file but the other of the two id columns.

Every row is checked: numbers, none missing, none negative, sum 1 within `MAX_SUM_ERROR`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.export_table import ExportTable, known_columns

MAX_SUM_ERROR = 0.01
"""How far a row's sum may be from 1: half-precision probabilities of a thousand classes miss it by 0.003."""
ID_COLUMNS = ("key", "image_id")
LIST_COLUMN = "pred_probs"
_BLOCK_ROWS = 8192
_HINT = "give a .npy of shape (samples, classes), or a table with 'key' or 'image_id' and a column per class"


@dataclass(frozen=True, slots=True, eq=False)
class PredProbs:
    """Checked probabilities. R rows, C classes."""

    where: str
    """The file, for messages."""
    values: np.ndarray
    """Shape (R, C), floating; a memory map where the file is `.npy`."""
    id_column: str | None
    """`key` or `image_id`; None where rows are the samples in order."""
    ids: Sequence[str] | None
    """R ids as written; None likewise."""
    classes: Sequence[str] | None
    """C names as written; None: in the order of the class table."""
    first_row: int
    """Number of the first row in messages: 0 in `.npy`, 1 in Parquet, 2 in CSV."""


def read_pred_probs(path: Path) -> PredProbs:
    """Read a file of probabilities.

    Raises:
        SourceError: If it cannot be read.
        TableError: With file, row and column: where columns are missing or a row is no distribution.

    Cost: a table takes 4 bytes a number; `.npy` is mapped.
    """
    if not path.is_file():
        raise SourceError("is no file", where=str(path), hint=_HINT)
    if path.suffix == ".npy":
        found = _from_npy(path)
    elif path.suffix == ".parquet":
        found = _from_parquet(path)
    else:
        found = _from_csv(path)
    _check(found)
    return found


def _from_npy(path: Path) -> PredProbs:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot be read: {error}", where=str(path), hint=_HINT) from error
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise SourceError(
            f"must be a float array of rank 2, got {values.dtype} of shape {values.shape}",
            where=str(path),
            hint=_HINT,
        )
    return PredProbs(str(path), values, None, None, None, first_row=0)


def _from_parquet(path: Path) -> PredProbs:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"cannot be read: {error}", where=str(path), hint=_HINT) from error
    id_column, places = _columns(str(path), table.column_names)
    ids = [_text(value) for value in table.column(places[0]).to_pylist()]
    classes = [table.column_names[place] for place in places[1:]]
    if known_columns(classes).keys() == {LIST_COLUMN}:
        values, names = _from_lists(str(path), table.column(places[1]), classes[0]), None
    else:
        values, names = np.empty((len(table), len(classes)), dtype=np.float32), classes
        for column, place in enumerate(places[1:]):
            values[:, column] = _floats(str(path), table.column(place), classes[column])
    return PredProbs(str(path), values, id_column, ids, names, first_row=1)


def _from_lists(where: str, column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Return a column of lists as shape (R, C), float32."""
    lists = column.combine_chunks()
    if not pa.types.is_list(lists.type) and not pa.types.is_fixed_size_list(lists.type):
        raise TableError(f"must hold lists, holds {lists.type}", path=where, column=name, hint=_HINT)
    lengths = np.array([0 if value is None else len(value) for value in lists], dtype=np.int64)
    n_classes = int(lengths[0]) if len(lengths) else 0
    odd = np.flatnonzero(lengths != n_classes)
    if len(odd):
        raise TableError(
            f"has {lengths[odd[0]]} numbers where row 1 has {n_classes}",
            path=where,
            row=int(odd[0]) + 1,
            column=name,
            hint="every row needs one number per class",
        )
    return _floats(where, lists.flatten(), name).reshape(-1, max(n_classes, 1))


def _floats(where: str, column: pa.ChunkedArray | pa.Array, name: str) -> np.ndarray:
    try:
        numbers = column.cast(pa.float32())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(
            f"must hold numbers, holds {column.type}", path=where, column=name, hint=_HINT
        ) from error
    found: np.ndarray = (
        numbers.to_numpy(zero_copy_only=False) if isinstance(numbers, pa.Array) else numbers.to_numpy()
    )
    return found


def _from_csv(path: Path) -> PredProbs:
    table = ExportTable(path, where=str(path))
    id_column, places = _columns(str(path), table.columns)
    classes = [table.columns[place] for place in places[1:]]
    ids: list[str] = []
    blocks: list[np.ndarray] = []
    for row in table.rows():
        ids.append(row.cells[places[0]])
        cells = [row.cells[place] for place in places[1:]]
        try:
            blocks.append(np.array(cells, dtype=np.float32))
        except ValueError:
            wrong = next(number for number, cell in enumerate(cells) if not _is_number(cell))
            raise TableError(
                "is no number",
                path=str(path),
                row=row.number,
                column=classes[wrong],
                got=cells[wrong],
                hint=_HINT,
            ) from None
    values = np.stack(blocks) if blocks else np.empty((0, len(classes)), dtype=np.float32)
    return PredProbs(str(path), values, id_column, ids, classes, first_row=2)


def _columns(where: str, names: Sequence[str]) -> tuple[str, list[int]]:
    """Return the name of the id column, and the places of it and of the classes."""
    known = known_columns(names)
    id_column = next((name for name in ID_COLUMNS if name in known), None)
    if id_column is None:
        raise TableError(
            f"has no column 'key' or 'image_id', only {', '.join(map(repr, names[:10]))}",
            path=where,
            hint=_HINT,
        )
    ids = {known[name] for name in ID_COLUMNS if name in known}
    classes = [place for place in range(len(names)) if place not in ids]
    if not classes:
        raise TableError("has no column of probabilities", path=where, hint=_HINT)
    return id_column, [known[id_column], *classes]


def _check(probs: PredProbs) -> None:
    """Refuse rows that are no distribution; names the first one."""
    for start in range(0, len(probs.values), _BLOCK_ROWS):
        block = np.asarray(probs.values[start : start + _BLOCK_ROWS], dtype=np.float32)
        is_bad = ~np.isfinite(block) | (block < 0)
        if is_bad.any():
            row, column = np.argwhere(is_bad)[0].tolist()
            raise TableError(
                "is no probability",
                path=probs.where,
                row=probs.first_row + start + row,
                column=str(column) if probs.classes is None else probs.classes[column],
                got=str(block[row, column]),
                hint="every number must be between 0 and 1: a softmax, not logits",
            )
        sums = block.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(np.abs(sums - 1) > MAX_SUM_ERROR)
        if len(wrong):
            raise TableError(
                f"sums to {sums[wrong[0]]:.4f}, not to 1",
                path=probs.where,
                row=probs.first_row + start + int(wrong[0]),
                hint="every row must be a distribution over all classes: a softmax, not logits",
            )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _text(value: object) -> str:
    return "" if value is None else str(value)
