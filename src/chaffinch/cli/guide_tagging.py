"""The command line of `vl_tagging_workflow.py`: the guide's flags, no workspace to name."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chaffinch.cli.main import run_reporting_errors
from chaffinch.cli.output import hint, say
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.pipeline.tagging_workflow import VLTaggingWorkflow

EXAMPLE = """example:
  python vl_tagging_workflow.py --vl_export vl_exports/imagenet1k_vl_export.csv --dataset imagenet1k \\
      --output manifests/imagenet1k_tagged_manifest.csv --generate_html

Writes the manifest, <manifest>.events.jsonl (what was decided, by whom) and, with --generate_html,
review_interface.html beside it, the review page for a double click. What its button Export saves comes back
by the same command with --merge, a file of each reviewer: the manifest is made anew from the export each
time."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the guide's flags."""
    result = argparse.ArgumentParser(
        prog="vl_tagging_workflow.py",
        description="Turn an export of flagged images into a manifest for tagging.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--vl_export", type=Path, required=True, help="the export: csv, json, parquet or zip")
    add("--dataset", default="dataset", help="name of the dataset; default: dataset")
    add("--output", type=Path, help="the manifest; default: <dataset>_tagged_manifest.csv")
    add("--generate_html", action="store_true", help="also write review_interface.html beside the manifest")
    add(
        "--map",
        action="append",
        default=[],
        metavar="TARGET=COLUMN",
        help="which column is which; repeatable",
    )
    add(
        "--merge",
        type=Path,
        action="append",
        default=[],
        help="decisions that the review page saved, or an edited manifest (CSV); repeatable",
    )
    add("--reviewer", default="", help="whose decisions an edited manifest brings, where it does not say")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script; exits with its status.

    Args:
        arguments: Without the program's name; None takes those of the process.
    """
    options = parser().parse_args(arguments)
    run_reporting_errors(lambda: sys.exit(_run(options)))


def _run(options: argparse.Namespace) -> int:
    from chaffinch.formats.export_columns import parse_mapping
    from chaffinch.pipeline.tagging_workflow import VLTaggingWorkflow

    output = options.output or Path(f"{options.dataset}_tagged_manifest.csv")
    workflow = VLTaggingWorkflow(options.vl_export, options.dataset, mapping=parse_mapping(options.map))
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: hint(f"warning: {message}")
        workflow.load_vl_export()
        workflow.create_tagging_manifest()
        for file in options.merge:
            _merge(workflow, file, options.reviewer)
        workflow.export_manifest(output)
    _print_counts(workflow)
    say(f"manifest: {output}")
    if options.generate_html:
        pages = workflow.generate_review_html(output.with_name("review_interface.html"))
        say(f"review page: {pages[0]}" + (f" and {len(pages) - 1} more" if len(pages) > 1 else ""))
    return 0


def _merge(workflow: VLTaggingWorkflow, file: Path, reviewer: str) -> None:
    before = len(workflow.events)
    left = workflow.add_decisions_from(file, reviewer)
    say(f"{file}: {counted(len(workflow.events) - before, 'decision')} taken over")
    for returned in left:
        hint(f"{file} row {returned.line.row}: {returned.kind}: {returned.reason}")


def _print_counts(workflow: VLTaggingWorkflow) -> None:
    say(f"{counted(len(workflow.vl_data), 'finding')} about {counted(len(workflow.tagged_data), 'image')}")
    for word, count in workflow.vl_data["vl_flag_type"].value_counts().items():
        say(f"  {word:<18}{count:>10,}")
