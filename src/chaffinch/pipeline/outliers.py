"""The step `outliers`: images that are far from all others, or from the others of their class."""

from __future__ import annotations

from pathlib import Path

from chaffinch.detect.outlier_issues import MeasuredOutliers, outlier_rows
from chaffinch.detect.outliers import N_NEIGHBOURS, score_outliers
from chaffinch.detect.sample_texts import read_texts
from chaffinch.pipeline.columns import load_labels
from chaffinch.pipeline.neighbours import neighbour_graph
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport
from chaffinch.pipeline.usable_vectors import UsableVectors
from chaffinch.pipeline.vector_steps import Tables, run_on_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.findings import SCOPE_OUTLIERS, write_issues
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import LABEL_OUTLIER, OUTLIER

MIN_IMAGES = 30
"""Of fewer images nobody can say what is usual among them."""


def find_outliers(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Measure how far each image with a vector is from the others; publish those that are too far.

    See `run_on_vectors`.
    """

    def measure(
        folder: WorkspaceFolder, generation: Generation, usable: UsableVectors
    ) -> tuple[Tables, StepReport]:
        sample_ids = usable.sample_ids
        if len(sample_ids) < MIN_IMAGES:
            return {}, StepReport(left_out=f"fewer than {MIN_IMAGES} images have a vector")
        progress.stage("measuring outliers", total=None, unit="images")
        labels, classes = load_labels(folder, generation)
        labels = labels[sample_ids]
        graph = neighbour_graph(folder, generation, usable.info.name, rows=sample_ids, k=N_NEIGHBOURS)
        scores = score_outliers(usable.own(), labels, graph)
        measured = MeasuredOutliers(sample_ids, labels, classes, graph, scores)
        rows = outlier_rows(measured, read_texts(folder, generation, measured.samples_named().tolist()))
        report = StepReport(
            n_flagged={kind: rows.issue_type.count(kind) for kind in (OUTLIER, LABEL_OUTLIER)},
            figures={"not measured: without a vector": usable.n_without} if usable.n_without else {},
        )
        return write_issues(folder, generation, [rows], scope=SCOPE_OUTLIERS), report

    return run_on_vectors(root, SCOPE_OUTLIERS, measure, settings=settings)
