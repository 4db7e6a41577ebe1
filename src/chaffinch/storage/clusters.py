"""Clusters of similar images and how unique each image is: columns of `samples` that are found, not scanned.

Whoever finds them, an import or a step of ours, writes them through one function and publishes its entry::

    tables = write_clusters(
        folder, generation, source="chaffinch",          # a tool: its own name
        sample_id=...,          # shape (R,) int64, each sample once, ascending
        uniqueness=...,         # shape (R,) float, 0..1, higher: fewer are like it; NaN: unknown
        cluster_id=...,         # R texts; None: in no cluster
        is_representative=...,  # R bools; None: not said. True for the image that stands for its cluster
    )
    folder.publish(generation, tables={**generation.tables, **tables})

They are kept as ``clusters/<source>``. Exported `samples` and where-expressions have `uniqueness`,
`cluster_id` and `is_representative`, all of one source, since ids of two mean different clusters: ours
where it was written, else the tool's that was imported last. Samples that it says nothing about have none.
Ours are dropped by a scan that finds other images or contents, as findings are; an import's are linked
anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from chaffinch.errors import SchemaError
from chaffinch.storage.findings import IMPORT_SCOPE
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import SOURCE

CLUSTERS = "clusters/"
"""What the name of a stored table of clusters begins with; the source follows."""

CLUSTERS_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64()),
        pa.field("uniqueness", pa.float32()),
        pa.field("cluster_id", pa.string()),
        pa.field("is_representative", pa.bool_()),
        pa.field("source", pa.string()),
    ]
)
JOINED_FIELDS = [CLUSTERS_SCHEMA.field(n) for n in ("uniqueness", "cluster_id", "is_representative")]
"""What samples get of it."""


def write_clusters(
    folder: WorkspaceFolder,
    generation: Generation,
    *,
    source: str = SOURCE,
    sample_id: np.ndarray,
    uniqueness: np.ndarray,
    cluster_id: Sequence[str | None] | pa.Array,
    is_representative: Sequence[bool | None] | pa.Array,
) -> dict[str, list[str]]:
    """Write what one source says of clusters, for the generation after `generation`; see above.

    Returns:
        The entry for `Generation.tables`.

    Raises:
        SchemaError: If samples repeat or are not in order, or a uniqueness is beyond 0..1.
    """
    known = uniqueness[~np.isnan(uniqueness)]
    if len(known) and (known.min() < 0 or known.max() > 1):
        raise SchemaError(f"uniqueness is 0..1, got {known.min():.4g} to {known.max():.4g}")
    if (np.diff(sample_id) <= 0).any():
        raise SchemaError("each sample has one row, in order of sample_id")
    columns = {
        "sample_id": sample_id,
        "uniqueness": pa.array(uniqueness.astype(np.float32), mask=np.isnan(uniqueness)),
        "cluster_id": cluster_id,
        "is_representative": is_representative,
        "source": pa.repeat(source, len(sample_id)),
    }
    name = CLUSTERS + (source if source == SOURCE else IMPORT_SCOPE + source)
    rows = pa.table(columns, schema=CLUSTERS_SCHEMA)
    return {name: [folder.write_table(generation, name, [rows], schema=CLUSTERS_SCHEMA)]}


def clusters_table(generation: Generation) -> str | None:
    """Return the name of the table, of `CLUSTERS_SCHEMA`, whose source counts; None where none was found."""
    names = [name for name in generation.tables if name.startswith(CLUSTERS)]
    own = CLUSTERS + SOURCE
    return own if own in names else (names[-1] if names else None)


def read_clusters(folder: WorkspaceFolder, generation: Generation) -> pa.Table:
    """Return `JOINED_FIELDS` for every sample, in order of `sample_id`; empty cells where nothing is known.

    Cost: about 40 bytes a sample.
    """
    schema, stored = pa.schema(JOINED_FIELDS), clusters_table(generation)
    found = schema.empty_table() if stored is None else folder.read(generation, stored)
    row = np.full(generation.n_samples, -1, dtype=np.int64)
    if stored is not None:
        row[found.column("sample_id").to_numpy()] = np.arange(len(found))
    return found.select(schema.names).cast(schema).take(pa.array(row, mask=row < 0))


def with_clusters(samples: pa.Table, clusters: pa.Table) -> pa.Table:
    """Append the columns of `read_clusters` to rows of `samples`."""
    rows = clusters.take(samples.column("sample_id"))
    for field in JOINED_FIELDS:
        samples = samples.append_column(field, rows.column(field.name))
    return samples
