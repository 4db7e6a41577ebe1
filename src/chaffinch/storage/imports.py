"""Exports of other tools inside the workspace: the raw file, and what was read from it as plain tables.

::

    imports/visual-layer-0003/raw/export.json     verbatim, with its SHA-256 in the workspace's pointer
    imports/visual-layer-0003/items.parquet       one row for each image, or row about an image, as exported
    imports/visual-layer-0003/issues.parquet, objects.parquet, tags.parquet

An import counts once it stands in `Generation.info["imports"]`; folders that do not are left from killed
runs. Findings are made from these tables anew whenever samples change, so a rescan loses none.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.records import ExportedItem
from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.plan import in_batches

IMPORTS = "imports"
"""Folder of the workspace, and the name in `Generation.info`."""
IS_FROM_IMPORT = "is_from_import"
"""Name in `Generation.info`: the samples come from exports alone, and a scan will replace them."""

_TEXT = pa.string()
_ROWS = 8192

ITEMS_SCHEMA = pa.schema(
    [
        pa.field("item_id", _TEXT),
        pa.field("path", _TEXT),
        pa.field("given_label", _TEXT),
        pa.field("split", _TEXT),
        pa.field("uniqueness", pa.float32()),
        pa.field("cluster_id", _TEXT),
        pa.field("media_type", _TEXT),
        pa.field("is_path_unique", pa.bool_()),
        pa.field("place", pa.int64()),
    ]
)
STAGED_ISSUES_SCHEMA = pa.schema(
    [
        pa.field("item", pa.int64()),
        pa.field("issue_type", _TEXT),
        pa.field("written_type", _TEXT),
        pa.field("confidence", pa.float32()),
        pa.field("suggested_label", _TEXT),
        pa.field("reason", _TEXT),
        pa.field("group_id", _TEXT),
        pa.field("threshold", pa.float32()),
        pa.field("object_number", pa.int32()),
        pa.field("place", pa.int64()),
    ]
)
STAGED_OBJECTS_SCHEMA = pa.schema(
    [
        pa.field("item", pa.int64()),
        pa.field("object_number", pa.int32()),
        pa.field("original_id", _TEXT),
        pa.field("label", _TEXT),
        pa.field("source", _TEXT),
        *[pa.field(name, pa.float64()) for name in ("x", "y", "width", "height")],
    ]
)
STAGED_TAGS_SCHEMA = pa.schema(
    [
        pa.field("item", pa.int64()),
        pa.field("name", _TEXT),
        pa.field("assigned", _TEXT),
        pa.field("object_number", pa.int32()),
        pa.field("place", pa.int64()),
    ]
)
_SCHEMAS = {
    "items": ITEMS_SCHEMA,
    "issues": STAGED_ISSUES_SCHEMA,
    "objects": STAGED_OBJECTS_SCHEMA,
    "tags": STAGED_TAGS_SCHEMA,
}


@dataclass(frozen=True, slots=True)
class StagedImport:
    """One export that was read into the workspace."""

    tool: str
    """visual-layer, fastdup or cleanlab."""
    folder: str
    """Its folder below the workspace."""
    name: str
    """File or folder name of the export."""
    location: str
    """Where it was read from, absolute."""
    sha256: str
    """Of the raw file; of all raw files in the order of their names where the export is a folder."""
    size_bytes: int
    """Of the raw files together."""
    kind: str = ""
    """What it was read as: json, parquet, table, folder."""
    columns: dict[str, str] = field(default_factory=dict)
    """For a table: which columns the user mapped, target to name."""
    n_items: int = 0
    """Images, or rows about images."""
    n_issues: int = 0
    """Findings in it, those that could not be used included."""


def staged_imports(generation: Generation) -> list[StagedImport]:
    """Return the imports that count, oldest first."""
    return [StagedImport(**entry) for entry in generation.info.get(IMPORTS, [])]


def carried_info(generation: Generation) -> dict[str, Any]:
    """Return what a new generation must keep of `info`, whatever wrote it: the imports."""
    return {IMPORTS: generation.info[IMPORTS]} if IMPORTS in generation.info else {}


def with_imports(known: Sequence[StagedImport], new: Sequence[StagedImport]) -> list[StagedImport]:
    """Return all imports: a new one replaces those of its tool with its place or its content."""
    newer = {(e.tool, e.location) for e in new} | {(e.tool, e.sha256) for e in new}
    kept = [e for e in known if not {(e.tool, e.location), (e.tool, e.sha256)} & newer]
    return [*kept, *new]


def imports_info(imports: Sequence[StagedImport]) -> list[dict[str, Any]]:
    """Return the imports as `Generation.info` holds them."""
    return [asdict(entry) for entry in imports]


def remove_unused_imports(folder: WorkspaceFolder, imports: Sequence[StagedImport]) -> None:
    """Remove the folders of replaced imports and of killed runs; call only while holding the lock."""
    used = {entry.folder for entry in imports}
    for path in (folder.root / IMPORTS).glob("*-[0-9]*"):
        if path.is_dir() and f"{IMPORTS}/{path.name}" not in used:
            shutil.rmtree(path)


def keep_raw(
    folder: WorkspaceFolder, files: Sequence[Path], *, tool: str, location: Path
) -> tuple[StagedImport, list[Path]]:
    """Copy an export's files into a new import folder, word for word.

    Args:
        folder: The workspace, locked by the caller.
        files: The files to keep.
        tool: Who wrote them.
        location: The file or folder that the user named.

    Returns:
        The import, with nothing read yet, and the copies.
    """
    taken = [p.name.rpartition("-")[2] for p in (folder.root / IMPORTS).glob(f"{tool}-[0-9]*")]
    name = f"{IMPORTS}/{tool}-{max(map(int, filter(str.isdigit, taken)), default=0) + 1:04d}"
    digest, size_bytes, copies = hashlib.sha256(), 0, []
    for file in files:
        copy = folder.root / name / "raw" / file.name
        with atomic_path(copy) as temporary, file.open("rb") as source, temporary.open("wb") as target:
            while block := source.read(1 << 20):
                digest.update(block)
                size_bytes += target.write(block)
        copies.append(copy)
    entry = StagedImport(
        tool=tool,
        folder=name,
        name=location.name,
        location=str(location.absolute()),
        sha256=digest.hexdigest(),
        size_bytes=size_bytes,
    )
    return entry, copies


# ------------------------------------------------------------------------------------------ plain tables


def stage(folder: WorkspaceFolder, entry: StagedImport, items: Iterable[ExportedItem]) -> tuple[int, int]:
    """Write the plain tables of an import; returns the numbers of items and issues.

    Memory is that of one batch of items.
    """
    n_items = n_issues = 0
    base = folder.root / entry.folder
    base.mkdir(parents=True, exist_ok=True)
    writers = {name: pq.ParquetWriter(base / f"{name}.parquet", schema) for name, schema in _SCHEMAS.items()}
    try:
        for batch in in_batches(items, _ROWS):
            for name, rows in _columns(batch, n_items).items():
                writers[name].write_table(pa.table(rows, schema=_SCHEMAS[name]))
            n_items += len(batch)
            n_issues += sum(len(item.issues) for item in batch)
    finally:
        for writer in writers.values():
            writer.close()
    return n_items, n_issues


def _columns(batch: Sequence[ExportedItem], start: int) -> dict[str, dict[str, list[Any]]]:
    numbered = list(enumerate(batch, start=start))
    issues = [(n, issue) for n, item in numbered for issue in item.issues]
    tags = [(n, tag) for n, item in numbered for tag in item.tags]
    objects = [(n, place, box) for n, item in numbered for place, box in enumerate(item.objects)]
    boxes = {
        name: [box.bbox_xywh[i] for _, _, box in objects]
        for i, name in enumerate(("x", "y", "width", "height"))
    }
    return {
        "items": _fields([item for _, item in numbered], ITEMS_SCHEMA.names),
        "issues": {
            "item": [n for n, _ in issues],
            **_fields([issue for _, issue in issues], STAGED_ISSUES_SCHEMA.names[1:]),
        },
        "objects": {
            "item": [n for n, _, _ in objects],
            "object_number": [place for _, place, _ in objects],
            **_fields([box for _, _, box in objects], ["original_id", "label", "source"]),
            **boxes,
        },
        "tags": {
            "item": [n for n, _ in tags],
            **_fields([tag for _, tag in tags], STAGED_TAGS_SCHEMA.names[1:-1]),
            "place": [batch[n - start].place for n, _ in tags],
        },
    }


def _fields(records: Sequence[object], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [getattr(record, name) for record in records] for name in names}


def staged_batches(
    folder: WorkspaceFolder, entry: StagedImport, table: str, *, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream one of the plain tables: items, issues, objects or tags."""
    with pq.ParquetFile(folder.root / entry.folder / f"{table}.parquet") as file:
        yield from file.iter_batches(_ROWS, columns=None if columns is None else list(columns))


def saved_columns(imports: Sequence[StagedImport]) -> dict[str, str]:
    """Return what the user mapped in earlier imports: target to column name; the newest counts."""
    return {target: name for entry in imports for target, name in entry.columns.items()}
