"""What is done in a workspace, and what to do next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from chaffinch.curate.answers import ResolveSettings
from chaffinch.curate.policy_apply import applied_policies
from chaffinch.curate.sharing import Sharing
from chaffinch.errors import WorkspaceError
from chaffinch.pipeline.find import STEPS
from chaffinch.pipeline.release import last_release
from chaffinch.pipeline.resolve_choices import remembered
from chaffinch.pipeline.review_choices import remembered_sharing
from chaffinch.pipeline.steps import StepState, step_state
from chaffinch.pipeline.whole_run import split_pairs
from chaffinch.settings import FindSettings
from chaffinch.storage.decisions import open_log
from chaffinch.storage.findings import leak_scope, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.shards import pending_plans
from chaffinch.storage.vectors import embedder_names


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """The state of a workspace in words."""

    lines: list[str]
    """One per step."""
    next_command: str
    """What would come next."""


def read_status(root: Path) -> WorkspaceStatus:
    """Look at a workspace; changes nothing.

    Raises:
        WorkspaceError: If this is no workspace.
    """
    folder = WorkspaceFolder(root)
    generation = folder.current()
    if generation.number == 0:
        line = f"scan       begun, {len(pending_plans(folder)):,} shards planned, none published"
        return WorkspaceStatus([line], f"chaffinch scan SOURCE -w {root}")
    found = [scope for scope, _ in scopes(generation)]
    steps = {step: step_state(generation, step, FindSettings()) for step in STEPS}
    pairs = split_pairs(generation.info.get("splits", []))
    policies = [f"{p.name} (version {p.version})" for p in applied_policies(root)]
    release = _release(root)
    head = open_log(root).head()
    lines = [
        f"dataset    {generation.dataset}",
        f"scan       {generation.n_samples:,} images ({_outcomes(folder, generation)})",
        f"vectors    {', '.join(embedder_names(generation)) or 'none'}",
        *(f"find       {step}: {state.value}" for step, state in steps.items()),
        *(f"leaks      {a} to {b}: {'done' if leak_scope(a, b) in found else 'not done'}" for a, b in pairs),
        f"issues     {_issues(folder, generation)}",
        f"decisions  {head.seq:,}, head {head.hash[:16]}",
        f"policies   {', '.join(policies) or 'none applied'}",
        f"review     {_sharing(remembered_sharing(root))}",
        f"resolve    {_choices(remembered(root))}",
        f"release    {release or 'none'}",
    ]
    open_pair = next((pair for pair in pairs if leak_scope(*pair) not in found), None)
    if StepState.OPEN in steps.values():
        return WorkspaceStatus(lines, f"chaffinch find -w {root}")
    if open_pair is not None:
        return WorkspaceStatus(lines, f"chaffinch leaks -w {root} --between {' '.join(open_pair)}")
    if not policies:
        return WorkspaceStatus(lines, f"chaffinch policy apply -w {root} --dry-run")
    if release is None:
        return WorkspaceStatus(lines, f"chaffinch apply -w {root} --to cleaned")
    return WorkspaceStatus(lines, f"chaffinch verify -w {root}")


def _sharing(sharing: Sharing) -> str:
    return f"{sharing.reviewers} reviewers for {sharing.share:.0%} of the images, one for the others"


def _choices(settings: ResolveSettings) -> str:
    side = "as policies say" if settings.leak_side is None else settings.leak_side
    return f"leak side {side}; adjudicator {', '.join(sorted(settings.adjudicators)) or 'nobody'}"


def _release(root: Path) -> Path | None:
    try:
        return last_release(root)
    except WorkspaceError:
        return None


def _outcomes(folder: WorkspaceFolder, generation: Generation) -> str:
    counts: Counter[str] = Counter()
    for batch in folder.batches(generation, "samples", columns=["outcome"]):
        counts.update({row["values"]: row["counts"] for row in batch.column(0).value_counts().to_pylist()})
    return ", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common())


def _issues(folder: WorkspaceFolder, generation: Generation) -> str:
    counts: Counter[str] = Counter()
    for table in generation.tables:
        for batch in folder.batches(generation, table, columns=["issue_type"]) if "issues/" in table else ():
            counts.update(
                {row["values"]: row["counts"] for row in batch.column(0).value_counts().to_pylist()}
            )
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"
