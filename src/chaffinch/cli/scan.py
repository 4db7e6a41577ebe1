"""`chaffinch scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import (
    DatasetOption,
    EmbedderOption,
    LogJsonOption,
    WorkersOption,
    WorkspaceOption,
    duration,
    hint,
    hint_next,
    progress_on_stderr,
    say,
)
from chaffinch.errors import UsageError
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.pipeline.embed import EmbedReport
    from chaffinch.pipeline.scan import ScanReport


def parse_splits(options: list[str]) -> dict[str, str]:
    """Turn ``NAME=PATH`` options into a mapping, in order.

    Raises:
        UsageError: If one has no '=', or a name stands twice.
    """
    splits: dict[str, str] = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--split takes NAME=PATH, got {option!r}", hint="--split train=data/train")
        if name in splits:
            raise UsageError(f"--split names {name!r} twice")
        splits[name] = path
    return splits


def scan(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folder, list (csv, tsv, txt, parquet), COCO json, HF parquet, tar, zip, or URL."
        ),
    ] = None,
    *,
    workspace: WorkspaceOption,
    split: Annotated[list[str] | None, typer.Option(help="NAME=PATH; may be repeated.")] = None,
    images: Annotated[
        str | None, typer.Option(help="Folder of the images that a COCO file speaks of.")
    ] = None,
    dataset: DatasetOption = None,
    embedder: EmbedderOption = None,
    workers: WorkersOption = 0,
    rescan: Annotated[bool, typer.Option("--rescan", help="Measure all again, unchanged files too.")] = False,
    log_json: LogJsonOption = False,
) -> None:
    """Read every image once; keep digests, hashes, quality numbers and thumbnails.

    Run it again whenever files change: only new and changed ones are read. Killed, it goes on where it
    stopped.

    Examples:

        chaffinch scan data/imagenet -w ws

        chaffinch scan data/imagenet -w ws --embedder onnx:model.onnx

        chaffinch scan --split train=data/a --split test=data/b.zip -w ws
    """
    from chaffinch.pipeline.embedders import chosen_embedder
    from chaffinch.pipeline.scan import SourceSpec
    from chaffinch.pipeline.scan import scan as run_scan
    from chaffinch.settings import ScanSettings

    splits = parse_splits(split or [])
    if not source and not splits:
        raise UsageError(
            "scan needs a SOURCE or --split NAME=PATH", hint="chaffinch scan data/imagenet -w ws"
        )
    spec = SourceSpec(locations=tuple(source or ()), splits=splits, dataset=dataset, images=images)
    settings = ScanSettings(workers=workers, rescan=rescan, embedder=chosen_embedder(workspace, embedder))
    with progress_on_stderr(as_json=log_json) as progress:
        report = run_scan(workspace, spec, settings=settings, progress=progress)
    print_scan_report(report)
    if report.has_dropped_findings:
        hint("what was found before does not hold any more and was dropped: run find and leaks again")
    between = f"chaffinch leaks -w {workspace} --between {' '.join(report.splits[:2])}"
    hint_next(f"chaffinch find -w {workspace}", *([between] if len(report.splits) > 1 else []))


def print_scan_report(report: ScanReport) -> None:
    """Print outcomes with example paths, what changed, and how fast it went."""
    say(f"{report.dataset}: {counted(report.n_samples, 'image')}")
    for outcome, count in report.outcomes.items():
        say(f"  {outcome:<8} {count:>12,}")
        for path, error in report.examples.get(outcome, []):
            say(f"           {path}: {error}")
    changes = {
        "new": report.n_new,
        "changed": report.n_changed,
        "gone": report.n_vanished,
        "moved": report.n_moved,
    }
    if report.n_new != report.n_samples:
        say("since the last scan: " + ", ".join(f"{n:,} {name}" for name, n in changes.items()))
    for reason, count in report.ignored.items():
        say(f"passed over: {count:,} {reason}, such as {report.ignored_examples.get(reason, '')}")
    for warning in report.warnings:
        say(f"note: {warning}")
    if report.embedded is not None:
        print_embed_report(report.embedded)
    rate = f", {report.n_measured / report.wall_s:,.0f} images/s" if report.n_measured else ""
    say(
        f"measured {report.n_measured:,} in {duration(report.wall_s)}{rate} ({duration(report.cpu_s)} of CPU)"
    )


def print_embed_report(report: EmbedReport) -> None:
    """Print how many images have a vector, and what was assumed about the embedder."""
    changed = counted(report.n_without, "image")
    rest = f", {changed} changed since the scan" if report.n_without else ""
    say(f"vectors of {report.embedder}: {report.n_vectors:,}{rest}")
    for warning in report.warnings:
        hint(f"note: {warning}")
