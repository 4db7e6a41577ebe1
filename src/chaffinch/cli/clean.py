"""`chaffinch clean` and `chaffinch status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.find import print_found
from chaffinch.cli.output import (
    DatasetOption,
    EmbedderOption,
    LogJsonOption,
    WorkersOption,
    WorkspaceOption,
    hint,
    hint_next,
    progress_on_stderr,
    say,
)
from chaffinch.cli.resolve import (
    FOUND_SOMETHING,
    AdjudicatorOption,
    LeakSideOption,
    print_exceeded,
    warn_of_reopened,
)
from chaffinch.cli.scan import parse_splits, print_embed_report
from chaffinch.errors import UsageError
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.pipeline.whole_run import CleanReport
    from chaffinch.report.workspace_status import WorkspaceStatus


def clean(
    source: Annotated[list[str] | None, typer.Argument(help="The dataset, as for scan.")] = None,
    *,
    workspace: WorkspaceOption,
    split: Annotated[list[str] | None, typer.Option(help="NAME=PATH; may be repeated.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Rules, YAML. Default: the one that 'policy show' prints.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the cleaned copy into this new or empty folder.")
    ] = None,
    leak_side: LeakSideOption = None,
    adjudicator: AdjudicatorOption = None,
    dataset: DatasetOption = None,
    embedder: EmbedderOption = None,
    workers: WorkersOption = 0,
    log_json: LogJsonOption = False,
) -> None:
    """Do it all: scan, find, leaks, decide by policy, resolve into manifest and lists.

    The dataset itself is only read. Run again, each step is skipped where nothing changed. If more would be
    removed than the policy allows, nothing is written and the exit status is 3.

    Examples:

        chaffinch clean data/imagenet -w ws

        chaffinch clean data/imagenet -w ws --embedder onnx:model.onnx

        chaffinch clean data/imagenet -w ws --policy policy.yaml --to cleaned
    """
    from chaffinch.pipeline.embedders import chosen_embedder
    from chaffinch.pipeline.resolve_choices import chosen
    from chaffinch.pipeline.scan import SourceSpec
    from chaffinch.pipeline.whole_run import clean as run_clean
    from chaffinch.settings import ScanSettings

    splits = parse_splits(split or [])
    if not source and not splits:
        raise UsageError("clean needs a SOURCE or --split NAME=PATH", hint="chaffinch clean data -w ws")
    spec = SourceSpec(locations=tuple(source or ()), splits=splits, dataset=dataset)
    how = chosen(workspace, leak_side=leak_side, adjudicators=adjudicator)
    with progress_on_stderr(as_json=log_json) as progress:
        report = run_clean(
            workspace,
            spec,
            policy=policy,
            settings=ScanSettings(workers=workers, embedder=chosen_embedder(workspace, embedder)),
            resolve_settings=how if leak_side is not None or adjudicator else None,
            progress=progress,
        )
    print_clean(report, workspace)
    if report.exceeded:
        print_exceeded(report.exceeded)
        raise typer.Exit(FOUND_SOMETHING)
    if to is None:
        warn_of_reopened(report.summary, workspace)
        hint_next(_look(report, workspace), f"chaffinch apply -w {workspace} --to cleaned")
        return
    from chaffinch.cli.apply import apply

    apply(workspace=workspace, to=to)


def _look(report: CleanReport, workspace: Path) -> str:
    return f"open {report.pages[0]}" if report.pages else f"chaffinch issues -w {workspace}"


def print_clean(report: CleanReport, workspace: Path) -> None:
    """Print what a whole run did in a workspace, a line a step."""
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.scan.outcomes.items())
    say(f"{report.scan.dataset}: {counted(report.scan.n_samples, 'image')} ({outcomes})")
    if report.scan.embedded is not None:
        print_embed_report(report.scan.embedded)
    print_found(report.found, workspace)
    for (first, second), leaks in report.leaks.items():
        n_leaking = leaks.summary.test.n_leaking if leaks is not None else 0
        words = "up to date" if leaks is None else f"{counted(n_leaking, 'image')} of {second}"
        say(f"leaks       {first} to {second}: {words}")
    plan = report.policy
    name = f"{plan.policy.name}, version {plan.policy.version}"
    say(f"policy      {name}: {counted(plan.n_samples, 'image')} decided")
    summary = report.summary
    say(f"resolved    {summary.n_removed:,} to remove, {summary.n_relabelled:,} to relabel")
    say(f"            {counted(summary.n_samples - summary.n_removed, 'image')} left")
    if report.files:
        say(f"wrote       {report.files[0]}")
        say(f"            and {counted(len(report.files) - 1, 'list')} beside it")
    for page in report.pages:
        say(f"to look at  {page}")


def status(*, workspace: WorkspaceOption) -> None:
    """Say what is done in a workspace, and the next command.

    Example:

        chaffinch status -w ws
    """
    from chaffinch.pipeline.status import read_status

    found = read_status(workspace)
    for line in found.lines:
        say(line)
    _print_next(found)


def _print_next(found: WorkspaceStatus) -> None:
    hint(f"next: {found.next_command}")
