"""One shard on disk: its plan, its measurements, its thumbnails.

A shard is done when ``shards/<number>.parquet`` is there; its thumbnails are written before that. Doing a
shard again writes the same files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.records import Measurement, SampleRef
from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.schema import SHARD_SCHEMA, measured_columns, refs_from

FINGERPRINT = b"chaffinch.measure"
"""Metadata key of a plan: fingerprint of the settings under which its shard is measured."""


def plan_path(folder: WorkspaceFolder, number: int) -> Path:
    """Return where the plan of a shard lies."""
    return folder.root / "plan" / f"{number:06d}.parquet"


def shard_path(folder: WorkspaceFolder, number: int) -> Path:
    """Return where the measurements of a shard lie once it is done."""
    return folder.root / "shards" / f"{number:06d}.parquet"


def thumbs_path(folder: WorkspaceFolder, number: int) -> Path:
    """Return where the thumbnails of a shard lie."""
    return folder.root / "thumbs" / f"{number:06d}.bin"


def pending_plans(folder: WorkspaceFolder) -> list[int]:
    """Return the numbers of all shards that are planned and not published, rising."""
    return sorted(int(path.stem) for path in (folder.root / "plan").glob("[0-9]*.parquet"))


def pending_fingerprint(folder: WorkspaceFolder) -> str | None:
    """Return the settings' fingerprint of the pending shards; None if there are none."""
    for number in pending_plans(folder):
        return str((pq.read_schema(plan_path(folder, number)).metadata or {}).get(FINGERPRINT, b"").decode())
    return None


def forget_pending(folder: WorkspaceFolder) -> None:
    """Remove all unpublished plans and shards: they belong to other settings, or are published now."""
    # The shards go first: a shard whose plan is gone would be taken for that of the next plan of its number.
    for path in (folder.root / "shards").iterdir():
        path.unlink()
    for number in pending_plans(folder):
        plan_path(folder, number).unlink()


def read_plan(folder: WorkspaceFolder, number: int) -> tuple[list[int], list[SampleRef]]:
    """Return the sample ids and refs of a shard."""
    table = pq.read_table(plan_path(folder, number))
    return table.column("sample_id").to_pylist(), refs_from(table)


def write_shard(
    folder: WorkspaceFolder, number: int, *, sample_ids: Sequence[int], measurements: Sequence[Measurement]
) -> None:
    """Store the measurements of a shard, row for row with `sample_ids`; atomic."""
    offsets: list[int | None] = []
    sizes: list[int | None] = []
    position = 0
    has_thumbs = any(m.thumbnail is not None for m in measurements)
    with atomic_path(thumbs_path(folder, number)) as temporary, temporary.open("wb") as blob:
        for measurement in measurements:
            thumbnail = measurement.thumbnail
            offsets.append(None if thumbnail is None else position)
            sizes.append(None if thumbnail is None else len(thumbnail))
            position += blob.write(thumbnail) if thumbnail is not None else 0
    if not has_thumbs:
        thumbs_path(folder, number).unlink()
    columns = {
        "sample_id": list(sample_ids),
        **measured_columns(measurements),
        "thumb_shard": [None if size is None else number for size in sizes],
        "thumb_shard_offset": offsets,
        "thumb_shard_bytes": sizes,
    }
    with atomic_path(shard_path(folder, number)) as temporary:
        pq.write_table(pa.table(columns, schema=SHARD_SCHEMA), temporary)
