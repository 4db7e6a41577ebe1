"""The table `objects`: the boxes of a dataset, tied to their samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from chaffinch.errors import SourceError
from chaffinch.identity import object_key, sample_key
from chaffinch.records import ObjectRef
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.plan import in_batches
from chaffinch.storage.samples import rows_of_keys
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
        start = 0
        for batch in in_batches(objects, OBJECTS_PER_BATCH):
            yield _table(batch, samples, start)
            start += len(batch)

    return folder.write_table(generation, "objects", tables(), schema=OBJECTS_SCHEMA)


def _table(batch: list[ObjectRef], samples: Sequence[Path], start: int) -> pa.Table:
    keys = [sample_key(o.split, o.rel_path) for o in batch]
    numbers = rows_of_keys(samples, keys)
    for row in np.flatnonzero(numbers < 0)[:1].tolist():
        what = f"annotation {batch[row].annotation_id} names the image {keys[row]!r}, which is not there"
        raise SourceError(what)
    columns = {
        "object_id": range(start, start + len(batch)),
        "sample_id": numbers,
        "key": [object_key(key, o.annotation_id) for key, o in zip(keys, batch, strict=True)],
        "annotation_id": [o.annotation_id for o in batch],
        "given_label": [o.given_label for o in batch],
        **{name: [o.bbox_xywh[i] for o in batch] for i, name in enumerate(("x", "y", "width", "height"))},
    }
    return pa.table(columns, schema=OBJECTS_SCHEMA)
