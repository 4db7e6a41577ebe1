"""Runs the whole job on the demo dataset, as `chaffinch clean` does; compares with what was planted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from chaffinch.demo.build import IMAGES_FOLDER, build_demo_dataset
from chaffinch.demo.truth import QUALITY_KINDS, TRUTH_FILE, DemoFindings, TruthRow, compare_with_truth
from chaffinch.errors import UsageError
from chaffinch.formats.leak_csv import read_leak_rows
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.scan import SourceSpec
from chaffinch.pipeline.whole_run import CleanReport, clean, leak_report_path
from chaffinch.settings import DEFAULT_EMBEDDER, ScanSettings
from chaffinch.storage.export import read_exported
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT

FLAGGED_BY = {
    "quality": QUALITY_KINDS,
    "mislabels": ("mislabel",),
    "outliers": ("outlier", "label_outlier"),
}
"""Issue types that each step flags and the demo plants."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo made and found."""

    rows: list[TruthRow]
    """Planted against found."""
    n_images: int
    """Images of the dataset."""
    n_planted: int
    """Planted files."""
    images: Path
    """Folder of the images."""
    truth: Path
    """What was planted where."""
    workspace: Path
    """Workspace folder."""
    cleaned: CleanReport
    """What the whole run did."""
    leak_report: Path
    """Leaks between train and val."""


def run_demo(folder: Path, *, progress: Progress) -> DemoReport:
    """Build the demo dataset below `folder` and run everything on it.

    Raises:
        MissingExtraError: Without scikit-image.
        UsageError: If the folder holds anything but an earlier demo.

    Cost: some 5 CPU seconds, 10 MB of files.
    """
    progress.stage("planting", total=None, unit="images")
    dataset, workspace = folder / "dataset", folder / "workspace"
    if folder.exists() and not dataset.exists() and not (folder.is_dir() and _is_empty(folder)):
        raise UsageError("holds something else", where=str(folder), hint="name a new folder with --to")
    truth = build_demo_dataset(dataset)
    images = dataset / IMAGES_FOLDER
    cleaned = clean(
        workspace,
        SourceSpec(locations=(str(images),), dataset="demo"),
        settings=ScanSettings(embedder=DEFAULT_EMBEDDER),
        progress=progress,
    )
    leaks = leak_report_path(workspace, ("train", "val"))
    found = DemoFindings(
        leak_pairs={(row.train_key, row.test_key) for row in read_leak_rows(leaks)},
        duplicate_groups=_groups_within_splits(workspace),
        label_conflicts=_groups(workspace, LABEL_CONFLICT),
        broken=_broken(workspace),
        flagged=_flagged(workspace, cleaned),
    )
    return DemoReport(
        rows=compare_with_truth(truth, found),
        n_images=truth.n_images,
        n_planted=len(truth.plants),
        images=images,
        truth=dataset / TRUTH_FILE,
        workspace=workspace,
        cleaned=cleaned,
        leak_report=leaks,
    )


def _is_empty(folder: Path) -> bool:
    """Tell whether nothing but what a killed demo left is there."""
    return all(path.name.startswith(".") for path in folder.iterdir())


def _groups(workspace: Path, issue_type: str) -> list[set[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for row in read_exported(workspace, "issues").to_pylist():
        if row["issue_type"] == issue_type:
            groups[row["group_id"]].add(row["key"])
    return list(groups.values())


def _groups_within_splits(workspace: Path) -> list[set[str]]:
    """Return duplicate groups without what leaks explain: their members of each split that are several."""
    groups: list[set[str]] = []
    for group in _groups(workspace, DUPLICATE):
        by_split: dict[str, set[str]] = defaultdict(set)
        for key in group:
            by_split[key.partition("/")[0]].add(key)
        groups += [members for members in by_split.values() if len(members) > 1]
    return groups


def _flagged(workspace: Path, cleaned: CleanReport) -> dict[str, set[str]]:
    """Return keys by issue type, for the types that a step looked for, now or in an earlier run."""
    done = [found.step for found in cleaned.found if found.report is None or found.report.left_out is None]
    flagged: dict[str, set[str]] = {name: set() for step in done for name in FLAGGED_BY.get(step, ())}
    for row in read_exported(workspace, "issues").to_pylist():
        flagged.setdefault(row["issue_type"], set()).add(row["key"])
    return flagged


def _broken(workspace: Path) -> set[str]:
    rows = read_exported(workspace, "samples").select(["key", "outcome"]).to_pylist()
    return {row["key"] for row in rows if row["outcome"] == "broken"}
