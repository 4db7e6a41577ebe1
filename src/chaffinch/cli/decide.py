"""`chaffinch tag`, `chaffinch tags` and `chaffinch audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from chaffinch.cli.output import WorkspaceOption, hint, say
from chaffinch.errors import UsageError
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.curate.tagging import TagPlan
    from chaffinch.storage.decisions import AppendResult
    from chaffinch.taxonomy import Action

BROKEN_CHAIN = 3
"""Exit status of an audit that found something."""

SHOWN = 5
"""Samples and names listed as examples."""

ReviewerOption = Annotated[str | None, typer.Option("--reviewer", help="Who decides.")]


def tag(
    *,
    workspace: WorkspaceOption,
    where: Annotated[
        str | None, typer.Option(help="SQL expression over the columns of samples and issues.")
    ] = None,
    ids: Annotated[str | None, typer.Option(help="Image ids or keys, comma between.")] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="File with one image id or key a line, or a CSV.")
    ] = None,
    tag_added: Annotated[list[str] | None, typer.Option("--tag", help="Tag to give; repeatable.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Tag to take away; repeatable.")] = None,
    action: Annotated[str, typer.Option(help="keep, remove, relabel or none.")] = "none",
    new_label: Annotated[
        str | None, typer.Option(help="Label for relabel; default: each sample's surest suggestion.")
    ] = None,
    reviewer: ReviewerOption = None,
    note: Annotated[str, typer.Option(help="Why, in your words.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and show; write nothing.")] = False,
    undo: Annotated[str | None, typer.Option(help="Batch to take back; of others as an adjudicator.")] = None,
) -> None:
    """Decide about many samples at once; one batch, which can be undone.

    Columns for --where: those of the tables samples and issues, and user_tags, user_action. A sample with
    several findings is met once for each of them.

    Examples:

        chaffinch tag -w ws --where "issue_type = 'mislabel' and confidence > 0.9" --tag mislabel_confirmed
        --action relabel --reviewer Saeed --dry-run

        chaffinch tag -w ws --ids 123,456 --tag outlier_valid --action keep --reviewer Saeed

        chaffinch tag -w ws --undo 3f2a9c1b7d5e8f60 --reviewer Saeed
    """
    from chaffinch.curate.current import until_current
    from chaffinch.curate.events import Saying
    from chaffinch.curate.tagging import plan_tagging, undo_batch, write_tagging
    from chaffinch.pipeline.resolve_choices import remembered

    if undo is not None:
        _refuse_more(undo, where, ids, from_file, tag_added, untag, action != "none", new_label, dry_run)
        adjudicators = remembered(workspace).adjudicators
        done = undo_batch(workspace, undo, reviewer=_named(reviewer), note=note, adjudicators=adjudicators)
        say(f"batch {undo} is taken back: {counted(len(done.events), 'sample')}")
        hint(_how_to_undo(workspace, done, _named(reviewer)))
        return
    saying = Saying(
        tags_added=tuple(tag_added or ()),
        tags_removed=tuple(untag or ()),
        action=cast("Action", action),
        new_label=new_label,
        note=note,
    )
    names = _names(where, ids, from_file)

    def planned() -> tuple[TagPlan, AppendResult | None]:
        plan = plan_tagging(workspace, saying, reviewer=_named(reviewer), where=where, names=names)
        return plan, None if dry_run else write_tagging(workspace, plan)

    plan, saved = until_current(planned)
    _print_plan(plan)
    if not plan.events:
        raise _nothing_selected(plan, where)
    if saved is None:
        hint("nothing was written (--dry-run)")
        return
    say(f"saved {counted(saved.saved, 'decision')} of {_named(reviewer)} as batch {plan.events[0].batch_id}")
    hint(_how_to_undo(workspace, plan, _named(reviewer)))


def _named(reviewer: str | None) -> str:
    from chaffinch.curate.events import check_reviewer

    return check_reviewer(reviewer or "")


def _refuse_more(undo: str, *others: object) -> None:
    if any(others):
        raise UsageError("--undo stands alone", hint=f"chaffinch tag -w WS --undo {undo} --reviewer NAME")


def _names(where: str | None, ids: str | None, from_file: Path | None) -> list[str] | None:
    from chaffinch.curate.tagging import read_names

    if sum(given is not None for given in (where, ids, from_file)) != 1:
        raise UsageError(
            "tag takes one of --where, --ids and --from",
            hint="--where \"issue_type = 'blur' and confidence > 0.8\"",
        )
    if from_file is not None:
        return read_names(from_file)
    return None if ids is None else [name.strip() for name in ids.split(",") if name.strip()]


def _print_plan(plan: TagPlan) -> None:
    before = ", ".join(f"{count:,} {action}" for action, count in plan.actions_before)
    say(f"{counted(len(plan.selected), 'sample')}" + (f" (action so far: {before})" if before else ""))
    for sample, event in list(zip(plan.selected, plan.events, strict=True))[:SHOWN]:
        label = f"  {sample.given_label} -> {event.new_label or '?'}" if event.action == "relabel" else ""
        say(f"  {sample.key}{label}")
    if len(plan.selected) > SHOWN:
        say(f"  and {len(plan.selected) - SHOWN:,} more")
    if plan.n_without_label:
        hint(
            f"warning: {plan.n_without_label:,} have no suggested label that is a class; they stay without "
            "one until somebody names it with --new-label"
        )
    if plan.unknown:
        hint(f"warning: {_some(plan.unknown)} not in this workspace, by image_id or key; passed over")
    if plan.ambiguous:
        hint(
            f"warning: {_some(plan.ambiguous)} the image id of several samples; passed over, name their keys"
        )


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN:,} more are" if len(names) > SHOWN else f"{shown} is"


def _nothing_selected(plan: TagPlan, where: str | None) -> UsageError:
    types = ", ".join(plan.issue_types) or "none yet; run 'chaffinch find' or 'chaffinch leaks'"
    text = (
        f"the issue types found here are: {types}"
        if where
        else "--ids and --from take image_id or key of the table samples"
    )
    return UsageError("no sample is selected; nothing was written", hint=text)


def _how_to_undo(workspace: Path, plan: TagPlan, reviewer: str) -> str:
    batch = plan.events[0].batch_id
    name = f"'{reviewer}'" if " " in reviewer else reviewer
    return f"undo it with: chaffinch tag -w {workspace} --undo {batch} --reviewer {name}"


def tags() -> None:
    """List the tags, what they say, and which findings they confirm or reject.

    Example:

        chaffinch tags
    """
    from chaffinch.taxonomy import ISSUE_TYPES, TAGS

    width = max(map(len, TAGS))
    for one in TAGS.values():
        facts = [one.description]
        if one.confirms:
            facts.append(f"confirms {', '.join(one.confirms)}")
        if one.rejects:
            everything = set(one.rejects) == set(ISSUE_TYPES)
            facts.append(f"rejects {'every finding' if everything else ', '.join(one.rejects)}")
        if one.action:
            facts.append(f"asks to {one.action}")
        say(f"{one.name:<{width}}  {'; '.join(facts)}")


def audit(
    *,
    workspace: WorkspaceOption,
    head: Annotated[
        str | None, typer.Option(help="Head noted down earlier; it must still be part of the chain.")
    ] = None,
) -> None:
    """Check that no decision was changed, deleted, inserted or moved since it was written.

    The exit status is 3 if one was. Note down the head that is printed: with --head a later audit also
    proves that nothing up to it was rewritten as a whole.

    Example:

        chaffinch audit -w ws
    """
    from chaffinch.storage.decisions import open_log

    report = open_log(workspace).audit(expected_head=head)
    if report.is_intact:
        say(f"{counted(report.n_decisions, 'decision')}, chain intact")
        say(f"head {report.head.hash}")
        return
    say(f"the chain is broken at decision {report.broken_seq}: it {report.what}")
    say(f"as it was written before: {counted(report.n_decisions, 'decision')}")
    raise typer.Exit(BROKEN_CHAIN)
