"""The leak report: one CSV row for each pair of a train and a test image and each method that found it.

The first six columns are the guide's, the rest ours. Rows are sorted by method (cheapest first), train key,
test key, so the same findings give the same bytes. Any number of rows passes through in bounded memory. A
report is whole or not there; without a leak it holds the header alone. docs/formats.md is normative.

Add a stage to a report: ``write_leak_rows(path, chain(rows_to_keep(path, searched=methods), new_rows))``.
"""

from __future__ import annotations

import csv
import heapq
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeVar

from chaffinch.errors import TableError
from chaffinch.records import LEAK_TYPES, LeakPair
from chaffinch.storage.files import atomic_path

GUIDE_COLUMNS = ("train_image", "test_image", "method", "similarity", "leak_type", "hamming_distance")
"""Columns of the users' guide; every report has them, in this order."""

COLUMNS = (
    *GUIDE_COLUMNS,
    "train_label",
    "test_label",
    "labels_agree",
    "transform",
    "train_key",
    "test_key",
    "train_uri",
    "test_uri",
)
"""Columns of a report that chaffinch writes."""

RUN_ROWS = 50_000
"""Rows sorted in memory at a time, about 50 MB; more are spilled to unnamed files beside the report."""

MAX_RUNS = 64
"""Sorted runs kept open at a time; more are merged into one, so that file handles never run out."""

_SIMILARITY_DECIMALS = 6
"""1 - d / 64 has at most six decimals, and float32 cosines carry no more."""

_NEEDS_QUOTES = re.compile(r'[,"\r\n]')
_METHOD_ORDER = {method: order for order, method in enumerate(LEAK_TYPES)}
_METHOD = COLUMNS.index("method")
_TRAIN_KEY = COLUMNS.index("train_key")
_TEST_KEY = COLUMNS.index("test_key")
_BOOL_TEXT = {True: "true", False: "false", None: ""}
_BOOL_VALUE = {"true": True, "false": False, "": None}
_Row = Sequence[str]
T = TypeVar("T")


# ------------------------------------------------------------------------------------------------- writing


def write_leak_rows(path: Path, pairs: Iterable[LeakPair]) -> dict[str, int]:
    """Write a leak report, sorted, atomically; missing parent folders are made.

    Args:
        path: The CSV; `pairs` may stream out of the file that it replaces.
        pairs: Rows in any order, each pair at most once per method.

    Returns:
        Rows written per method that has any, cheapest method first.

    Raises:
        OSError: If the folder cannot be written; an old report then stays as it was.

    Cost: memory about 50 MB at any number of rows, disk twice the report while it is written.
    """
    counts: Counter[str] = Counter()
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as out,
    ):
        out.write(_line(COLUMNS))
        for row in _sorted_rows(map(_encode, pairs), spill=path.parent):
            counts[row[_METHOD]] += 1
            out.write(_line(row))
    return {method: counts[method] for method in LEAK_TYPES if counts[method]}


def similarity_text(similarity: float) -> str:
    """Spell a similarity shortly: ``1.0``, ``0.96875``; at most six decimals."""
    return repr(round(float(similarity), _SIMILARITY_DECIMALS))


def _encode(pair: LeakPair) -> _Row:
    distance = pair.hamming_distance
    return (
        pair.train_image,
        pair.test_image,
        pair.method,
        similarity_text(pair.similarity),
        pair.leak_type,
        "" if distance is None else str(int(distance)),
        pair.train_label or "",
        pair.test_label or "",
        _BOOL_TEXT[pair.labels_agree],
        pair.transform,
        pair.train_key,
        pair.test_key,
        pair.train_uri,
        pair.test_uri,
    )


def _line(row: _Row) -> str:
    # Not csv.writer: before Python 3.13 it leaves a lone carriage return unquoted, which splits the row.
    if _NEEDS_QUOTES.search(" ".join(row)):
        row = [_quoted(field) if _NEEDS_QUOTES.search(field) else field for field in row]
    return ",".join(row) + "\n"


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"'


# ------------------------------------------------------------------------------------------------- sorting


def _order(row: _Row) -> tuple[int, str, str, str, str]:
    # The image names order the rows of a foreign report, which have no keys.
    return _METHOD_ORDER[row[_METHOD]], row[_TRAIN_KEY], row[_TEST_KEY], row[0], row[1]


def _sorted_rows(rows: Iterator[_Row], *, spill: Path) -> Iterator[_Row]:
    """Sort rows of any number: runs in memory, spilled to unnamed files in `spill`, merged in the end."""
    with ExitStack() as open_files:
        runs: list[TextIO] = []
        last = sorted(islice(rows, RUN_ROWS), key=_order)
        while len(last) == RUN_ROWS:
            runs.append(_spilled(last, spill, open_files))
            if len(runs) == MAX_RUNS:
                runs = [_merged(runs, spill, open_files)]
            last = sorted(islice(rows, RUN_ROWS), key=_order)
        yield from heapq.merge(*map(_read_run, runs), last, key=_order)


def _merged(runs: Sequence[TextIO], folder: Path, open_files: ExitStack) -> TextIO:
    merged = _spilled(heapq.merge(*map(_read_run, runs), key=_order), folder, open_files)
    for run in runs:
        run.close()
    return merged


def _spilled(rows: Iterable[_Row], folder: Path, open_files: ExitStack) -> TextIO:
    run = open_files.enter_context(
        tempfile.TemporaryFile(  # noqa: SIM115 (`open_files` closes it)
            "w+", dir=folder, encoding="utf-8", errors="surrogatepass", newline=""
        )
    )
    run.writelines(map(_line, rows))
    run.seek(0)
    return run


def _read_run(run: TextIO) -> Iterator[_Row]:
    return csv.reader(run)


# ------------------------------------------------------------------------------------------------- reading


def read_leak_rows(path: Path) -> Iterator[LeakPair]:
    """Stream the rows of a leak report.

    A report with the guide's six columns alone is read too: labels are then None, keys and URIs ''.
    Columns we do not know are passed over. An empty label comes back as None.

    Raises:
        TableError: With file, row (the header is row 1) and column where a row cannot be used.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        row_number = 1
        try:
            at = _column_places(path, next(reader, []))
            for fields in reader:
                row_number += 1
                if fields:
                    yield _decode(_Fields(path, row_number, fields, at=at))
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(
                f"cannot be read as CSV ({error})",
                path=str(path),
                row=row_number + 1,
                hint="the report is cut off or edited; write it anew with 'chaffinch leaks'",
            ) from error


def rows_to_keep(path: Path, *, searched: Collection[str]) -> Iterator[LeakPair]:
    """Stream the rows of an existing report whose method is not among `searched`; none without a report."""
    if path.exists():
        yield from (pair for pair in read_leak_rows(path) if pair.method not in searched)


def _column_places(path: Path, header: Sequence[str]) -> dict[str, int]:
    if tuple(header[: len(GUIDE_COLUMNS)]) != GUIDE_COLUMNS:
        raise TableError(
            f"is not a leak report: the header must begin with {','.join(GUIDE_COLUMNS)}",
            path=str(path),
            row=1,
            got=",".join(header),
            hint="name another --output, or remove the file if it is not needed",
        )
    return {name: place for place, name in enumerate(header)}


class _Fields:
    """One record of a report with its place, for values by column and errors that name them."""

    __slots__ = ("at", "fields", "path", "row")

    def __init__(self, path: Path, row: int, fields: Sequence[str], *, at: dict[str, int]) -> None:
        if len(fields) != len(at):
            raise TableError(
                f"has {len(fields)} fields where the header has {len(at)}", path=str(path), row=row
            )
        self.path, self.row, self.fields, self.at = path, row, fields, at

    def text(self, column: str) -> str:
        place = self.at.get(column)
        return "" if place is None else self.fields[place]

    def value(self, column: str, convert: Callable[[str], T], expected: str) -> T:
        text = self.text(column)
        try:
            return convert(text)
        except (ValueError, KeyError):
            raise TableError(
                f"must be {expected}", path=str(self.path), row=self.row, column=column, got=text
            ) from None


def _similarity(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def _distance(text: str) -> int | None:
    value = int(text) if text else None
    if value is not None and not 0 <= value <= 64:
        raise ValueError(text)
    return value


def _decode(fields: _Fields) -> LeakPair:
    leak_type = fields.value("method", LEAK_TYPES.__getitem__, f"one of {', '.join(LEAK_TYPES)}")
    if fields.text("leak_type") != leak_type:
        raise TableError(
            f"must be {leak_type!r} for this method",
            path=str(fields.path),
            row=fields.row,
            column="leak_type",
            got=fields.text("leak_type"),
        )
    return LeakPair(
        train_image=fields.text("train_image"),
        test_image=fields.text("test_image"),
        method=fields.text("method"),
        similarity=fields.value("similarity", _similarity, "a number from 0 to 1"),
        leak_type=leak_type,
        hamming_distance=fields.value("hamming_distance", _distance, "empty or a whole number from 0 to 64"),
        transform=fields.text("transform"),
        train_label=fields.text("train_label") or None,
        test_label=fields.text("test_label") or None,
        labels_agree=fields.value("labels_agree", _BOOL_VALUE.__getitem__, "true, false or empty"),
        train_key=fields.text("train_key"),
        test_key=fields.text("test_key"),
        train_uri=fields.text("train_uri"),
        test_uri=fields.text("test_uri"),
    )
