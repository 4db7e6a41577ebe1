"""The table `objects`: the boxes of a dataset, tied to their samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.errors import SourceError
from chaffinch.identity import object_key, sample_key
from chaffinch.records import ObjectRef
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.plan import in_batches
from chaffinch.storage.schema import OBJECTS_SCHEMA

OBJECTS_PER_BATCH = 65_536


def write_objects(
    folder: WorkspaceFolder,
    generation: Generation,
    objects: Iterable[ObjectRef],
    *,
    samples: Sequence[Path],
) -> str:
    """Write the boxes for the generation after `generation`; returns the table's file.

    Args:
        folder: The workspace.
        generation: Its published generation.
        objects: The boxes, as the source streams them.
        samples: Files of the table `samples` that the boxes' images are looked up in.

    Raises:
        SourceError: If a box belongs to an image that is no sample.
    """

    def tables() -> Iterator[pa.Table]:
        numbers: dict[str, int] = {}
        start = 0
        for batch in in_batches(objects, OBJECTS_PER_BATCH):
            numbers = numbers or _sample_numbers(samples)
            yield _table(batch, numbers, start)
            start += len(batch)

    return folder.write_table(generation, "objects", tables(), schema=OBJECTS_SCHEMA)


def _sample_numbers(samples: Sequence[Path]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for path in samples:
        table = pq.read_table(path, columns=["key", "sample_id"])
        numbers.update(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
    return numbers


def _table(batch: list[ObjectRef], numbers: dict[str, int], start: int) -> pa.Table:
    keys = [sample_key(o.split, o.rel_path) for o in batch]
    for key, item in zip(keys, batch, strict=True):
        if key not in numbers:
            raise SourceError(f"annotation {item.annotation_id} names the image {key!r}, which is not there")
    columns = {
        "object_id": range(start, start + len(batch)),
        "sample_id": [numbers[key] for key in keys],
        "key": [object_key(key, o.annotation_id) for key, o in zip(keys, batch, strict=True)],
        "annotation_id": [o.annotation_id for o in batch],
        "given_label": [o.given_label for o in batch],
        **{name: [o.bbox_xywh[i] for o in batch] for i, name in enumerate(("x", "y", "width", "height"))},
    }
    return pa.table(columns, schema=OBJECTS_SCHEMA)
