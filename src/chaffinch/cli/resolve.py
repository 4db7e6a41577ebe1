"""`chaffinch resolve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint, say
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaffinch.pipeline.resolve import Resolution
    from chaffinch.pipeline.resolve_artifacts import Exceeded, ResolveSummary

FOUND_SOMETHING = 3
"""Exit status where a limit is exceeded, or (with --strict) persons disagree."""

LeakSideOption = Annotated[
    str | None,
    typer.Option(
        help="test, train or both: which leaking images go; or policy. Default: as remembered from resolve, "
        "else as the policy says."
    ),
]
AdjudicatorOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Reviewer whose word settles disagreements; repeatable; '' is nobody. Default: as remembered "
        "from resolve."
    ),
]
SHOWN = 5
"""Samples and classes listed as examples."""


def resolve(
    *,
    workspace: WorkspaceOption,
    to: Annotated[Path, typer.Option("--to", help="Folder for the manifest and the lists.")],
    leak_side: LeakSideOption = None,
    adjudicator: AdjudicatorOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if persons disagree.")] = False,
) -> None:
    """Turn decisions into a final manifest, removal lists and relabel maps.

    Persons win over policies, policies over imports. Where persons disagree, the image is kept and listed.
    The same decisions give the same bytes. If more would be removed than a policy allows, nothing is
    written and the exit status is 3. A leak side and adjudicators given here are remembered for apply.

    Example:

        chaffinch resolve -w ws --to cleaning
    """
    from chaffinch.curate.policy_apply import applied_policies
    from chaffinch.pipeline.resolve import resolve as run_resolve
    from chaffinch.pipeline.resolve_artifacts import exceeded_limits, summarise, write_artifacts
    from chaffinch.pipeline.resolve_choices import chosen, remember

    settings = chosen(workspace, leak_side=leak_side, adjudicators=adjudicator)
    resolution = run_resolve(workspace, settings=settings)
    if leak_side is not None or adjudicator:
        remember(workspace, settings)
    summary = summarise(resolution)
    _print_summary(summary)
    _print_open(resolution, summary)
    exceeded = exceeded_limits(summary, applied_policies(workspace))
    if exceeded:
        print_exceeded(exceeded)
        raise typer.Exit(FOUND_SOMETHING)
    paths = write_artifacts(resolution, to)
    for path in paths:
        hint(f"wrote {path}")
    _print_warnings(resolution, summary, workspace)
    hint(f"next: chaffinch apply -w {workspace} --to RELEASE")
    if strict and summary.disagreements:
        raise typer.Exit(FOUND_SOMETHING)


def print_removals(summary: ResolveSummary) -> None:
    """Print how many images go, and why, and how many get another label."""
    say(f"{counted(summary.n_samples, 'image')}")
    say(f"{summary.n_removed:,} removed")
    for reason, count in sorted(summary.removed_by.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {count:>9,}  {reason}")
    say(f"{summary.n_relabelled:,} relabelled")


def warn_of_reopened(summary: ResolveSummary, workspace: Path) -> None:
    """Hint at the images whose decisions are about pictures that they no longer show."""
    if summary.n_reopened:
        hint(
            f"warning: {counted(summary.n_reopened, 'image')} decided about with other content, open again; "
            f"chaffinch resolve -w {workspace} --to DIR lists them"
        )


def _print_summary(summary: ResolveSummary) -> None:
    print_removals(summary)
    for who, count in sorted(summary.relabelled_by.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {count:>9,}  decided by {who}")
    say(f"{counted(summary.n_samples - summary.n_removed, 'image')} left")
    changed = [c for c in summary.classes if c.before != c.after]
    if not changed:
        return
    changed.sort(key=lambda c: (c.after / max(c.before, 1), c.label))
    say(f"classes: {len(changed):,} of {len(summary.classes):,} changed; those that lose most")
    for balance in changed[:SHOWN]:
        say(f"  {balance.before:>9,} -> {balance.after:,}  {balance.label}")


def _print_open(resolution: Resolution, summary: ResolveSummary) -> None:
    disputed = [f"{key}  {said}" for key, said in summary.disagreements]
    _print_some("image", "that persons disagree about; kept", disputed)
    _print_some("leaking image", "kept by a person", [f"{w.key}  {w.who}" for w in summary.waivers])
    _print_some("image", "to relabel without a label to get; kept as it is", summary.without_label)
    copies = resolution.disputed_copies()
    _print_some("copy has|copies have", "other labels; kept until a person decides", copies)
    _print_some("image", "to go as a copy, but no copy of it stays; kept", resolution.last_copies)
    _print_some("was|were", "decided about with other content; open again", resolution.reopened)
    _print_some("was|were", "moved, and the decisions too", _moves(resolution))
    _print_some("is|are", "gone, and the decisions wait", resolution.unattached)


def _moves(resolution: Resolution) -> list[str]:
    return [f"{old} -> {new}" for old, new in sorted(resolution.reattached.items())]


def _print_some(begins: str, what: str, lines: Sequence[str]) -> None:
    """Print some lines below how many there are; `begins` is a noun, or how one begins | how many do."""
    if not lines:
        return
    one, _, many = begins.partition("|")
    say(f"{len(lines):,} {one if len(lines) == 1 else many or f'{one}s'} {what}:")
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  and {len(lines) - SHOWN:,} more; the manifest's column resolution has them")


def print_exceeded(exceeded: Sequence[Exceeded]) -> None:
    """Print the limits that are exceeded, as a table."""
    say("more would be removed than the policy allows:")
    say("    removed    allowed  limit")
    for one in exceeded[: 4 * SHOWN]:
        what = "the dataset" if one.label is None else f"class {one.label}"
        say(f"  {one.removed:>9,}  {one.allowed:>9,}  {one.limit} of {what} ({one.policy})")
    if len(exceeded) > 4 * SHOWN:
        say(f"  and {len(exceeded) - 4 * SHOWN:,} more")
    hint("nothing was written; narrow the rules, or raise max_removed and apply the policy again")


def _print_warnings(resolution: Resolution, summary: ResolveSummary, workspace: Path) -> None:
    from chaffinch.pipeline.resolve_artifacts import has_unique_ids

    if not has_unique_ids(resolution):
        hint("warning: image ids stand for several images, so only the lists of each split were written")
    if summary.n_leaking and not summary.removed_by["leak"] and not summary.waivers:
        hint(
            f"warning: {counted(summary.n_leaking, 'leaking image')}, and nobody decided about it: "
            f"chaffinch policy apply -w {workspace}"
        )
