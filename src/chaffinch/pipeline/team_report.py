"""How the reviewers of a workspace agree, and taking what most of them say where they do not."""

from __future__ import annotations

from pathlib import Path

from chaffinch.curate.current import current_states
from chaffinch.curate.events import Act, Saying
from chaffinch.curate.gold import remembered_gold
from chaffinch.curate.team import TeamReport, report_of
from chaffinch.curate.where import FindingsQuery
from chaffinch.errors import UsageError
from chaffinch.pipeline.resolve_choices import remembered
from chaffinch.storage.decisions import open_log
from chaffinch.storage.folder import WorkspaceFolder


def team_report(root: Path) -> TeamReport:
    """Return how the reviewers of a workspace agree, by its gold items and adjudicators.

    Raises:
        WorkspaceError: If this is no workspace, or its log cannot be read.

    Cost: memory of the log's states; some 20 us a verdict.
    """
    adjudicators = remembered(root).adjudicators
    return report_of(current_states(root), gold=remembered_gold(root), adjudicators=adjudicators)


def accept_proposals(root: Path, *, reviewer: str) -> int:
    """Settle every dispute in which a weighted majority stands out, as one batch of an adjudicator.

    Returns:
        How many were settled.

    Raises:
        UsageError: If the reviewer is no adjudicator of the workspace.
    """
    adjudicators = remembered(root).adjudicators
    if reviewer not in adjudicators:
        known = ", ".join(sorted(adjudicators)) or "nobody"
        hint = f"chaffinch review -w {root} --adjudicator NAME makes one"
        raise UsageError(f"{reviewer!r} is no adjudicator; {known} is", hint=hint)
    proposed = {d.key: d for d in team_report(root).disputes if d.proposed is not None}
    folder = WorkspaceFolder(root)
    with FindingsQuery(folder, folder.published(), {}) as query:
        samples = query.by_name(list(proposed)).samples
    act = Act(reviewer=reviewer)
    events = [
        act.event(
            number,
            sample.key,
            Saying(action=proposed[sample.key].proposed or "none", new_label=proposed[sample.key].new_label),
            content_digest=sample.content_digest,
            findings=sample.findings,
        )
        for number, sample in enumerate(samples)
    ]
    return open_log(root).append(events).saved
