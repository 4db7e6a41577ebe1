"""Applies a policy: decisions for what its rules select now, and the taking back of what they no longer do.

A rule that names a column of `issues` speaks about findings: each of its decisions carries the finding's id.
Another rule speaks about the sample as a whole. Rules do not see what the same policy decided before, so that
applying a policy twice changes nothing. A decision that no rule makes any more is undone by a newer event;
decisions of people and of other policies are never touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from chaffinch.curate.current import append_answer, current_decisions
from chaffinch.curate.events import Act, Saying
from chaffinch.curate.labels import Labels
from chaffinch.curate.policy import LeakSide, Policy, read_policy
from chaffinch.curate.state import fold, standing
from chaffinch.curate.where import FindingsQuery, SelectedFinding
from chaffinch.errors import UsageError
from chaffinch.identity import split_of_key
from chaffinch.records import PERSON, POLICY_PREFIX, Decision, LoggedDecision
from chaffinch.storage.decisions import AppendResult, open_log
from chaffinch.storage.files import atomic_path
from chaffinch.storage.findings import IMPORT_SCOPE
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import DUPLICATE, LEAK

TRAIN = "train"
"""Split whose images are on the train side where an import says of a leak only that it is one."""

_COPIES = f"issue_type = '{DUPLICATE}' and not is_original and not has_label_conflict"

Point = tuple[str, str | None]
"""Key, and finding or None for the sample as a whole."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What one rule selects."""

    words: str
    """The rule, for people."""
    n_samples: int
    """Samples that it selects, people's decisions about them aside."""


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """What applying a policy would write."""

    policy: Policy
    """The policy."""
    events: tuple[Decision, ...]
    """New decisions, and undos of old ones before them."""
    rules: tuple[RuleCount, ...]
    """What each rule selects, in order."""
    n_samples: int
    """Samples that the policy speaks about."""
    n_added: int
    """Samples that it says something new about."""
    n_taken_back: int
    """Samples about which it said something that it no longer says."""
    seq: int
    """Events of the log that it follows from."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the policy says about one point, and what the event about it needs."""

    saying: Saying
    content_digest: str | None
    findings: str


def plan_policy(root: Path, policy: Policy) -> PolicyPlan:
    """Say what `apply_policy` would write; changes nothing.

    Raises:
        UsageError: If an expression or label of a rule cannot be used; names file and line. Also if a policy
            of this name and version with other rules was applied before.
        WorkspaceError: If no scan has ended yet.
    """
    _check_version(root, policy)
    folder = WorkspaceFolder(root)
    generation = folder.published()
    decided = current_decisions(folder, generation)
    others = [entry for entry in decided.log if not is_of_policy(entry.decision, policy.name)]
    with FindingsQuery(folder, generation, fold(others)) as query:
        selected = list(_selected(folder, generation, policy, query=query))
    wanted = _merged(saying_points for _, saying_points in selected)
    by_key: dict[str, dict[str | None, _Wanted]] = defaultdict(dict)
    for (key, finding), one in wanted.items():
        by_key[key][finding] = one
    held = _held(decided.log, policy.name)
    # Undos are a batch of their own: undoing the new decisions must not bring the old ones back.
    acts = tuple(Act(reviewer=policy.name, origin=policy.origin) for _ in range(2))
    events = tuple(_events((acts[0], acts[1]), by_key, held))
    undone = {e.key for e in events if e.undo_of is not None}
    return PolicyPlan(
        policy,
        events,
        tuple(RuleCount(words, len({key for key, _ in points})) for words, points in selected),
        n_samples=len(by_key),
        n_added=len({e.key for e in events if e.undo_of is None}),
        n_taken_back=len(undone),
        seq=decided.seq,
    )


def apply_policy(root: Path, plan: PolicyPlan, *, source: Path) -> AppendResult:
    """Append the planned events, and keep the policy's text in the workspace for its limits.

    Raises:
        StaleLogError: If a policy or import spoke about one of the samples since; nothing is saved then.
    """
    text = source.read_bytes()
    result = append_answer(open_log(root), plan.events, seq=plan.seq, outvoted_by=PERSON)
    for path in (_kept(root) / f"{plan.policy.name}.yaml", _version(root, plan.policy)):
        with atomic_path(path) as temporary:
            temporary.write_bytes(text)
    return result


def applied_policies(root: Path) -> list[Policy]:
    """Return the policies that were applied to a workspace, the newest version of each, by name."""
    return [read_policy(path) for path in sorted(_kept(root).glob("*.yaml"))]


def _kept(root: Path) -> Path:
    return root / "policies"


def _version(root: Path, policy: Policy) -> Path:
    """Return where the text of one version is kept for good, since decisions name it as their origin."""
    return _kept(root) / "versions" / f"{policy.name}@{policy.version}.yaml"


def _check_version(root: Path, policy: Policy) -> None:
    """Refuse other rules under a name and version that decisions already carry."""
    path = _version(root, policy)
    if path.is_file() and _without_places(read_policy(path)) != _without_places(policy):
        raise UsageError(
            f"policy {policy.name}, version {policy.version}, was applied with other rules before",
            where=policy.rules[0].place if policy.rules else "",
            hint=f"raise its version; what was applied is in {path}",
        )


def _without_places(policy: Policy) -> Policy:
    return replace(policy, rules=tuple(replace(rule, place="") for rule in policy.rules))


def is_of_policy(decision: Decision, name: str) -> bool:
    """Tell whether some version of the policy `name` made a decision."""
    return decision.origin.startswith(f"{POLICY_PREFIX}{name}@")


# ---------------------------------------------------------------------------------------------- selecting


def _selected(
    folder: WorkspaceFolder, generation: Generation, policy: Policy, *, query: FindingsQuery
) -> Iterator[tuple[str, dict[Point, _Wanted]]]:
    """Yield, for each rule in order, its words and what it says about which points."""
    labels = Labels.of(folder, generation)
    for rule in policy.rules:
        saying = rule.saying
        if saying.new_label is not None:
            saying = replace(saying, new_label=labels.checked(saying.new_label, where=rule.place))
        rows = query.select_findings(rule.where, where=rule.place)
        if not query.is_about_findings(rule.where):
            rows = [replace(row, finding_id=None) for row in rows]
        words = f"{rule.where} -> {saying.action}"
        yield words, {(r.key, r.finding_id): _wanted(r, saying, labels) for r in rows}
    if policy.leak_side is not None:
        points = leak_points(folder, generation, policy.leak_side)
        rows = query.select_findings(f"issue_type = '{LEAK}'", where="leaks")
        saying = Saying(tags_added=("train_test_leak",), action="remove")
        found = {(r.key, r.finding_id): _wanted(r, saying, labels) for r in rows}
        yield f"leaks, side {policy.leak_side} -> remove", {p: w for p, w in found.items() if p in points}
    if policy.removes_duplicates:
        rows = query.select_findings(_COPIES, where="duplicates")
        yield "duplicates -> remove", {(r.key, r.finding_id): _wanted(r, _copy(r), labels) for r in rows}


def _wanted(row: SelectedFinding, saying: Saying, labels: Labels) -> _Wanted:
    return _Wanted(labels.with_suggestion(saying, row.suggested_label), row.content_digest, row.findings)


def _copy(row: SelectedFinding) -> Saying:
    tag = "duplicate_exact" if row.method == "exact" else "duplicate_near"
    return Saying(tags_added=(tag,), action="remove")


def leak_points(folder: WorkspaceFolder, generation: Generation, side: LeakSide) -> set[Point]:
    """Return key and finding of the leaking images on a side.

    The second split of a search is the test side. Of another tool's leaks, whatever is not in the split
    `train` is.
    """
    points: set[Point] = set()
    for table in generation.tables:
        train = train_split_of(table)
        if train is None:
            continue
        for batch in folder.batches(generation, table, columns=["key", "finding_id", "issue_type"]):
            points |= _on_side(batch.to_pylist(), train, side)
    return points


def train_split_of(table: str) -> str | None:
    """Return the split that is the train side of a stored table's leaks; None for a table without any."""
    head, _, scope = table.partition("/")
    kind, _, splits = scope.partition("/")
    if head == "issues" and kind == "leaks":
        return splits.partition("/")[0]
    return TRAIN if head == "issues" and scope.startswith(IMPORT_SCOPE) else None


def _on_side(rows: Iterable[Mapping[str, str]], train: str, side: LeakSide) -> set[Point]:
    wanted = {"train": (True,), "test": (False,), "both": (True, False)}[side]
    return {
        (row["key"], row["finding_id"])
        for row in rows
        if row["issue_type"] == LEAK and (split_of_key(row["key"]) == train) in wanted
    }


def _merged(rules: Iterable[Mapping[Point, _Wanted]]) -> dict[Point, _Wanted]:
    """Put together what the rules say about each point: all tags, and the first action."""
    merged: dict[Point, _Wanted] = {}
    for points in rules:
        for point, one in points.items():
            earlier = merged.get(point)
            merged[point] = one if earlier is None else _both(earlier, one)
    return merged


def _both(first: _Wanted, second: _Wanted) -> _Wanted:
    acting = first.saying if first.saying.action != "none" else second.saying
    tags = tuple(dict.fromkeys(first.saying.tags_added + second.saying.tags_added))
    return replace(first, saying=replace(acting, tags_added=tags))


# -------------------------------------------------------------------------------------------- differences


def _held(log: Iterable[LoggedDecision], name: str) -> dict[str, list[Decision]]:
    """Return what holds of the policy's earlier decisions, by key."""
    entries: dict[str, list[LoggedDecision]] = defaultdict(list)
    own: set[str] = set()
    for entry in log:
        entries[entry.decision.key].append(entry)
        if is_of_policy(entry.decision, name):
            own.add(entry.decision.key)
    held = {key: [d for d in standing(entries[key]) if is_of_policy(d, name)] for key in sorted(own)}
    return {key: decisions for key, decisions in held.items() if decisions}


def _events(
    acts: tuple[Act, Act],
    wanted: Mapping[str, Mapping[str | None, _Wanted]],
    held: Mapping[str, list[Decision]],
) -> Iterator[Decision]:
    """Yield what leads from what is held to what is wanted: undos by the first act, then decisions."""
    undoing, deciding = acts
    numbers = count()
    for key in sorted({*wanted, *held}):
        new = dict(wanted.get(key, {}))
        old = {(d.finding_id, _words(d)): d for d in held.get(key, ())}
        said = {(finding, _words(one.saying)) for finding, one in new.items()}
        # An undo takes back all that its batch said of the sample, so the rest is said anew.
        outdated = {d.batch_id for d in old.values()} if old.keys() - said else set()
        if not outdated:
            new = {f: one for f, one in new.items() if (f, _words(one.saying)) not in old}
        for batch in sorted(outdated):
            yield replace(undoing.event(next(numbers), key, Saying(), undo_of=batch), subject="sample")
        for finding in sorted(new, key=lambda f: f or ""):
            yield _event(deciding, next(numbers), (key, finding), one=new[finding])


def _event(act: Act, number: int, point: Point, *, one: _Wanted) -> Decision:
    event = act.event(
        number,
        point[0],
        one.saying,
        content_digest=one.content_digest,
        finding_id=point[1],
        findings=one.findings,
    )
    # A file's name may hold the '#' that marks a box.
    return replace(event, subject="sample")


def _words(said: Saying | Decision) -> tuple[frozenset[str], str, str | None, str]:
    return frozenset(said.tags_added), said.action, said.new_label, said.note
