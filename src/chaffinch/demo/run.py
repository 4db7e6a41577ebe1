"""Runs the whole job on the demo dataset: scan, duplicates, leaks; compares with what was planted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from chaffinch.demo.build import IMAGES_FOLDER, build_demo_dataset
from chaffinch.demo.truth import TRUTH_FILE, DemoFindings, TruthRow, compare_with_truth
from chaffinch.errors import UsageError
from chaffinch.formats.leak_csv import read_leak_rows
from chaffinch.pipeline.duplicates import find_duplicates
from chaffinch.pipeline.leak_report import report_leaks
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.storage.export import read_exported
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT


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
    files: tuple[Path, ...]
    """Leak report, summary as text and JSON, contact sheet."""


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
    scan(workspace, SourceSpec(locations=(str(images),), dataset="demo"), progress=progress)
    find_duplicates(workspace, progress=progress)
    report = report_leaks(
        workspace, ("train", "val"), output=folder / "demo_leaks_report.csv", progress=progress
    )
    found = DemoFindings(
        leak_pairs={(row.train_key, row.test_key) for row in read_leak_rows(report.files[0])},
        duplicate_groups=_groups_within_splits(workspace),
        label_conflicts=_groups(workspace, LABEL_CONFLICT),
        broken=_broken(workspace),
    )
    return DemoReport(
        rows=compare_with_truth(truth, found),
        n_images=truth.n_images,
        n_planted=len(truth.plants),
        images=images,
        truth=dataset / TRUTH_FILE,
        workspace=workspace,
        files=report.files,
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


def _broken(workspace: Path) -> set[str]:
    rows = read_exported(workspace, "samples").select(["key", "outcome"]).to_pylist()
    return {row["key"] for row in rows if row["outcome"] == "broken"}
