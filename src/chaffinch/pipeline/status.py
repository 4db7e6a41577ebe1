"""What is done in a workspace, and what to do next.

The next command is one that moves on: done as told, `read_status` names another one. Policies and releases
rest on what was found before them; they are out of date where a table of findings is younger.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from chaffinch.apply.artifacts import ReleaseRecord, read_record
from chaffinch.curate.policy import Policy
from chaffinch.curate.policy_apply import applied_policies
from chaffinch.curate.sharing import Sharing
from chaffinch.errors import WorkspaceError
from chaffinch.identity import path_from_text
from chaffinch.pipeline.find import STEPS
from chaffinch.pipeline.release import LAST_RELEASE, last_release
from chaffinch.pipeline.release_plan import ReleaseSettings
from chaffinch.pipeline.resolve_choices import CHOICES, remembered
from chaffinch.pipeline.review_choices import remembered_sharing
from chaffinch.pipeline.steps import StepState, step_state
from chaffinch.pipeline.whole_run import split_pairs
from chaffinch.report.visible_text import counted
from chaffinch.report.workspace_status import Fact, WorkspaceStatus
from chaffinch.settings import FindSettings
from chaffinch.storage.decisions import Head, open_log
from chaffinch.storage.findings import leak_scope, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.shards import pending_plans, shard_path
from chaffinch.storage.vectors import embedder_names


@dataclass(frozen=True, slots=True)
class _Release:
    """The release that was applied last."""

    path: Path
    record: ReleaseRecord | None
    """What it says of itself; None where it is not there any more."""
    outdated: str
    """Why it is not what `apply` would write now; '' where nothing tells that."""


@dataclass(frozen=True, slots=True)
class _State:
    """How far a workspace is."""

    root: Path
    generation: Generation
    pending: str
    """How far a scan is that has not ended; '' where none has begun."""
    steps: Mapping[str, StepState]
    """Of `find`."""
    pairs: Mapping[tuple[str, str], bool]
    """Splits to search leaks between, and whether that is done."""
    policies: tuple[Policy, ...]
    """Those that were applied."""
    outdated: tuple[str, ...]
    """Names of those that have not seen all that was found."""
    head: Head
    """Of the decisions."""
    release: _Release | None


def read_status(root: Path) -> WorkspaceStatus:
    """Look at a workspace; changes nothing.

    Raises:
        WorkspaceError: If this is no workspace.
    """
    folder = WorkspaceFolder(root)
    generation = folder.current()
    if generation.number == 0:
        begun = Fact("scan", f"begun: {_pending(folder) or 'nothing planned yet'}, none published")
        return WorkspaceStatus((begun,), next_command=f"chaffinch scan SOURCE -w {_quoted(root)}")
    state = _read_state(folder, generation)
    samples, issues = _samples(folder, generation), _issues(folder, generation)
    facts = tuple(_facts(state, samples, issues))
    return WorkspaceStatus(facts, next_command=_next_command(state), samples=samples, issues=issues)


def open_searches(root: Path) -> list[str]:
    """Return the commands that look for what nobody has looked for yet; none where all is searched.

    Raises:
        WorkspaceError: If no scan has ended yet.
    """
    folder = WorkspaceFolder(root)
    return list(_open_searches(_read_state(folder, folder.published())))


def spelled_source(source: Mapping[str, Any]) -> str:
    """Return how a command line names the source of a generation; SOURCE where it is not known."""
    words = [_quoted(place) for place in source.get("locations", ())]
    splits = source.get("splits") or {}
    if splits:
        words = [f"--split {_quoted(f'{name}={place}')}" for name, place in splits.items()]
    if words and source.get("images"):
        words.append(f"--images {_quoted(source['images'])}")
    return " ".join(words) or "SOURCE"


def _quoted(place: str | Path) -> str:
    return shlex.quote(path_from_text(place) if isinstance(place, str) else str(place))


# ----------------------------------------------------------------------------------------------- looking


def _read_state(folder: WorkspaceFolder, generation: Generation) -> _State:
    root = folder.root
    found = [scope for scope, _ in scopes(generation)]
    found_ns = _found_ns(folder, generation)
    policies, head = tuple(applied_policies(root)), open_log(root).head()
    return _State(
        root,
        generation,
        pending=_pending(folder),
        steps={step: step_state(generation, step, FindSettings()) for step in STEPS},
        pairs={pair: leak_scope(*pair) in found for pair in split_pairs(generation.info.get("splits", []))},
        policies=policies,
        outdated=tuple(p.name for p in policies if _written_ns(_policy_file(root, p.name)) < found_ns),
        head=head,
        release=_release(root, head, found_ns),
    )


def _pending(folder: WorkspaceFolder) -> str:
    plans = pending_plans(folder)
    n_done = sum(shard_path(folder, number).exists() for number in plans)
    return f"{n_done:,} of {counted(len(plans), 'shard')} done" if plans else ""


def _found_ns(folder: WorkspaceFolder, generation: Generation) -> int:
    """Return when the youngest table was written that decisions and releases rest on.

    A copied workspace may have lost that. Too much is out of date then, and done again it is not any more.
    """
    tables = [name for name in generation.tables if name == "samples" or name.startswith("issues/")]
    paths = (path for name in tables for path in folder.files(generation, name))
    return max(map(_written_ns, paths), default=0)


def _written_ns(path: Path) -> int:
    return path.stat().st_mtime_ns


def _chosen_ns(root: Path) -> int:
    """Return when it was last chosen how to resolve; a release written later is otherwise on purpose."""
    return _written_ns(root / CHOICES) if (root / CHOICES).exists() else 0


def _policy_file(root: Path, name: str) -> Path:
    return root / "policies" / f"{name}.yaml"


def _release(root: Path, head: Head, found_ns: int) -> _Release | None:
    try:
        path = last_release(root)
    except WorkspaceError:
        return None
    try:
        record = read_record(path)
    except WorkspaceError:
        return _Release(path, None, "it is not there any more")
    now = remembered(root)
    if record.decisions_head != head.hash:
        outdated = "decisions came after it"
    elif _chosen_ns(root) > _written_ns(root / LAST_RELEASE) and (
        (record.leak_side, frozenset(record.adjudicators)) != (now.leak_side, now.adjudicators)
    ):
        outdated = f"written with {_choices(record.leak_side, record.adjudicators)}"
    else:
        is_older = _written_ns(root / LAST_RELEASE) < found_ns
        outdated = "something was scanned or found after it" if is_older else ""
    return _Release(path, record, outdated)


# ----------------------------------------------------------------------------------------------- telling


def _facts(state: _State, samples: Counter[tuple[str, str]], issues: Counter[str]) -> Iterator[Fact]:
    generation, head = state.generation, state.head
    images = counted(generation.n_samples, "image")
    yield Fact("dataset", generation.dataset)
    yield Fact("scan", f"{images} ({_counts(_by_outcome(samples))})")
    if state.pending:
        yield Fact("scan", f"begun anew: {state.pending}")
    yield Fact("vectors", ", ".join(embedder_names(generation)) or "none")
    yield from (Fact("find", f"{step}: {done.value}") for step, done in state.steps.items())
    yield from (
        Fact("leaks", f"{a} to {b}: {'done' if d else 'not done'}") for (a, b), d in state.pairs.items()
    )
    yield Fact("issues", _counts(issues) or "none")
    yield Fact("decisions", f"{head.seq:,}, head {head.hash[:16]}")
    names = [f"{policy.name} (version {policy.version})" for policy in state.policies]
    yield Fact("policies", ", ".join(names) or "none applied")
    if state.outdated:
        yield Fact("policies", f"out of date: something was found after {', '.join(state.outdated)}")
    yield Fact("review", _sharing(remembered_sharing(state.root)))
    choices = remembered(state.root)
    yield Fact("resolve", _choices(choices.leak_side, choices.adjudicators))
    yield Fact("release", str(state.release.path if state.release else "none"))
    if state.release and state.release.outdated:
        yield Fact("release", f"out of date: {state.release.outdated}")


def _open_searches(state: _State) -> Iterator[str]:
    root = _quoted(state.root)
    if StepState.OPEN in state.steps.values():
        yield f"chaffinch find -w {root}"
    for pair, is_done in state.pairs.items():
        if not is_done:
            yield f"chaffinch leaks -w {root} --between {' '.join(map(_quoted, pair))}"


def _next_command(state: _State) -> str:
    root = _quoted(state.root)
    if state.pending:
        return f"chaffinch scan {spelled_source(state.generation.source)} -w {root}"
    for command in _open_searches(state):
        return command
    if state.outdated:
        return f"chaffinch policy apply {_quoted(_policy_file(state.root, state.outdated[0]))} -w {root}"
    # Who decides by hand needs no policy.
    if not state.policies and not state.head.seq and state.release is None:
        return f"chaffinch policy apply -w {root}"
    if state.release is None:
        return f"chaffinch apply -w {root} --to cleaned"
    if state.release.outdated:
        return f"chaffinch apply -w {root} --to {_quoted(state.release.path)}{_contents(state.release)}"
    return f"chaffinch verify -w {root}"


def _contents(release: _Release) -> str:
    """Return the option that lets a release hold what it held."""
    is_default = release.record is None or release.record.contents == ReleaseSettings().contents
    return "" if is_default or release.record is None else f" --as {','.join(release.record.contents)}"


def _sharing(sharing: Sharing) -> str:
    return f"{sharing.reviewers} reviewers for {sharing.share:.0%} of the images, one for the others"


def _choices(leak_side: str | None, adjudicators: Iterable[str]) -> str:
    side = "as policies say" if leak_side is None else leak_side
    return f"leak side {side}; adjudicator {', '.join(sorted(adjudicators)) or 'nobody'}"


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
