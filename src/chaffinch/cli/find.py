"""`chaffinch find` and `chaffinch issues`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaffinch.cli.leaks import parse_methods
from chaffinch.cli.output import LogJsonOption, WorkspaceOption, duration, hint, progress_on_stderr, say
from chaffinch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chaffinch.pipeline.find import FindReport

TEXT_WIDTH = 79
"""Columns of a reason as it is listed."""


def find(
    *,
    workspace: WorkspaceOption,
    only: Annotated[
        str,
        typer.Option(
            help="Comma list of steps: duplicates, quality, mislabels, outliers, clusters. Default: all."
        ),
    ] = "",
    methods: Annotated[
        str, typer.Option(help="Comma list of exact, perceptual, verified, semantic: how copies are found.")
    ] = "exact,perceptual,verified",
    phash_threshold: Annotated[int, typer.Option(help="Largest Hamming distance in bits, 0..16.")] = 5,
    semantic_threshold: Annotated[
        float | None, typer.Option(help="Smallest cosine, 0..1. Default: what fits the embedder.")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="Whose vectors to use. Default: those made last.")
    ] = None,
    pred_probs: Annotated[
        Path | None,
        typer.Option(
            help="Out-of-sample probabilities of your model (.npy, CSV, Parquet), to judge labels by instead."
        ),
    ] = None,
    log_json: LogJsonOption = False,
) -> None:
    """Find what is wrong within a dataset: copies, bad quality, wrong labels, outliers; and what is alike.

    The last step fills the columns `uniqueness` and `cluster_id` of the table `samples`. Nothing is removed:
    findings are rows of the tables `issues` and `pairs`. A step that lacks something says so, with the
    command that brings it.

    Examples:

        chaffinch find -w ws

        chaffinch find -w ws --only duplicates,quality

        chaffinch find -w ws --only mislabels,outliers

        chaffinch find -w ws --only mislabels --pred-probs probs.npy
    """
    from chaffinch.pipeline.find import find as run_find
    from chaffinch.settings import FindSettings, LeakSettings

    settings = FindSettings(
        only=tuple(part.strip() for part in only.split(",") if part.strip()),
        pairs=LeakSettings(
            methods=parse_methods(methods),
            phash_threshold=phash_threshold,
            semantic_threshold=semantic_threshold,
        ),
        embedder=embedder,
        pred_probs=None if pred_probs is None else str(pred_probs),
    )
    with progress_on_stderr(as_json=log_json) as progress:
        reports = run_find(workspace, settings=settings, progress=progress)
    print_found(reports)
    cpu_s, wall_s = sum(r.cpu_s for r in reports), sum(r.wall_s for r in reports)
    say(f"done in {duration(wall_s)} ({duration(cpu_s)} of CPU)")
    hint(f"next: chaffinch issues -w {workspace}   or   chaffinch table pairs -w {workspace} --to pairs.csv")


def print_found(reports: Sequence[FindReport]) -> None:
    """Print what each step of `find` found; what it lacks goes to stderr."""
    for done in reports:
        report = done.report
        if report is None:
            say(f"{done.step:<12}up to date")
            continue
        counts = {name.replace("_", " "): count for name, count in report.n_flagged.items()}
        counts |= report.figures
        if counts:
            say(f"{done.step:<12}" + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
        if report.left_out is not None:
            say(f"{done.step:<12}left out: {report.left_out}")
        if report.command is not None:
            hint(f"hint: {report.command}")


def issues(
    *,
    workspace: WorkspaceOption,
    output_format: Annotated[
        str, typer.Option("--format", help="table, csv or json (one object a line).")
    ] = "table",
    issue_type: Annotated[
        str | None, typer.Option("--type", help="Only this type: duplicate, leak or label_conflict.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows of the table; 0 for all.")] = 20,
) -> None:
    """List what was found, surest first within each type.

    Examples:

        chaffinch issues -w ws

        chaffinch issues -w ws --type leak --format csv > leaks.csv
    """
    from chaffinch.storage.export import stream_table

    printers = {"table": _print_text, "csv": _print_csv, "json": _print_json}
    if output_format not in printers:
        raise UsageError(f"there is no format {output_format!r}", hint="--format table, csv or json")
    schema, tables = stream_table(workspace, "issues")
    rows = (row for table in tables for row in table.to_pylist())
    if issue_type is not None:
        rows = (row for row in rows if row["issue_type"] == issue_type)
    printers[output_format](schema.names, rows, limit)


def _print_text(names: list[str], rows: Iterator[dict[str, Any]], limit: int) -> None:
    import heapq
    import textwrap
    from itertools import count

    counter = count()
    counted = (row for row, _ in zip(rows, counter, strict=False))
    # Of half a million issues the first twenty are kept, not all of them sorted.
    shown = heapq.nsmallest(limit, counted, key=_surest) if limit else sorted(counted, key=_surest)
    for row in shown:
        group = "" if row["group_id"] is None else f"  group {row['group_id']}"
        say(f"{row['issue_type']}  {_confidence(row)}{group}  {row['key']}")
        say(textwrap.fill(row["reason"], TEXT_WIDTH, initial_indent="    ", subsequent_indent="    "))
    if not shown:
        hint("nothing is found so far: chaffinch find looks for duplicates, chaffinch leaks between splits")
    left = next(counter) - len(shown)
    if left > 0:
        hint(f"{left:,} more: --limit 0, or --format csv")


def _surest(row: dict[str, Any]) -> tuple[str, float, str]:
    return row["issue_type"], -(row["confidence"] or 0.0), row["key"]


def _confidence(row: dict[str, Any]) -> str:
    """Spell a confidence; other tools may state none."""
    return "-" if row["confidence"] is None else f"{row['confidence']:.2f}"


def _print_csv(names: list[str], rows: Iterator[dict[str, Any]], limit: int) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_json(names: list[str], rows: Iterator[dict[str, Any]], limit: int) -> None:
    import json

    for row in rows:
        say(json.dumps(row, ensure_ascii=False))
