"""The step `map`: a place on a plane for each image with a vector, for the map of the review page."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from chaffinch.detect.layout import plane_places
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport
from chaffinch.pipeline.usable_vectors import UsableVectors
from chaffinch.pipeline.vector_steps import Tables, run_on_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.findings import MAP
from chaffinch.storage.folder import Generation, WorkspaceFolder

MAP_SCHEMA = pa.schema([("sample_id", pa.int64()), ("x", pa.float32()), ("y", pa.float32())])
"""Places are 0..1 in each direction; images without a vector have no row."""


def find_map(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Lay out all images with a vector, and publish their places; see `run_on_vectors`."""

    def lay_out(
        folder: WorkspaceFolder, generation: Generation, usable: UsableVectors
    ) -> tuple[Tables, StepReport]:
        progress.stage("laying out the map", total=None, unit="images")
        places = plane_places(usable.own())
        columns = {"sample_id": usable.sample_ids, "x": places[:, 0], "y": places[:, 1]}
        rows = pa.table(columns, schema=MAP_SCHEMA)
        file = folder.write_table(generation, MAP, [rows], schema=MAP_SCHEMA)
        return {MAP: [file]}, StepReport(figures={"images on the map": len(rows)})

    return run_on_vectors(root, MAP, lay_out, settings=settings)
