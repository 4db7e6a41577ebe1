"""`chaffinch agreement` and `chaffinch adjudicate`."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint, say
from chaffinch.errors import UsageError
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaffinch.curate.agreement import Estimate
    from chaffinch.curate.state import Verdict
    from chaffinch.curate.team import TeamReport


def agreement(*, workspace: WorkspaceOption) -> None:
    """Say how far reviewers agree: alpha by action and tag, kappa by two, figures for each of them.

    1 is full agreement, 0 what chance would give; in brackets the 95 % interval, of ten images or more.

    Example:

        chaffinch agreement -w ws
    """
    from chaffinch.pipeline.team_report import team_report

    report = team_report(workspace)
    if len(report.reviewers) < 2:
        say(f"{counted(len(report.reviewers), 'reviewer')} so far; agreement takes two")
        return
    _print_reviewers(report)
    say()
    say("Krippendorff's alpha")
    say(f"  {'action':<24}{_spelled(report.action)}")
    for tag, estimate in report.tags.items():
        say(f"  {tag:<24}{_spelled(estimate)}")
    if report.kappas:
        say()
        say("Cohen's kappa of the actions")
        for (first, second), estimate in report.kappas.items():
            say(f"  {f'{first}, {second}':<24}{_spelled(estimate)}")
    say()
    say(f"{len(report.disputes):,} disputed")
    if report.disputes:
        hint(f"next: chaffinch adjudicate -w {workspace}")


def _print_reviewers(report: TeamReport) -> None:
    from chaffinch.taxonomy import ACTIONS

    counted = [action for action in ACTIONS if action != "none"]
    say(f"{'reviewer':<20}{'judged':>9}{'shared':>9}{'agrees':>9}{'weight':>9}{_columns(counted)}  gold")
    for figures in report.reviewers:
        agrees = "-" if math.isnan(figures.agreement) else f"{figures.agreement:.2f}"
        weight = "-" if math.isnan(figures.weight) else f"{figures.weight:.2f}"
        counts = _columns([f"{figures.n_by_action[action]:,}" for action in counted])
        head = f"{figures.reviewer:<20}{figures.n_subjects:>9,}{figures.n_shared:>9,}"
        say(f"{head}{agrees:>9}{weight:>9}{counts}  {_on_gold(figures.gold)}".rstrip())


def _columns(texts: Sequence[str]) -> str:
    return "".join(f"{text:>9}" for text in texts)


def _on_gold(gold: Estimate) -> str:
    if not gold.n_items:
        return "-"
    return f"{gold.value:.2f}  [{gold.low:.2f}, {gold.high:.2f}]  of {gold.n_items:,}"


def _spelled(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return f"-      {estimate.n_items:,} shared"
    value = f"{estimate.value:5.2f}"
    if math.isnan(estimate.low):
        return f"{value}  [too few]  {estimate.n_items:,} shared"
    return f"{value}  [{estimate.low:.2f}, {estimate.high:.2f}]  {estimate.n_items:,} shared"


def adjudicate(
    *,
    workspace: WorkspaceOption,
    output_format: Annotated[str, typer.Option("--format", help="table or csv.")] = "table",
    limit: Annotated[int, typer.Option(min=0, help="Rows of the table; 0 for all.")] = 20,
    is_accepted: Annotated[
        bool, typer.Option("--accept", help="Settle what a weighted majority agrees about; needs --reviewer.")
    ] = False,
    reviewer: Annotated[str, typer.Option(help="The adjudicator who accepts.")] = "",
) -> None:
    """List what reviewers disagree about, with what each of them says.

    An adjudicator settles it by a decision of their own; resolve takes it for the last word. The majority is
    weighted: a reviewer's voice counts by how often they are right, and one far below the rest has none.

    Examples:

        chaffinch adjudicate -w ws --format csv > disputes.csv

        chaffinch tag -w ws --ids train/cat/1.jpg --action keep --reviewer Guy

        chaffinch resolve -w ws --to cleaning --adjudicator Guy

        chaffinch adjudicate -w ws --accept --reviewer Guy
    """
    from chaffinch.pipeline.team_report import accept_proposals, team_report

    if output_format not in ("table", "csv"):
        raise UsageError(f"there is no format {output_format!r}", hint="--format table or csv")
    if is_accepted:
        say(f"{accept_proposals(workspace, reviewer=reviewer):,} settled")
    report = team_report(workspace)
    if output_format == "csv":
        _print_csv(report)
        return
    disputes = report.disputes
    shown = disputes[:limit] if limit else disputes
    for dispute in shown:
        say(dispute.key)
        for verdict in dispute.verdicts:
            say(f"    {verdict.reviewer:<20}{_said(verdict)}")
        if dispute.proposed is not None:
            label = f" to {dispute.new_label}" if dispute.new_label is not None else ""
            say(f"    {'(majority)':<20}{dispute.proposed}{label}")
    if len(disputes) > len(shown):
        hint(f"{len(disputes) - len(shown):,} more: --limit 0, or --format csv")
    if not disputes:
        hint("nothing is disputed")
        return
    hint(f"next: chaffinch review -w {workspace} --adjudicator NAME, view team;")
    hint(f"      or chaffinch adjudicate -w {workspace} --accept --reviewer NAME for what most of them say")


def _said(verdict: Verdict) -> str:
    label = f" to {verdict.new_label}" if verdict.new_label is not None else ""
    tags = f"  ({', '.join(verdict.tags)})" if verdict.tags else ""
    note = f"  {verdict.note}" if verdict.note else ""
    return f"{verdict.action}{label}{tags}{note}"


def _print_csv(report: TeamReport) -> None:
    import csv

    from chaffinch.report.team_tables import DISPUTE_COLUMNS, dispute_rows

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(DISPUTE_COLUMNS)
    writer.writerows(dispute_rows(report))
