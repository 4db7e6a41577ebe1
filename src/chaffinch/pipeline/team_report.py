"""How the reviewers of a workspace agree, and taking what most of them say where they do not."""

from __future__ import annotations

from pathlib import Path

from chaffinch.curate.current import append_answer, current_decisions, current_states, until_current
from chaffinch.curate.events import Act, Saying
from chaffinch.curate.gold import remembered_gold
from chaffinch.curate.state import SubjectState, fold
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
    return _report(root, current_states(root))


def _report(root: Path, states: dict[str, SubjectState]) -> TeamReport:
    return report_of(states, gold=remembered_gold(root), adjudicators=remembered(root).adjudicators)


def accept_proposals(root: Path, *, reviewer: str) -> int:
    """Settle every dispute in which a weighted majority stands out, as one batch of an adjudicator.

    Returns:
        How many were settled.

    Raises:
        UsageError: If the reviewer is no adjudicator of the workspace.
        StaleLogError: If others went on deciding about what is disputed; nothing is saved then.
    """
    adjudicators = remembered(root).adjudicators
    if reviewer not in adjudicators:
        known = ", ".join(sorted(adjudicators)) or "nobody"
        hint = f"chaffinch review -w {root} --adjudicator NAME makes one"
        raise UsageError(f"{reviewer!r} is no adjudicator; {known} is", hint=hint)
    return until_current(lambda: _accepted(root, reviewer))


def _accepted(root: Path, reviewer: str) -> int:
    folder = WorkspaceFolder(root)
    generation = folder.published()
    decided = current_decisions(folder, generation)
    proposed = {d.key: d for d in _report(root, fold(decided.log)).disputes if d.proposed is not None}
    with FindingsQuery(folder, generation, {}) as query:
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
    return append_answer(open_log(root), events, seq=decided.seq).saved
