"""The step `outliers`: images that are far from all others, or from the others of their class."""

from __future__ import annotations

from pathlib import Path

from chaffinch.detect.outlier_issues import MeasuredOutliers, outlier_rows
from chaffinch.detect.outliers import N_NEIGHBOURS, score_outliers
from chaffinch.detect.sample_texts import read_texts
from chaffinch.pipeline.columns import load_labels
from chaffinch.pipeline.neighbours import neighbour_graph
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport, lacks_vectors, leave_out, noted
from chaffinch.pipeline.usable_vectors import usable_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.findings import SCOPE_OUTLIERS, write_issues
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.issues import LABEL_OUTLIER, OUTLIER
from chaffinch.storage.lock import writer_lock

MIN_IMAGES = 30
"""Of fewer images nobody can say what is usual among them."""


def find_outliers(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Measure how far each image with a vector is from the others, and publish those that are too far.

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
                folder, generation, SCOPE_OUTLIERS, settings=settings, report=lacks_vectors(root)
            )
        sample_ids = usable.sample_ids
        if len(sample_ids) < MIN_IMAGES:
            report = StepReport(left_out=f"fewer than {MIN_IMAGES} images have a vector")
            return leave_out(folder, generation, SCOPE_OUTLIERS, settings=settings, report=report)
        progress.stage("measuring outliers", total=None, unit="images")
        labels, classes = load_labels(folder, generation)
        labels = labels[sample_ids]
        graph = neighbour_graph(folder, generation, usable.info.name, rows=sample_ids, k=N_NEIGHBOURS)
        scores = score_outliers(usable.own(), labels, graph)
        measured = MeasuredOutliers(sample_ids, labels, classes, graph, scores)
        rows = outlier_rows(measured, read_texts(folder, generation, measured.samples_named().tolist()))
        tables = write_issues(folder, generation, [rows], scope=SCOPE_OUTLIERS)
        info = noted(generation, SCOPE_OUTLIERS, settings)
        folder.publish(generation, tables={**generation.tables, **tables}, info=info)
    return StepReport(
        n_flagged={kind: rows.issue_type.count(kind) for kind in (OUTLIER, LABEL_OUTLIER)},
        figures={"not measured: without a vector": usable.n_without} if usable.n_without else {},
    )
