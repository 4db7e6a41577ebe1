"""Opens an export of Visual Layer, whatever its container, by looking at what lies there.

| what lies there | read as |
|---|---|
| JSON object with `media_items` | schema 1.1 (`visual_layer_json`) |
| Parquet with `media_id` and `metadata_items` | the same |
| other Parquet | flat table (`visual_layer_csv`) |
| zip with `metadata.json`, `metadata.parquet`, or one file of the other kinds | what that member is |
| anything else | CSV |
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from chaffinch.errors import SourceError
from chaffinch.formats.export_table import ExportTable
from chaffinch.formats.visual_layer_csv import read_table_items
from chaffinch.formats.visual_layer_json import has_items, read_json_items, read_parquet_items
from chaffinch.records import ExportedItem

_MEMBERS = ("metadata.json", "metadata.parquet")
_SUFFIXES = (".json", ".parquet", ".csv", ".tsv")
_BLANKS = b" \t\r\n\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class OpenedExport:
    """An export that is ready to be streamed, once."""

    kind: str
    """json, parquet or table."""
    items: Iterator[ExportedItem]
    """Its images; rows of one image may come apart."""
    columns: Mapping[str, str]
    """For a table: what the user mapped, target to column name."""
    info: Mapping[str, Any]
    """What the export says of itself; complete once `items` has ended."""


def open_visual_layer(
    file: Path, *, where: str, mapping: Mapping[str, str], saved: Mapping[str, str]
) -> OpenedExport:
    """Open an export.

    Args:
        file: A local file.
        where: What the user calls it, for messages.
        mapping: Target to column name, as the user maps now; only tables have columns to map.
        saved: The same from earlier imports.

    Raises:
        SourceError: If it cannot be read as an export; while streaming too, with byte, item or row.
    """
    if zipfile.is_zipfile(file):
        return _open_zip(file, where=where, mapping=mapping, saved=saved)
    with file.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(b"PAR1") and has_items(_parquet(file, where)):
        return OpenedExport("parquet", read_parquet_items(_parquet(file, where), where=where), {}, {})
    if head.lstrip(_BLANKS)[:1] in (b"{", b"["):
        info: dict[str, Any] = {}
        return OpenedExport("json", _json_items(file, where, info), {}, info)
    table = ExportTable(file, where=where)
    columns, items = read_table_items(table, mapping=mapping, saved=saved)
    return OpenedExport("table", items, columns.names, {})


def _json_items(file: Path, where: str, info: dict[str, Any]) -> Iterator[ExportedItem]:
    with file.open("rb") as stream:
        yield from read_json_items(stream, where=where, info=info)


def _parquet(file: Path, where: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"not a Parquet file, or cut off: {error}", where=where, hint="export or fetch it again"
        ) from error


def _open_zip(
    file: Path, *, where: str, mapping: Mapping[str, str], saved: Mapping[str, str]
) -> OpenedExport:
    """Unpack the one member that holds the export to a temporary file, which vanishes with the program."""
    with zipfile.ZipFile(file) as archive:
        member = _export_member(archive, where)
        unpacked = tempfile.NamedTemporaryFile(prefix="chaffinch-export-")  # noqa: SIM115
        try:
            with archive.open(member) as packed:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise SourceError(
                f"its member {member!r} cannot be unpacked: {error}", where=where, hint="fetch the zip again"
            ) from error
    unpacked.flush()
    inner = open_visual_layer(
        Path(unpacked.name), where=f"{where} member {member}", mapping=mapping, saved=saved
    )

    def items() -> Iterator[ExportedItem]:
        with unpacked:
            yield from inner.items

    return OpenedExport(inner.kind, items(), inner.columns, inner.info)


def _export_member(archive: zipfile.ZipFile, where: str) -> str:
    names = [n for n in archive.namelist() if not n.startswith("__MACOSX/")]
    for wanted in _MEMBERS:
        found = [name for name in names if name.rpartition("/")[2] == wanted]
        if len(found) == 1:
            return found[0]
    others = [name for name in names if name.lower().endswith(_SUFFIXES)]
    if len(others) == 1:
        return others[0]
    what = f"holds {len(others)} files that may be the export" if others else "holds no export"
    raise SourceError(
        what, where=where, hint=f"a zip must hold {' or '.join(_MEMBERS)}, or one json, parquet or csv file"
    )
