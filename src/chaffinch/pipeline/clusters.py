"""The step `clusters`: how unique each image is, and which are alike, from embedding vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from chaffinch.detect.clusters import N_NEIGHBOURS, Clusters, cluster_samples
from chaffinch.pipeline.neighbours import neighbour_graph
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport, lacks_vectors, leave_out, noted
from chaffinch.pipeline.usable_vectors import usable_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.clusters import write_clusters
from chaffinch.storage.findings import SCOPE_CLUSTERS
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock


def find_clusters(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Find uniqueness and clusters of all images with a vector; publish them in place of those before.

    Args:
        root: The workspace.
        settings: Whose vectors to use.
        progress: Who watches.

    Raises:
        WorkspaceError: If no scan has ended yet.
        LockedError: If another process writes to the workspace.
    """
    folder = WorkspaceFolder(root)
    folder.published()
    with writer_lock(root):
        generation = folder.published()
        usable = usable_vectors(folder, generation, settings.embedder)
        if usable is None:
            return leave_out(
                folder, generation, SCOPE_CLUSTERS, settings=settings, report=lacks_vectors(root)
            )
        sample_ids = usable.sample_ids
        progress.stage("clustering", total=None, unit="images")
        graph = neighbour_graph(folder, generation, usable.info.name, rows=sample_ids, k=N_NEIGHBOURS)
        found = cluster_samples(graph.neighbours, graph.similarity)
        tables = _write(folder, generation, found, sample_ids)
        info = noted(generation, SCOPE_CLUSTERS, settings)
        folder.publish(generation, tables={**generation.tables, **tables}, info=info)
    figures = {"clusters": found.n_clusters, "images in them": int((found.cluster >= 0).sum())}
    return StepReport(figures=figures)


def _write(
    folder: WorkspaceFolder, generation: Generation, found: Clusters, sample_ids: np.ndarray
) -> dict[str, list[str]]:
    is_alone = found.cluster < 0
    return write_clusters(
        folder,
        generation,
        sample_id=sample_ids,
        uniqueness=found.uniqueness,
        cluster_id=pa.array(found.cluster, mask=is_alone).cast(pa.string()),
        is_representative=pa.array(found.is_representative, mask=is_alone),
    )
