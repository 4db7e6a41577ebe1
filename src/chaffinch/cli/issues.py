"""`chaffinch issues`: what was found, in numbers, in words and in pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaffinch.cli.output import TEXT_WIDTH, WorkspaceOption, hint, say
from chaffinch.errors import UsageError
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaffinch.pipeline.issue_list import IssueList


def issues(
    *,
    workspace: WorkspaceOption,
    output_format: Annotated[
        str, typer.Option("--format", help="table, csv or json (one object a line).")
    ] = "table",
    issue_type: Annotated[
        str | None, typer.Option("--type", help="Only these types; a comma list, such as mislabel,blur.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="confidence (surest of each type first), sample, or stored. Default: confidence "
            "for a table, stored for csv and json."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows of the table; 0 for all.")] = 20,
    html: Annotated[
        Path | None, typer.Option(help="Write the surest of each type as a page with their pictures.")
    ] = None,
    per_type: Annotated[int, typer.Option(min=1, help="Findings of each type on that page.")] = 24,
) -> None:
    """Say how much was found of each type, and list it, surest first; or show it as a page with pictures.

    Examples:

        chaffinch issues -w ws

        chaffinch issues -w ws --html issues.html

        chaffinch issues -w ws --type leak --format csv > leaks.csv
    """
    from chaffinch.pipeline.issue_list import IssueList, check_order, parse_types

    if output_format not in ("table", "csv", "json"):
        raise UsageError(f"there is no format {output_format!r}", hint="--format table, csv or json")
    types = parse_types(issue_type) if issue_type is not None else frozenset[str]()
    if html is not None:
        _write_page(workspace, html, sorted(types), per_type)
        return
    if sort is not None:
        check_order(sort)
    found = IssueList(workspace, types=types)
    if output_format == "table":
        _print_summary(found)
        _print_text(found, found.rows(order=sort or "confidence", limit=limit), limit)
        if not len(found):
            _hint_at_others(found.n_others, workspace)
        else:
            hint(f"to look at them: chaffinch issues -w {workspace} --html issues.html")
        return
    printer = _print_csv if output_format == "csv" else _print_json
    printer(found.rows(order=sort or "stored"))


def _write_page(workspace: Path, html: Path, types: list[str], per_type: int) -> None:
    from chaffinch.pipeline.issue_page import write_issue_page

    n_shown = write_issue_page(workspace, html, types=types, n_per_type=per_type)
    say(f"{html}: {counted(n_shown, 'finding')} with their pictures")


def _print_summary(found: IssueList) -> None:
    """Print a line for each type, within 80 columns."""
    summary = found.summary()
    if not summary:
        return
    say(f"{'type':<18}{'findings':>12}{'images':>12}{'median':>8}  found by")
    for entry in summary:
        median = "-" if entry.median_confidence is None else f"{entry.median_confidence:.2f}"
        counts = f"{entry.n_findings:>12,}{entry.n_images:>12,}{median:>8}"
        say(f"{entry.issue_type:<18}{counts}  {', '.join(entry.sources)[:28]}")
    say()


def _print_text(found: IssueList, rows: Iterable[dict[str, Any]], limit: int) -> None:
    import textwrap

    for row in rows:
        group = "" if row["group_id"] is None else f"  group {row['group_id']}"
        say(f"{row['issue_type']}  {_confidence(row)}{group}  {row['key']}")
        say(textwrap.fill(row["reason"], TEXT_WIDTH, initial_indent="    ", subsequent_indent="    "))
    if limit and len(found) > limit:
        hint(f"{len(found) - limit:,} more: --limit 0, or --format csv")


def _hint_at_others(n_others: int, workspace: Path) -> None:
    """Say what there is where nothing can be listed."""
    from chaffinch.pipeline.status import open_searches

    if n_others:
        verb = "is" if n_others == 1 else "are"
        hint(f"none of this type; there {verb} {n_others:,} other{'s' if n_others > 1 else ''}")
        return
    commands = open_searches(workspace)
    hint("nothing is found so far; not searched yet:" if commands else "nothing was found")
    for command in commands:
        hint(f"  {command}")


def _confidence(row: dict[str, Any]) -> str:
    """Spell a confidence; other tools may state none."""
    return "-" if row["confidence"] is None else f"{row['confidence']:.2f}"


def _print_csv(rows: Iterable[dict[str, Any]]) -> None:
    import csv

    from chaffinch.storage.issues import ISSUES_SCHEMA

    writer = csv.DictWriter(sys.stdout, ISSUES_SCHEMA.names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        evidence = row["evidence"] and json.loads(row["evidence"])
        say(json.dumps({**row, "evidence": evidence}, ensure_ascii=False))
