"""`chaffinch export`: findings in the form of other tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint
from chaffinch.report.visible_text import counted

export_app = typer.Typer(
    name="export",
    help="Write findings as other tools do. Such as: chaffinch export visual-layer -w ws --to export.csv",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@export_app.callback()
def _export() -> None:
    """Keep the name of the one format there is a part of the command."""


@export_app.command("visual-layer")
def export_visual_layer(
    *,
    workspace: WorkspaceOption,
    to: Annotated[Path, typer.Option("--to", help="File to write: .csv (a row a finding) or .json (1.1).")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose findings: chaffinch (default), visual-layer, fastdup, cleanlab, or all; repeatable."
        ),
    ] = None,
) -> None:
    """Write findings as Visual Layer exports them, for the guide's scripts and for other workspaces.

    A CSV has a row for each finding, a JSON an item for each image, with issues, people's tags, label
    and boxes.

    Examples:

        chaffinch export visual-layer -w ws --to vl_exports/imagenet1k_vl_export.csv

        chaffinch export visual-layer -w ws --to export.json --source all
    """
    from chaffinch.pipeline.export_visual_layer import export_visual_layer as run_export
    from chaffinch.storage.folder import WorkspaceFolder
    from chaffinch.storage.issues import SOURCE

    written = run_export(workspace, to, sources=source or (SOURCE,))
    hint(f"{to}: {counted(written.n_items, 'finding' if to.suffix == '.csv' else 'image')}")
    if written.n_box_issues_left_out:
        left_out = counted(written.n_box_issues_left_out, "finding")
        hint(f"left out: {left_out} about boxes; end the name with .json")
    if to.suffix == ".csv":
        dataset = WorkspaceFolder(workspace).published().dataset
        hint(f"next: python -m vl_tagging_workflow --vl_export {shlex.quote(str(to))} --dataset {dataset}")
