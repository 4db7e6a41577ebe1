"""The finished parts of a Visual Layer export, kept on disk, and the one file made of them.

A part is one downloaded file: JSON of schema 1.1, Parquet, or a zip of either. Its media items go into a
SQLite file beside the target, all or none of them, each media id once; so a killed export knows what it has,
and memory does not grow with the dataset. Items that came twice are joined: nothing of either is lost.

The written file lists items in the order in which they were first seen.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from chaffinch.errors import SourceError, WorkspaceError
from chaffinch.formats.json_stream import JsonListReader

ITEMS_KEY = "media_items"
SCHEMA_VERSION = "1.1"

_ZIP_MAGIC = b"PK\x03\x04"
_PARQUET_MAGIC = b"PAR1"
_PARQUET_ROWS = 1024
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, n_items INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS items
    (number INTEGER PRIMARY KEY, media_id TEXT UNIQUE NOT NULL, body TEXT NOT NULL);
"""


# --------------------------------------------------------------------------------------------- reading a part


class DownloadedPart:
    """The media items of one downloaded file; iterate once."""

    def __init__(self, path: Path, *, is_everything: bool = False) -> None:
        """Prepare to read a file.

        Args:
            path: The file.
            is_everything: Whether it is an export without filters, so that its own total must be right.
        """
        self._path = path
        self._is_everything = is_everything
        self.info: dict[str, Any] = {}
        """The export's own description; complete once the iteration has ended, empty for Parquet."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Stream the items as the server wrote them.

        Raises:
            SourceError: If the file is cut off, or is no export.
        """
        with self._path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            try:
                yield from self._zip_items(file) if magic == _ZIP_MAGIC else self._items(file, magic)
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                raise SourceError(f"cannot be unpacked ({error})", where=self._path.name) from error

    def _zip_items(self, file: BinaryIO) -> Iterator[dict[str, Any]]:
        with zipfile.ZipFile(file) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith((".json", ".parquet"))]
            if not names:
                raise SourceError("the zip holds neither JSON nor Parquet", where=self._path.name)
            names.sort(key=lambda name: not name.rpartition("/")[2].startswith("metadata"))
            with archive.open(names[0]) as member:
                magic = member.read(4)
            with archive.open(names[0]) as member:
                yield from self._items(member, magic)

    def _items(self, file: Any, magic: bytes) -> Iterator[dict[str, Any]]:
        if magic == _PARQUET_MAGIC:
            # Parquet is read from its end, which a packed member does not allow.
            yield from _parquet_items(io.BytesIO(file.read()), where=self._path.name)
            return
        reader = JsonListReader(file, where=self._path.name, list_key=ITEMS_KEY)
        n_items = 0
        for item in reader:
            n_items += 1
            if not isinstance(item, dict):
                raise SourceError(f"a media item is no object but {item!r:.80}", where=self._path.name)
            yield item
        info = reader.top_level.get("info")
        self.info = info if isinstance(info, dict) else {}
        n_told = self.info.get("total_media_items")
        if self._is_everything and isinstance(n_told, int) and n_items < n_told:
            what = f"the export says that it holds {n_told:,} media items and holds {n_items:,}"
            raise SourceError(what, where=self._path.name)


def _parquet_items(file: io.BytesIO, *, where: str) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(_PARQUET_ROWS, use_threads=False):
            yield from (_plain(row) for row in batch.to_pylist())
    except pyarrow.ArrowException as error:
        raise SourceError(f"not Parquet ({error})", where=where) from error


def _plain(value: Any) -> Any:
    """Undo what Parquet does to nested fields: None where absent, text where nested."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str) and value[:2] in ("[{", "[]"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value if isinstance(value, str | int | float | bool) else str(value)


# ------------------------------------------------------------------------------------------------------ store


class PartStore:
    """The parts of one export that are there; use as a context manager, one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the store in an existing folder, or make it there.

        Raises:
            WorkspaceError: If the file there is damaged.
        """
        self._folder = folder
        self._db = sqlite3.connect(folder / "parts.sqlite", isolation_level=None)
        try:
            # One process holds it; without shared memory it works on network disks, too.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
            self._n_items = int(self._db.execute("SELECT count(*) FROM items").fetchone()[0])
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> WorkspaceError:
        return WorkspaceError(
            f"finished parts cannot be kept here ({error})",
            where=str(self._folder),
            hint="free some space and run the command again; remove the folder to start afresh",
        )

    def __enter__(self) -> PartStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        if isinstance(error, sqlite3.Error):
            raise self._unusable(error) from error

    @property
    def n_items(self) -> int:
        """Media items so far, each id once."""
        return self._n_items

    @property
    def n_parts(self) -> int:
        """Finished parts."""
        return int(self._db.execute("SELECT count(*) FROM parts").fetchone()[0])

    def begin(self, facts: Mapping[str, str]) -> bool:
        """Keep what is there if `facts` are still the same, else drop it; tell whether it is kept."""
        kept = dict(self._db.execute("SELECT name, value FROM facts WHERE name <> 'info'"))
        if kept == dict(facts):
            return True
        for table in ("items", "parts", "facts"):
            self._db.execute(f"DELETE FROM {table}")
        self._n_items = 0
        self._db.executemany("INSERT INTO facts VALUES (?, ?)", list(facts.items()))
        return False

    def has_part(self, name: str) -> bool:
        """Tell whether a part is there."""
        return self._db.execute("SELECT 1 FROM parts WHERE name = ?", (name,)).fetchone() is not None

    def has_items(self, media_ids: Iterable[str]) -> bool:
        """Tell whether all of these items are there."""
        find = "SELECT 1 FROM items WHERE media_id = ?"
        return all(self._db.execute(find, (media_id,)).fetchone() for media_id in media_ids)

    def add_part(self, name: str, part: DownloadedPart, *, n_least: int = 0) -> tuple[int, int]:
        """Take a part in, whole or not at all; returns how many items it has and how many were new.

        With fewer than `n_least` items it is not called finished.

        Raises:
            SourceError: If it is cut off, is no export, or an item has no id.
        """
        n_before = self._n_items
        n_items = 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for item in part:
                self._put(item)
                n_items += 1
            if n_items >= n_least:
                self._db.execute("INSERT INTO parts VALUES (?, ?)", (name, n_items))
            self._db.execute("INSERT OR IGNORE INTO facts VALUES ('info', ?)", (json.dumps(part.info),))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._n_items = n_before
            raise
        return n_items, self._n_items - n_before

    def _put(self, item: dict[str, Any]) -> None:
        media_id = item.get("media_id")
        if not isinstance(media_id, str) or not media_id:
            raise SourceError(f"a media item has no media_id: {item!r:.120}", where="the download")
        body = _as_text(item)
        insert = "INSERT OR IGNORE INTO items (media_id, body) VALUES (?, ?)"
        if self._db.execute(insert, (media_id, body)).rowcount:
            self._n_items += 1
            return
        (known,) = self._db.execute("SELECT body FROM items WHERE media_id = ?", (media_id,)).fetchone()
        if known != body:
            joined = _as_text(joined_item(json.loads(known), item))
            self._db.execute("UPDATE items SET body = ? WHERE media_id = ?", (joined, media_id))

    def write(self, target: Path) -> None:
        """Write one file of schema 1.1 with all items; `target` is replaced whole or not touched."""
        (text,) = self._db.execute(
            "SELECT coalesce(max(value), '{}') FROM facts WHERE name = 'info'"
        ).fetchone()
        info = {"schema_version": SCHEMA_VERSION, **json.loads(text), "total_media_items": self._n_items}
        whole = self._folder / "whole.json"
        with whole.open("w", encoding="utf-8") as file, closing(self._db.cursor()) as cursor:
            file.write(f'{{"info": {_as_text(info)}, "{ITEMS_KEY}": [')
            separator = "\n"
            for (body,) in cursor.execute("SELECT body FROM items ORDER BY number"):
                file.write(separator + body)
                separator = ",\n"
            file.write("\n]}\n")
            file.flush()
            os.fsync(file.fileno())
        whole.replace(target)


def joined_item(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Join two accounts of one item: the first's fields, what only the second has, all metadata once."""
    joined = {**second, **first}
    metadata: dict[str, Any] = {}
    for item in (first, second):
        entries = item.get("metadata_items")
        for entry in entries if isinstance(entries, list) else []:
            metadata.setdefault(json.dumps(entry, sort_keys=True), entry)
    if metadata:
        joined["metadata_items"] = list(metadata.values())
    return joined


def _as_text(value: Any) -> str:
    # Escaped, since a name may hold half a surrogate pair, which no UTF-8 file can.
    return json.dumps(value, separators=(",", ":"))
