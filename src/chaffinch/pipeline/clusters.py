"""The step `clusters`: how unique each image is, and which are alike, from embedding vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from chaffinch.detect.clusters import N_NEIGHBOURS, Clusters, cluster_samples
from chaffinch.pipeline.neighbours import neighbour_graph
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport
from chaffinch.pipeline.usable_vectors import UsableVectors
from chaffinch.pipeline.vector_steps import Tables, run_on_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.clusters import write_clusters
from chaffinch.storage.findings import SCOPE_CLUSTERS
from chaffinch.storage.folder import Generation, WorkspaceFolder


def find_clusters(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Find uniqueness and clusters of all images with a vector; see `run_on_vectors`."""

    def cluster(
        folder: WorkspaceFolder, generation: Generation, usable: UsableVectors
    ) -> tuple[Tables, StepReport]:
        progress.stage("clustering", total=None, unit="images")
        rows = usable.sample_ids
        graph = neighbour_graph(folder, generation, usable.info.name, rows=rows, k=N_NEIGHBOURS)
        found = cluster_samples(graph.neighbours, graph.similarity)
        figures = {"clusters": found.n_clusters, "images in them": int((found.cluster >= 0).sum())}
        return _write(folder, generation, found, rows), StepReport(figures=figures)

    return run_on_vectors(root, SCOPE_CLUSTERS, cluster, settings=settings)


def _write(
    folder: WorkspaceFolder, generation: Generation, found: Clusters, sample_ids: np.ndarray
) -> Tables:
    is_alone = found.cluster < 0
    return write_clusters(
        folder,
        generation,
        sample_id=sample_ids,
        uniqueness=found.uniqueness,
        cluster_id=pa.array(found.cluster, mask=is_alone).cast(pa.string()),
        is_representative=pa.array(found.is_representative, mask=is_alone),
    )
