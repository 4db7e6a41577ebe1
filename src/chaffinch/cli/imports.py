"""`chaffinch import`: exports of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import (
    DatasetOption,
    LogJsonOption,
    WorkspaceOption,
    duration,
    hint,
    hint_next,
    progress_on_stderr,
    say,
)
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.pipeline.import_export import ImportReport, ImportSettings

import_app = typer.Typer(
    name="import",
    help="Bring in what other tools found. Such as: chaffinch import visual-layer export.json -w ws",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

SplitRuleOption = Annotated[
    list[str] | None,
    typer.Option("--split-rule", help="REGEX=SPLIT, searched in the path; may be repeated."),
]


@import_app.command("visual-layer")
def import_visual_layer(
    files: Annotated[list[Path], typer.Argument(help="JSON, CSV, Parquet or zip; parts are joined.")],
    *,
    workspace: WorkspaceOption,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", help="TARGET=SOURCE: which column is which; kept for later imports."),
    ] = None,
    split_rule: SplitRuleOption = None,
    dataset: DatasetOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Import exports of Visual Layer: issues, boxes and tags, linked to the scanned images.

    Without a scan, the images of the export become the samples. The same file again replaces its rows;
    another part is joined.

    Examples:

        chaffinch import visual-layer export.json -w ws

        chaffinch import visual-layer flags.csv -w ws --map image_id=your_id_column
    """
    from chaffinch.formats.export_columns import parse_mapping
    from chaffinch.formats.export_source import parse_split_rules
    from chaffinch.pipeline.import_export import VISUAL_LAYER, ImportSettings

    settings = ImportSettings(
        mapping=parse_mapping(column or []),
        split_rules=parse_split_rules(split_rule or []),
        dataset=dataset,
    )
    _run(files, VISUAL_LAYER, workspace=workspace, settings=settings, log_json=log_json)


@import_app.command("fastdup")
def import_fastdup(
    folder: Annotated[Path, typer.Argument(help="The work_dir of fastdup.")],
    *,
    workspace: WorkspaceOption,
    split_rule: SplitRuleOption = None,
    dataset: DatasetOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Import what fastdup found: duplicates, outliers, blur, dark, bright and unreadable files.

    Example:

        chaffinch import fastdup work_dir -w ws
    """
    from chaffinch.formats.export_source import parse_split_rules
    from chaffinch.pipeline.import_export import FASTDUP, ImportSettings

    settings = ImportSettings(split_rules=parse_split_rules(split_rule or []), dataset=dataset)
    _run([folder], FASTDUP, workspace=workspace, settings=settings, log_json=log_json)


@import_app.command("cleanlab")
def import_cleanlab(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of find_label_issues or get_issues.")],
    *,
    workspace: WorkspaceOption,
    split_rule: SplitRuleOption = None,
    dataset: DatasetOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Import cleanlab's table of issues; rows flagged there become issues here.

    Example:

        chaffinch import cleanlab label_issues.csv -w ws
    """
    from chaffinch.formats.export_source import parse_split_rules
    from chaffinch.pipeline.import_export import CLEANLAB, ImportSettings

    settings = ImportSettings(split_rules=parse_split_rules(split_rule or []), dataset=dataset)
    _run([file], CLEANLAB, workspace=workspace, settings=settings, log_json=log_json)


def _run(
    locations: list[Path], tool: str, *, workspace: Path, settings: ImportSettings, log_json: bool
) -> None:
    from chaffinch.pipeline.import_export import import_exports

    with progress_on_stderr(as_json=log_json) as progress:
        report = import_exports(workspace, locations, tool=tool, settings=settings, progress=progress)
    print_import_report(report)
    hint_next(f"chaffinch issues -w {workspace}", f"chaffinch table issues -w {workspace} --to issues.csv")


def print_import_report(report: ImportReport) -> None:
    """Print what came in, what of it could be used, and where the rest is listed."""
    found = report.findings
    say(f"{report.dataset}: {counted(report.n_samples, 'image')}, {report.n_new_samples:,} of them new")
    for entry in report.imports:
        held = f"{counted(entry.n_items, 'row')}, {counted(entry.n_issues, 'finding')}"
        say(f"  {entry.name}: {held}, sha256 {entry.sha256[:16]}")
    of_all = f" of {report.n_exports} exports" if report.n_exports > 1 else ""
    say(f"linked {found.n_linked:,} of {counted(found.n_items, 'row')}{of_all} to images")
    for issue_type, count in sorted(found.issues.items()):
        say(f"  {issue_type:<18}{count:>12,} issue{'' if count == 1 else 's'}")
    if found.n_objects:
        say(f"  {found.n_objects:,} boxes")
    if report.n_tags:
        say(f"  {report.n_tags:,} tags of people there, now decisions of origin import")
    if found.n_repeated:
        say(f"counted once although it stands there again: {counted(found.n_repeated, 'finding')}")
    for why, count in found.unused.most_common():
        say(f"not used: {count:,} because {why}, such as {'; '.join(found.examples[why])}")
    if found.unused:
        say(f"all rows not used, with reasons: {report.unused_file}")
    for warning in report.warnings:
        say(f"note: {warning}")
    say(f"done in {duration(report.wall_s)} ({duration(report.cpu_s)} of CPU)")


@import_app.command("manifest")
def import_manifest(
    file: Annotated[Path, typer.Argument(help="Edited manifest, CSV.")],
    *,
    workspace: WorkspaceOption,
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who edited it, where a row does not say.")],
) -> None:
    """Bring an edited manifest back: what was changed in it becomes decisions.

    A row is compared with what it said when it was written and with the decisions since. Where both changed,
    the conflict is shown, nothing of the row is taken, and the exit status is 3.

    Example:

        chaffinch import manifest manifests/imagenet1k_tagged_manifest.csv -w ws --reviewer Saeed
    """
    from chaffinch.pipeline.import_manifest import import_manifest as run_import

    report = run_import(workspace, file, reviewer=reviewer)
    say(f"{counted(report.n_rows, 'row')}")
    for kind, what in _MANIFEST_COUNTS.items():
        if report.counts.get(kind):
            say(f"  {report.counts[kind]:>10,} {what}")
    for batch in report.batches:
        hint(f"undo with: chaffinch tag -w {workspace} --undo {batch} --reviewer NAME")
    for returned in report.left[:SHOWN_ROWS]:
        image = returned.line.image_path or returned.line.image_id
        hint(f"{file} row {returned.line.row}, {image}: {returned.kind}: {returned.reason}")
    if len(report.left) > SHOWN_ROWS:
        hint(f"and {len(report.left) - SHOWN_ROWS:,} more")
    if report.counts.get("conflict"):
        raise typer.Exit(CONFLICTS)


_MANIFEST_COUNTS = {
    "taken": "edited, now decisions",
    "same": "edited to what is decided already",
    "untouched": "untouched",
    "conflict": "in conflict with later decisions: not taken",
    "refused": "not usable: not taken",
}
CONFLICTS = 3
"""Exit status of an import that met conflicts."""

SHOWN_ROWS = 20
"""Rows that were not taken and are listed."""
