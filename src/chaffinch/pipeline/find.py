"""Find: run the steps that look for problems within a dataset, each on what the scan has stored.

A step reads the workspace, publishes its own findings in place of its earlier ones, and leaves those of other
steps alone. A step that lacks something (vectors, labels) says so and does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from chaffinch.detect.verified import KnownPairs
from chaffinch.errors import UsageError
from chaffinch.pipeline.clusters import find_clusters
from chaffinch.pipeline.duplicates import find_duplicates
from chaffinch.pipeline.map_places import find_map
from chaffinch.pipeline.mislabels import find_mislabels
from chaffinch.pipeline.outliers import find_outliers
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.quality import find_quality
from chaffinch.pipeline.steps import StepReport, StepState, step_state
from chaffinch.settings import FindSettings
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT
from chaffinch.storage.vectors import embedder_info, embedder_names

Step = Callable[[Path, FindSettings, Progress], StepReport]


def _duplicates(
    root: Path, settings: FindSettings, progress: Progress, *, known: KnownPairs | None = None
) -> StepReport:
    pairs = replace(settings.pairs, embedder=settings.embedder)
    found = find_duplicates(root, settings=pairs, known=known, progress=progress)
    lacking = found.search.left_out[0] if found.search.left_out else None
    return StepReport(
        n_flagged={DUPLICATE: found.n_in_groups, LABEL_CONFLICT: found.n_label_conflicts},
        figures={"groups of duplicates": found.n_groups},
        left_out=f"{lacking.method}: {lacking.reason}" if lacking else None,
        command=lacking.hint if lacking else None,
    )


STEPS: Mapping[str, Step] = {
    "duplicates": _duplicates,
    "quality": find_quality,
    "mislabels": find_mislabels,
    "outliers": find_outliers,
    "clusters": find_clusters,
    "map": find_map,
}
"""Names that `--only` takes, in the order in which they run."""


@dataclass(frozen=True, slots=True)
class FindReport:
    """What was done for one step."""

    step: str
    """Name of the step."""
    report: StepReport | None
    """What it found; None where its findings were up to date."""
    wall_s: float
    """Seconds on the clock."""
    cpu_s: float
    """CPU seconds of this process."""


def find(
    root: Path,
    *,
    settings: FindSettings | None = None,
    skip_done: bool = False,
    known: KnownPairs | None = None,
    progress: Progress | None = None,
) -> list[FindReport]:
    """Run the steps that are asked for, and publish what they find.

    Args:
        root: The workspace.
        settings: Which steps, and how.
        skip_done: Leave steps alone that ran on the same images and vectors with the same settings.
        known: Takes what the search for duplicates found out about pairs, for a search for leaks.
        progress: Who watches.

    Returns:
        One report a step, in the order in which they ran.

    Raises:
        UsageError: If there is no such step, or the embedder named has no vectors here.
        WorkspaceError: If no scan has ended yet.
        LockedError: If another process writes to the workspace.
    """
    settings, progress = settings or FindSettings(), progress or Silent()
    steps = parse_steps(settings.only)
    if settings.embedder is not None:
        _check_embedder(root, settings.embedder)
    runs = dict(STEPS)
    if known is not None:
        runs["duplicates"] = partial(_duplicates, known=known)
    return [_run(root, s, runs[s], settings=settings, skip_done=skip_done, progress=progress) for s in steps]


def parse_steps(names: Iterable[str]) -> tuple[str, ...]:
    """Return the steps of these names in the order in which they run; all of them where none is named.

    Raises:
        UsageError: If there is no such step.
    """
    wanted = tuple(names) or tuple(STEPS)
    unknown = [name for name in wanted if name not in STEPS]
    if unknown:
        raise UsageError(f"there is no step {', '.join(unknown)!r}", hint=f"the steps are {', '.join(STEPS)}")
    return tuple(step for step in STEPS if step in wanted)


def _check_embedder(root: Path, name: str) -> None:
    generation = WorkspaceFolder(root).published()
    if embedder_info(generation, name) is None:
        there = ", ".join(embedder_names(generation))
        hint = (
            f"there are those of {there}" if there else f"chaffinch scan SOURCE -w {root} --embedder {name}"
        )
        raise UsageError(f"the workspace has no vectors of {name!r}", where=str(root), hint=hint)


def _run(
    root: Path, step: str, run: Step, *, settings: FindSettings, skip_done: bool, progress: Progress
) -> FindReport:
    started = time.perf_counter(), time.process_time()
    report = None
    if not (skip_done and step_state(WorkspaceFolder(root).published(), step, settings) is StepState.DONE):
        report = run(root, settings, progress)
    return FindReport(step, report, time.perf_counter() - started[0], time.process_time() - started[1])
