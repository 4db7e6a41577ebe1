"""`chaffinch table`: any table of a workspace as parquet or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint
from chaffinch.report.visible_text import counted


def table(
    name: Annotated[
        str, typer.Argument(help="samples, objects, issues, pairs, classes, confusion or decisions.")
    ],
    *,
    workspace: WorkspaceOption,
    to: Annotated[Path, typer.Option("--to", help="File to write; .parquet or .csv.")],
) -> None:
    """Write one table as it stands now, one row per thing.

    Example:

        chaffinch table samples -w ws --to samples.parquet
    """
    from chaffinch.storage.export import export_table

    n_rows = export_table(workspace, name, to)
    hint(f"{to}: {counted(n_rows, 'row')}")
