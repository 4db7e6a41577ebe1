"""What the steps of `find` that compare vectors have in common: lock, vectors, publication."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chaffinch.pipeline.steps import StepReport, lacks_vectors, leave_out, noted
from chaffinch.pipeline.usable_vectors import UsableVectors, usable_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock

Tables = dict[str, list[str]]
"""Files of a generation by the table that they belong to."""
Work = Callable[[WorkspaceFolder, Generation, UsableVectors], tuple[Tables, StepReport]]
"""Writes the tables of a step and tells what it did; none where the report says that it was left out."""


def run_on_vectors(root: Path, step: str, work: Work, *, settings: FindSettings) -> StepReport:
    """Do a step on the vectors of a workspace and publish its tables in place of those before.

    Args:
        root: The workspace.
        step: What the note that it ran is about.
        work: Called once, if there are vectors.
        settings: Whose vectors to use.

    Raises:
        WorkspaceError: If no scan has ended yet.
        LockedError: If another process writes to the workspace.
    """
    folder = WorkspaceFolder(root)
    folder.published()
    with writer_lock(root):
        generation = folder.published()
        usable = usable_vectors(folder, generation, settings.embedder)
        tables, report = ({}, lacks_vectors(root)) if usable is None else work(folder, generation, usable)
        if report.left_out:
            return leave_out(folder, generation, step, settings=settings, report=report)
        info = noted(generation, step, settings)
        folder.publish(generation, tables={**generation.tables, **tables}, info=info)
    return report
