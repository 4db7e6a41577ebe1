"""`chaffinch leaks`, and the run behind the guide's script."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import (
    DatasetOption,
    LogJsonOption,
    WorkersOption,
    WorkspaceOption,
    hint,
    progress_on_stderr,
    say,
)
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.report.visible_text import counted
from chaffinch.settings import LeakSettings, ScanSettings

if TYPE_CHECKING:
    from chaffinch.pipeline.leak_report import LeakReport

FOUND_LEAKS = 3
"""Exit status of a check that found something."""


@dataclass(frozen=True, slots=True)
class LeakRequest:
    """Everything one leak report needs."""

    workspace: Path
    """Workspace to scan into, or to search as it stands."""
    settings: LeakSettings
    """How leaks are searched."""
    scan: ScanSettings
    """How folders are scanned, where they are given."""
    between: tuple[str, str] | None = None
    """Two splits of the workspace; None where folders are given."""
    train: str | None = None
    """Where the training images are."""
    test: str | None = None
    """Where the test images are."""
    dataset: str | None = None
    """Name of the dataset."""
    output: Path | None = None
    """The report; None puts it into the workspace."""
    manifest: Path | None = None
    """Manifest whose spelling of paths is used."""
    add_to: Path | None = None
    """Manifest in which leaking images are tagged and removed."""
    fail_on_leaks: bool = False
    """Whether a leak makes the exit status 3."""
    log_json: bool = False
    """Progress as JSON lines."""


def parse_methods(text: str) -> tuple[str, ...]:
    """Turn ``exact,perceptual`` into methods; whether they exist is for the settings to say."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def run_leaks(request: LeakRequest) -> int:
    """Scan where needed, search, write the report, print its summary; returns the exit status."""
    from chaffinch.pipeline.leak_report import check_leak_files, report_leaks
    from chaffinch.pipeline.leaks import scan_pair

    check_leak_files(request.output, [path for path in (request.manifest, request.add_to) if path])
    with progress_on_stderr(as_json=request.log_json) as progress:
        between = request.between
        if between is None:
            if request.train is None or request.test is None:
                raise UsageError(
                    "leaks needs two sides", hint="--between train val, or --train DIR --test DIR"
                )
            between = scan_pair(
                request.workspace,
                request.train,
                request.test,
                dataset=request.dataset,
                settings=request.scan,
                progress=progress,
            )
        report = report_leaks(
            request.workspace,
            between,
            settings=request.settings,
            output=request.output,
            # Tags are added by equal spelling: the manifest that gets them is the one to spell after.
            manifest=request.manifest or request.add_to,
            dataset=request.dataset,
            progress=progress,
        )
    say(report.summary_text)
    if request.add_to is not None:
        _add_to_manifest(request.add_to, report.leaking_test_images)
    for path in report.files:
        hint(f"wrote {path}")
    return _status(request, report)


def _add_to_manifest(manifest: Path, leaking_images: Collection[str]) -> None:
    from chaffinch.formats.manifest_paths import add_leaks_to_manifest

    added = add_leaks_to_manifest(manifest, leaking_images)
    leak = "leaks" if added.n_leaking == 1 else "leak"
    say(f"{manifest}: {added.n_leaking:,} of {counted(added.n_rows, 'row')} {leak}")
    say(f"  {added.n_changed:,} of them tagged and marked for removal now")
    for row in added.kept:
        say(f"  row {row.row} stays, a person decided to keep it: {row.image_path}")


def _status(request: LeakRequest, report: LeakReport) -> int:
    if not request.fail_on_leaks:
        return 0
    if not report.was_compared:
        raise WorkspaceError("nothing was compared, so nothing is proven", where=str(request.workspace))
    return FOUND_LEAKS if report.n_pairs else 0


def vectors_for(settings: LeakSettings, workspace: Path) -> str | None:
    """Return what makes vectors for a search: nothing where no method compares them and none is named."""
    from chaffinch.pipeline.embedders import chosen_embedder

    if settings.embedder is None and "semantic" not in settings.methods:
        return None
    return chosen_embedder(workspace, settings.embedder)


def leaks(
    *,
    workspace: WorkspaceOption,
    between: Annotated[
        tuple[str, str] | None, typer.Option(help="Two splits of the workspace, as it was scanned.")
    ] = None,
    train: Annotated[str | None, typer.Option(help="Training images; scanned first.")] = None,
    test: Annotated[str | None, typer.Option(help="Test images; scanned first.")] = None,
    methods: Annotated[
        str, typer.Option(help="Comma list of exact, perceptual, verified, semantic.")
    ] = "exact,perceptual,verified",
    phash_threshold: Annotated[int, typer.Option(help="Largest Hamming distance in bits, 0..16.")] = 5,
    semantic_threshold: Annotated[
        float | None, typer.Option(help="Smallest cosine, 0..1. Default: what fits the embedder.")
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Whose vectors to compare; with --train, they are made first. "
            "Default: those made last, else chaffinch-s."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The report, a CSV. Default: reports/ in the workspace.")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Spell paths as this manifest. Default: DATASET_tagged_manifest.csv beside the report."
        ),
    ] = None,
    add_to: Annotated[
        Path | None, typer.Option(help="Tag leaking test images in this manifest and mark them for removal.")
    ] = None,
    fail_on_leaks: Annotated[
        bool, typer.Option("--fail-on-leaks", help="Exit with 3 if there is one.")
    ] = False,
    dataset: DatasetOption = None,
    workers: WorkersOption = 0,
    log_json: LogJsonOption = False,
) -> None:
    """Find images that are in two splits: the same bytes or pixels, near copies, turned or cropped copies.

    Writes a CSV with one row per pair and method, a summary, and a page with the pairs side by side.

    Examples:

        chaffinch leaks -w ws --between train val

        chaffinch leaks -w ws --train data/train --test data/val --methods exact,perceptual --output leaks.csv

        chaffinch leaks -w ws --train data/train --test data/val --methods semantic
    """
    if between is not None and (train or test):
        raise UsageError("--between goes without --train and --test", hint="use the one or the other")
    settings = LeakSettings(
        methods=parse_methods(methods),
        phash_threshold=phash_threshold,
        semantic_threshold=semantic_threshold,
        embedder=embedder,
    )
    request = LeakRequest(
        workspace=workspace,
        settings=settings,
        scan=ScanSettings(workers=workers, embedder=vectors_for(settings, workspace)),
        between=between,
        train=train,
        test=test,
        dataset=dataset,
        output=output,
        manifest=manifest,
        add_to=add_to,
        fail_on_leaks=fail_on_leaks,
        log_json=log_json,
    )
    raise typer.Exit(run_leaks(request))
