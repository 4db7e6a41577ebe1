"""The exported table `decisions`: the log with the sample that each key means in this workspace."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from chaffinch.records import LoggedDecision
from chaffinch.storage.decisions import open_log
from chaffinch.storage.folder import Generation, WorkspaceFolder

_TEXTS = (
    "tags_added",
    "tags_removed",
    "action",
    "new_label",
    "note",
    "origin",
    "prev_hash",
    "hash",
    "batch_id",
    "subject",
    "finding_id",
    "findings",
    "content_digest",
    "how",
    "undo_of",
)

DECISIONS_SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64()),
        *[pa.field(name, pa.string()) for name in ("event_id", "time_utc", "reviewer", "key")],
        pa.field("sample_id", pa.int64()),
        *[pa.field(name, pa.string()) for name in _TEXTS],
    ]
)
"""One row for each event, in the order of the chain; tags with a comma between."""

ROWS_PER_BATCH = 65_536


def export_decisions(folder: WorkspaceFolder, generation: Generation) -> Iterator[pa.Table]:
    """Stream the decision log of a workspace as `DECISIONS_SCHEMA`."""
    entries = open_log(folder.root).read(with_hashes=True)
    numbers: dict[str, int] = {}
    while batch := list(islice(entries, ROWS_PER_BATCH)):
        numbers = numbers or sample_numbers(folder, generation)
        yield _table(batch, numbers)


def sample_numbers(folder: WorkspaceFolder, generation: Generation) -> dict[str, int]:
    """Return `sample_id` by key; about 150 bytes a sample."""
    numbers: dict[str, int] = {}
    for batch in folder.batches(generation, "samples", columns=["key", "sample_id"]):
        numbers.update(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
    return numbers


def _table(entries: list[LoggedDecision], numbers: dict[str, int]) -> pa.Table:
    decisions = [entry.decision for entry in entries]
    computed = {
        "seq": [entry.seq for entry in entries],
        # A box's key is that of its image, '#' and its own id; a file's name may hold a '#' itself.
        "sample_id": [
            numbers.get(d.key.rpartition("#")[0] if d.subject == "object" else d.key) for d in decisions
        ],
        "tags_added": [",".join(d.tags_added) for d in decisions],
        "tags_removed": [",".join(d.tags_removed) for d in decisions],
        "prev_hash": [entry.prev_hash for entry in entries],
        "hash": [entry.hash for entry in entries],
    }
    columns = {
        name: computed[name] if name in computed else [getattr(d, name) for d in decisions]
        for name in DECISIONS_SCHEMA.names
    }
    return pa.table(columns, schema=DECISIONS_SCHEMA)
