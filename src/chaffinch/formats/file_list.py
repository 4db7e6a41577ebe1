"""Lists of images: a CSV, TSV, Parquet or text file that names the images, with labels, splits and ids.

Relative paths start at the list's own folder; where none of the first hundred lies there but one lies below
the current folder, all start at the current folder instead: one rule for the whole list, never row by row.
The key is the path as written, well formed (see `names.clean_name`): `/data/a.jpg` becomes `data/a.jpg`, `..`
is spelled out. Rows keep the list's order. A listed file that is not there is a sample and becomes `missing`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from chaffinch.errors import IdentityError, SourceError, TableError
from chaffinch.formats import names
from chaffinch.formats.list_rows import ListColumns, ListRow, csv_rows, open_text, parquet_rows, text_rows
from chaffinch.formats.location import FileStats, absolute_uri, joined, local_path, open_binary, unreadable
from chaffinch.formats.source import Source
from chaffinch.identity import NO_SPLIT, check_split_name, path_text
from chaffinch.records import SampleRef

LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".parquet")
"""Endings of files that may be a list of images."""

_PROBED_ROWS = 100


class ListSource(Source):
    """A list of image files."""

    def __init__(self, location: str, *, dataset: str, split: str | None = None) -> None:
        """Take a list as the source.

        Args:
            location: The list, as the user wrote it.
            dataset: Name of the dataset, a slug.
            split: Put every image into this split, whatever the list says; None: as the list says.
        """
        self.dataset = dataset
        self._location = location
        self._shown = path_text(location)
        self._split = None if split is None else check_split_name(split)
        self.ignored: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images in the order of the list.

        Raises:
            TableError: If a row has no path, no id although there is a column of ids, a field too many, an
                impossible split, or a path that stands in an earlier row of its split.
        """
        base = self._choose_base()
        look = FileStats()
        seen = names.SeenNames()
        with self._rows() as (columns, rows):
            for row in rows:
                yield self._ref(row, columns, base=base, look=look, seen=seen)

    def check(self) -> None:
        """Read the first rows, to find early that this is no list.

        Raises:
            TableError: If the list names no image, or as `refs`.
        """
        if next(self.refs(), None) is None:
            raise TableError("names no image", path=self._shown, hint="it must have one row for each image")

    @contextmanager
    def _rows(self) -> Iterator[tuple[ListColumns, Iterator[ListRow]]]:
        try:
            with open_binary(self._location) as file:
                name = self._location.lower()
                if name.endswith(".parquet"):
                    yield parquet_rows(file, path=self._shown)
                    return
                with open_text(file) as text:
                    if name.endswith((".txt", ".lst")):
                        yield ListColumns("path", "label", None, None), text_rows(text)
                    else:
                        yield csv_rows(text, path=self._shown)
        except OSError as error:
            raise unreadable(self._location, error) from error
        except SourceError as error:
            if error.where:
                raise
            raise SourceError(error.what, where=self._shown, hint=error.hint) from error

    def _choose_base(self) -> str:
        """Return the folder that relative paths start at, as the user would write it; '' is here."""
        folder = self._location.rpartition("/")[0] or ("/" if self._location.startswith("/") else "")
        if local_path(self._location) is None:
            return folder
        with self._rows() as (_, rows):
            paths = [row.path for row in islice(rows, _PROBED_ROWS) if row.path]
        relative = [path for path in paths if not _is_absolute(path)]
        local_folder = local_path(folder) or ""
        if any(_is_there(joined(local_folder, path)) for path in relative):
            return folder
        return "" if any(map(_is_there, relative)) else folder

    def _ref(
        self, row: ListRow, columns: ListColumns, *, base: str, look: FileStats, seen: names.SeenNames
    ) -> SampleRef:
        path = row.path
        rel_path = names.clean_name(path or "")
        if path is None or not rel_path:
            raise self._bad("names no image", row, columns.path, got=path or "")
        if columns.id is not None and (row.id is None or not row.id.strip()):
            raise self._bad("has no id", row, columns.id, got=row.id or "")
        split = self._split or self._split_of(row, columns)
        if not seen.add(f"{split}/{rel_path}"):
            raise self._bad(f"stands in an earlier row of split {split!r} too", row, columns.path, got=path)
        location = path if _is_absolute(path) else joined(base, path)
        info = look(location)
        return SampleRef(
            split=split,
            rel_path=rel_path,
            image_path=path_text(location),
            uri=absolute_uri(location),
            member="",
            given_label=row.label,
            source_id=row.id,
            size_bytes=info.size_bytes,
            stamp=info.stamp,
        )

    def _split_of(self, row: ListRow, columns: ListColumns) -> str:
        if row.split is None or not row.split.strip():
            return NO_SPLIT
        try:
            return check_split_name(row.split.strip())
        except IdentityError as error:
            raise self._bad(error.what, row, columns.split, hint=error.hint) from error

    def _bad(
        self, what: str, row: ListRow, column: str | None, *, got: str | None = None, hint: str = ""
    ) -> TableError:
        return TableError(
            what,
            path=self._shown,
            row=row.number,
            column=column,
            got=None if got is None else path_text(got),
            hint=hint or "correct the row or take it out",
        )


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or local_path(path) != path


def _is_there(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False
