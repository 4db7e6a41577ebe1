"""Takes clusters and uniqueness over from exports; see `storage/clusters.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.storage.clusters import write_clusters
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.imports import StagedImport, staged_batches

_COLUMNS = ["uniqueness", "cluster_id"]


def imported_clusters(
    folder: WorkspaceFolder, generation: Generation, imports: Sequence[tuple[StagedImport, np.ndarray]]
) -> dict[str, list[str]]:
    """Write what the exports of one tool say of clusters, for the generation after `generation`.

    Of several rows about one sample the first counts.

    Args:
        folder: The workspace, locked by the caller.
        generation: The generation before, with the new `n_samples`.
        imports: The tool's exports, newest first, each with the sample of its items, shape (n_items,) int64;
            below 0 for none.

    Returns:
        Entries for `Generation.tables`; none where the exports say nothing of it.

    Cost: about 50 bytes an item that says something.
    """
    parts = [_said(folder, entry, linked) for entry, linked in imports]
    said = pa.concat_tables(parts).combine_chunks()
    sample_id, first = np.unique(said.column("sample_id").to_numpy(), return_index=True)
    if not len(sample_id):
        return {}
    rows = said.take(pa.array(first))
    return write_clusters(
        folder,
        generation,
        source=imports[0][0].tool,
        sample_id=sample_id,
        uniqueness=rows.column("uniqueness").fill_null(np.nan).to_numpy(),
        cluster_id=rows.column("cluster_id"),
        is_representative=pa.nulls(len(rows), pa.bool_()),
    )


def _said(folder: WorkspaceFolder, entry: StagedImport, linked: np.ndarray) -> pa.Table:
    """Return sample, uniqueness and cluster of the linked items that state one of the two."""
    schema = pa.schema([("sample_id", pa.int64()), ("uniqueness", pa.float32()), ("cluster_id", pa.string())])
    parts, start = [], 0
    for batch in staged_batches(folder, entry, "items", columns=_COLUMNS):
        sample_id = pa.array(linked[start : start + len(batch)])
        start += len(batch)
        rows = pa.record_batch([sample_id, *batch.columns], schema=schema)
        states = pc.or_(pc.is_valid(rows.column("uniqueness")), pc.is_valid(rows.column("cluster_id")))
        parts.append(rows.filter(pc.and_(states, pc.greater_equal(sample_id, 0))))
    return pa.Table.from_batches(parts, schema=schema)
