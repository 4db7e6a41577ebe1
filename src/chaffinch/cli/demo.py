"""`chaffinch demo`: plants faults in a small dataset, runs what there is, counts planted against found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.clean import print_clean
from chaffinch.cli.output import hint_next, progress_on_stderr, say

if TYPE_CHECKING:
    from chaffinch.demo.truth import TruthRow

DEFAULT_FOLDER = Path("chaffinch-demo")


def demo(
    *,
    to: Annotated[
        Path, typer.Option("--to", help="New or empty folder, or that of an earlier demo.")
    ] = DEFAULT_FOLDER,
) -> None:
    """Build a small dataset with planted leaks and faults, find them, and show where to look.

    Works offline; the pictures are crops of photographs that scikit-image carries.

    Example:

        chaffinch demo --to chaffinch-demo
    """
    from chaffinch.demo.run import run_demo

    with progress_on_stderr(as_json=False) as progress:
        report = run_demo(to, progress=progress)
    say(f"{report.n_images:,} images, {report.n_planted:,} of them planted faults.")
    say("Planted against found; extra is what was found where nothing was planted:")
    say()
    say(f"  {'kind':<18}{'planted':>9}{'found':>9}{'extra':>9}")
    for row in report.rows:
        say(_line(row))
    say()
    print_clean(report.cleaned, report.workspace)
    say(f"images      {report.images}")
    say(f"planted     {report.truth}")
    say(f"leak pairs  {report.leak_report}")
    hint_next(f"open {report.cleaned.pages[0]}", f"chaffinch review -w {report.workspace}")


def _line(row: TruthRow) -> str:
    found = "-" if row.found is None else str(row.found)
    extra = "" if row.extra is None else str(row.extra)
    return f"  {row.kind.replace('_', ' '):<18}{row.planted:>9}{found:>9}{extra:>9}".rstrip()
