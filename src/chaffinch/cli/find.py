"""`chaffinch find` and `chaffinch issues`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaffinch.cli.output import LogJsonOption, WorkspaceOption, duration, hint, progress_on_stderr, say
from chaffinch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = ("duplicates",)
"""Names that `--only` takes."""

TEXT_WIDTH = 79
"""Columns of a reason as it is listed."""


def parse_steps(text: str) -> tuple[str, ...]:
    """Turn ``duplicates`` into steps.

    Raises:
        UsageError: If a step is not there.
    """
    steps = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [step for step in steps if step not in STEPS]
    if unknown or not steps:
        raise UsageError(f"there is no step {', '.join(unknown)!r}", hint=f"--only takes {', '.join(STEPS)}")
    return steps


def find(
    *,
    workspace: WorkspaceOption,
    only: Annotated[str, typer.Option(help="Comma list of steps: duplicates.")] = "duplicates",
    phash_threshold: Annotated[int, typer.Option(help="Largest Hamming distance in bits, 0..16.")] = 5,
    log_json: LogJsonOption = False,
) -> None:
    """Find duplicates: the same bytes or pixels, near copies, turned or cropped copies; label conflicts.

    Nothing is removed: findings are rows of the tables `issues` and `pairs`.

    Example:

        chaffinch find -w ws --only duplicates
    """
    from chaffinch.pipeline.duplicates import find_duplicates
    from chaffinch.settings import LeakSettings

    parse_steps(only)
    with progress_on_stderr(as_json=log_json) as progress:
        report = find_duplicates(
            workspace, settings=LeakSettings(phash_threshold=phash_threshold), progress=progress
        )
    say(f"{report.n_groups:,} groups of duplicates with {report.n_in_groups:,} images")
    for method, n_sets in report.n_sets.items():
        say(
            f"  {method:<12}{n_sets:>10,} sets of equals{report.n_pairs[method]:>12,} near pairs between them"
        )
    say(f"{report.n_label_conflicts:,} images whose equals carry another label")
    say(f"done in {duration(report.wall_s)} ({duration(report.cpu_s)} of CPU)")
    hint(f"next: chaffinch issues -w {workspace}   or   chaffinch table pairs -w {workspace} --to pairs.csv")


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
