"""The step `map`: a place on a plane for each image with a vector, for the map of the review page."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from chaffinch.detect.layout import plane_places
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport, lacks_vectors, leave_out, noted
from chaffinch.pipeline.usable_vectors import usable_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.findings import MAP
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.lock import writer_lock

MAP_SCHEMA = pa.schema([("sample_id", pa.int64()), ("x", pa.float32()), ("y", pa.float32())])
"""Places are 0..1 in each direction; images without a vector have no row."""


def find_map(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Lay out all images with a vector, and publish their places.

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
            return leave_out(folder, generation, MAP, settings=settings, report=lacks_vectors(root))
        progress.stage("laying out the map", total=None, unit="images")
        places = plane_places(usable.own())
        columns = {"sample_id": usable.sample_ids, "x": places[:, 0], "y": places[:, 1]}
        rows = pa.table(columns, schema=MAP_SCHEMA)
        file = folder.write_table(generation, MAP, [rows], schema=MAP_SCHEMA)
        tables = {**generation.tables, MAP: [file]}
        folder.publish(generation, tables=tables, info=noted(generation, MAP, settings))
    return StepReport(figures={"images on the map": len(rows)})
