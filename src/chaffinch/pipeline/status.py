"""What is done in a workspace, and what to do next."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

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
from chaffinch.report.workspace_status import Fact, WorkspaceStatus
from chaffinch.settings import FindSettings
from chaffinch.storage.decisions import open_log
from chaffinch.storage.findings import leak_scope, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.shards import pending_plans
from chaffinch.storage.vectors import embedder_names


def read_status(root: Path) -> WorkspaceStatus:
    """Look at a workspace; changes nothing.

    Raises:
        WorkspaceError: If this is no workspace.
    """
    folder = WorkspaceFolder(root)
    generation = folder.current()
    if generation.number == 0:
        begun = Fact("scan", f"begun, {len(pending_plans(folder)):,} shards planned, none published")
        return WorkspaceStatus((begun,), next_command=f"chaffinch scan SOURCE -w {root}")
    found = [scope for scope, _ in scopes(generation)]
    steps = {step: step_state(generation, step, FindSettings()) for step in STEPS}
    pairs = split_pairs(generation.info.get("splits", []))
    policies = [f"{p.name} (version {p.version})" for p in applied_policies(root)]
    release = _release(root)
    head = open_log(root).head()
    samples, issues = _samples(folder, generation), _issues(folder, generation)
    is_done = {pair: leak_scope(*pair) in found for pair in pairs}
    facts = (
        Fact("dataset", generation.dataset),
        Fact("scan", f"{generation.n_samples:,} images ({_counts(_by_outcome(samples))})"),
        Fact("vectors", ", ".join(embedder_names(generation)) or "none"),
        *(Fact("find", f"{step}: {state.value}") for step, state in steps.items()),
        *(Fact("leaks", f"{a} to {b}: {'done' if is_done[a, b] else 'not done'}") for a, b in pairs),
        Fact("issues", _counts(issues) or "none"),
        Fact("decisions", f"{head.seq:,}, head {head.hash[:16]}"),
        Fact("policies", ", ".join(policies) or "none applied"),
        Fact("review", _sharing(remembered_sharing(root))),
        Fact("resolve", _choices(remembered(root))),
        Fact("release", str(release or "none")),
    )
    open_pair = next((pair for pair in pairs if not is_done[pair]), None)
    if StepState.OPEN in steps.values():
        command = f"chaffinch find -w {root}"
    elif open_pair is not None:
        command = f"chaffinch leaks -w {root} --between {' '.join(open_pair)}"
    elif not policies:
        command = f"chaffinch policy apply -w {root} --dry-run"
    elif release is None:
        command = f"chaffinch apply -w {root} --to cleaned"
    else:
        command = f"chaffinch verify -w {root}"
    return WorkspaceStatus(facts, next_command=command, samples=samples, issues=issues)


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


def _samples(folder: WorkspaceFolder, generation: Generation) -> Counter[tuple[str, str]]:
    """Return how many samples there are by split and outcome."""
    counts: Counter[tuple[str, str]] = Counter()
    names = ["split", "outcome"]
    for batch in folder.batches(generation, "samples", columns=names, rows=1 << 16):
        grouped = pa.Table.from_batches([batch]).group_by(names).aggregate([([], "count_all")])
        counts.update({(row["split"], row["outcome"]): row["count_all"] for row in grouped.to_pylist()})
    return counts


def _by_outcome(samples: Counter[tuple[str, str]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (_, outcome), count in samples.items():
        counts[outcome] += count
    return counts


def _issues(folder: WorkspaceFolder, generation: Generation) -> Counter[str]:
    """Return how many issues there are by type."""
    counts: Counter[str] = Counter()
    for table in generation.tables:
        for batch in folder.batches(generation, table, columns=["issue_type"]) if "issues/" in table else ():
            counts.update(
                {row["values"]: row["counts"] for row in batch.column(0).value_counts().to_pylist()}
            )
    return counts


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
