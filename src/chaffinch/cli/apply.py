"""`chaffinch apply` and `chaffinch verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import (
    LogJsonOption,
    WorkersOption,
    WorkspaceOption,
    hint,
    progress_on_stderr,
    say,
)
from chaffinch.cli.resolve import (
    FOUND_SOMETHING,
    AdjudicatorOption,
    LeakSideOption,
    print_exceeded,
    print_removals,
    warn_of_reopened,
)
from chaffinch.errors import UsageError
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.pipeline.release_plan import ReleasePlan
    from chaffinch.pipeline.verify import VerifyReport

SHOWN = 20
"""Faults and leaks that are named."""

_TARGETS = {
    "new": "a new folder",
    "empty": "an empty folder",
    "own": "replaces the release that is there",
    "other": "replaces everything that is there",
}


def apply(
    *,
    workspace: WorkspaceOption,
    to: Annotated[Path, typer.Option("--to", help="Folder of the release.")],
    contents: Annotated[
        str,
        typer.Option(
            "--as",
            help="Comma list: lists, folder (a copy of the pictures by class), hf (a copy as Hugging Face "
            "Parquet shards), filelist (CSVs of the files that stay).",
        ),
    ] = "lists,folder",
    link: Annotated[
        str,
        typer.Option(
            help="copy, ref (share blocks), hard or sym. Default auto: ref where that works, else copy."
        ),
    ] = "auto",
    leak_side: LeakSideOption = None,
    adjudicator: AdjudicatorOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace whatever else is in the folder.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; write nothing.")] = False,
    log_json: LogJsonOption = False,
) -> None:
    """Write a cleaned dataset: lists, decisions, changes, checksums, and the pictures.

    The pictures lie in images/SPLIT/CLASS, byte for byte, under the class that goes out; with hf in
    data/SPLIT-*.parquet, which datasets.load_dataset reads. The source is only read. A hard-linked copy
    shares its bytes with the source: what is changed in one changes in both.

    Examples:

        chaffinch apply -w ws --to cleaned

        chaffinch apply -w ws --to cleaned --as lists

        chaffinch apply -w ws --to cleaned --as lists,hf
    """
    from chaffinch.apply.copies import LINK_MODES
    from chaffinch.pipeline.release import write_release
    from chaffinch.pipeline.release_plan import ReleaseSettings, plan_release
    from chaffinch.pipeline.resolve_choices import chosen

    if link not in LINK_MODES:
        raise UsageError(f"there is no way to link called {link!r}", hint=f"take {', '.join(LINK_MODES)}")
    settings = ReleaseSettings(
        contents=tuple(name.strip() for name in contents.split(",") if name.strip()),
        link=link,
        resolve=chosen(workspace, leak_side=leak_side, adjudicators=adjudicator),
    )
    plan = plan_release(workspace, to, settings)
    _print_plan(plan)
    warn_of_reopened(plan.summary, workspace)
    if plan.exceeded:
        print_exceeded(plan.exceeded)
        raise typer.Exit(FOUND_SOMETHING)
    if dry_run:
        hint("nothing was written (--dry-run)")
        return
    with progress_on_stderr(as_json=log_json) as progress:
        target = write_release(plan, may_replace=yes, progress=progress)
    say(f"wrote {target}")
    hint(f"next: chaffinch verify -w {workspace}")


def _print_plan(plan: ReleasePlan) -> None:
    summary = plan.summary
    print_removals(summary)
    say(f"{counted(summary.n_samples - summary.n_removed, 'image')} left")
    say(f"to {plan.target}: {', '.join(plan.settings.contents)}; {_TARGETS[plan.target_is]}")
    if plan.foreign_files:
        hint(f"warning: this workspace did not write {', '.join(plan.foreign_files)}")


def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="A release. Default: the one that was applied last.")
    ] = None,
    *,
    workspace: Annotated[
        Path | None, typer.Option("-w", "--workspace", help="Workspace whose last release is checked.")
    ] = None,
    workers: WorkersOption = 0,
    log_json: LogJsonOption = False,
) -> None:
    """Prove a release from its own bytes: nothing changed, missing or added, no leak and no duplicate left.

    Every file is compared with checksums.txt, and the searches for leaks, and for the duplicates that
    policies remove, are repeated on the pictures; of a release of lists alone on its source. The exit status
    is 3 if anything is wrong, or a leak is left that no person keeps, or a duplicate for no reason.

    Examples:

        chaffinch verify -w ws

        chaffinch verify cleaned
    """
    from chaffinch.pipeline.release import last_release
    from chaffinch.pipeline.verify import verify as run_verify

    if folder is None:
        if workspace is None:
            raise UsageError("verify needs a release", hint="chaffinch verify DIR, or chaffinch verify -w WS")
        folder = last_release(workspace)
    with progress_on_stderr(as_json=log_json) as progress:
        report = run_verify(folder, workers=workers, progress=progress)
    _print_report(report)
    if not report.is_proven:
        raise typer.Exit(FOUND_SOMETHING)


def _print_report(report: VerifyReport) -> None:
    say(f"{report.folder}")
    if report.n_pictures:
        say(f"{counted(report.n_pictures, 'picture')} left")
    else:
        say(f"{counted(report.record.n_samples - report.record.n_removed, 'image')} left")
    if report.has_seen_pictures:
        _print_pairs(report)
    if report.faults:
        say(counted(len(report.faults), "fault"))
        _print_some(list(report.faults))
    else:
        say(f"all files as they were written, {counted(report.record.n_samples, 'image')} accounted for")
    if not report.has_seen_pictures:
        say("nothing about pictures could be proven: none could be read")
    for words in report.not_repeated:
        hint(f"warning: not searched again: {words}")
    if not report.record.searches:
        hint("warning: no search for leaks was made before this release, so none was repeated")
    if report.record.copies is None:
        hint("no policy removes all duplicates of a method, so none were searched")


def _print_pairs(report: VerifyReport) -> None:
    say(counted(len(report.unwaived), "residual leak"))
    _print_some([f"{one.first} = {one.second} ({', '.join(one.methods)})" for one in report.unwaived])
    waived = [leak for leak in report.leaks if leak.waived_by is not None]
    say(f"{counted(len(waived), 'leak')} waived by a person")
    _print_some([f"{one.first} = {one.second}, by {one.waived_by}" for one in waived])
    if report.record.copies is None:
        return
    methods = ", ".join(report.record.copies.methods)
    say(f"{counted(len(report.unwaived_copies), 'residual duplicate')} ({methods})")
    _print_some([f"{one.first} = {one.second} ({', '.join(one.methods)})" for one in report.unwaived_copies])
    kept = [copy for copy in report.copies if copy.waived_by is not None]
    say(f"{counted(len(kept), 'duplicate')} kept on purpose")
    _print_some([f"{one.first} = {one.second}: {one.waived_by}" for one in kept])


def _print_some(lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  and {len(lines) - SHOWN:,} more")
