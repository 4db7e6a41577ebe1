"""Resolves a workspace: what happens to each sample, from its findings, pairs and decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.curate.answers import Case, Finding, ResolveSettings
from chaffinch.curate.attach import Attached, attach
from chaffinch.curate.labels import Labels
from chaffinch.curate.policy import LeakSide
from chaffinch.curate.policy_apply import Point, leak_points
from chaffinch.curate.resolve import Settled, looseness, settle
from chaffinch.curate.state import SubjectState, fold, standing
from chaffinch.detect.groups import rank_of
from chaffinch.pipeline.copies import NOT_RULED, CopyRules, copies_to_remove, group_pairs
from chaffinch.pipeline.copy_claims import CopyClaims, copy_claims, kept_copies
from chaffinch.pipeline.resolve_choices import remembered
from chaffinch.records import Decision, LoggedDecision
from chaffinch.storage.decisions import open_log
from chaffinch.storage.findings import SCOPE_DUPLICATES, read_pairs, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import DUPLICATE
from chaffinch.storage.pairs import PairSet
from chaffinch.storage.samples import VANISHED

SAMPLE_COLUMNS = [
    "sample_id",
    "key",
    "image_id",
    "split",
    "split_row",
    "image_path",
    "rel_path",
    "member",
    "given_label",
    "outcome",
    "error",
    "width",
    "height",
    "bytes_digest",
    "pixels_digest",
]
_ISSUE_COLUMNS = [
    "key",
    "object_id",
    "finding_id",
    "issue_type",
    "confidence",
    "suggested_label",
    "group_id",
    "is_original",
    "reason",
    "source",
    "method",
]
_FEWEST_ISSUES_BUT = (DUPLICATE,)
"""Issue types that do not count against an image among its copies: all of them have it."""


@dataclass(slots=True)
class Resolution:
    """What happens to every sample of a workspace."""

    dataset: str
    """Name of the dataset."""
    source: Mapping[str, Any]
    """How the dataset was opened."""
    settings: ResolveSettings
    """How it was resolved."""
    samples: pa.Table
    """The samples that are there, `SAMPLE_COLUMNS`, by `sample_id`; vanished ones are left out."""
    settled: dict[str, Settled]
    """By key; samples that are not there were said nothing about."""
    states: dict[str, SubjectState]
    """What the log says, by key."""
    issues: dict[str, list[dict[str, Any]]]
    """Issues of whole images by key, surest first."""
    last_copies: list[str] = field(default_factory=list)
    """Keys of samples that should go as copies, and stay since no copy of them does; sorted."""
    claims: CopyClaims = field(default_factory=CopyClaims)
    """What is promised about duplicates."""
    reattached: dict[str, str] = field(default_factory=dict)
    """Keys that are gone, and the key whose sample took over their decisions."""
    unattached: list[str] = field(default_factory=list)
    """Keys that decisions name and no sample has; sorted."""

    def action(self, key: str) -> str:
        """Return what happens to a sample."""
        return self.settled[key].action if key in self.settled else "none"


def resolve(root: Path, *, settings: ResolveSettings | None = None) -> Resolution:
    """Resolve a workspace; reads only.

    Args:
        root: The workspace.
        settings: How; None takes what the workspace remembers.

    Raises:
        WorkspaceError: If no scan has ended yet.

    Cost: memory of all decisions and issues, and about 1 KB a sample.
    """
    settings, folder = settings or remembered(root), WorkspaceFolder(root)
    generation = folder.published()
    samples = _samples(folder, generation)
    attached = _attached(samples, list(open_log(root).read()))
    by_key: dict[str, list[LoggedDecision]] = defaultdict(list)
    for entry in attached.log:
        by_key[entry.decision.key].append(entry)
    issues = _issues(folder, generation)
    findings = _findings(folder, generation, issues)
    resolution = Resolution(
        dataset=generation.dataset,
        source=generation.source,
        settings=settings,
        samples=samples,
        settled={},
        states=fold(attached.log),
        issues=issues,
        reattached=attached.moved,
        unattached=attached.lost,
    )
    for key, label in zip(
        samples.column("key").to_pylist(), samples.column("given_label").to_pylist(), strict=True
    ):
        if key in findings or key in by_key:
            case = Case(key, label, tuple(findings.get(key, ())), _held(by_key.get(key, ())))
            resolution.settled[key] = settle(case, settings)
    pair_sets = _pair_sets(folder, generation)
    _settle_copies(resolution, findings, by_key, pair_sets=pair_sets, n=generation.n_samples)
    return resolution


def _samples(folder: WorkspaceFolder, generation: Generation) -> pa.Table:
    table = folder.read(generation, "samples", columns=SAMPLE_COLUMNS)
    gone = [
        outcome == "missing" and error == VANISHED
        for outcome, error in zip(
            table.column("outcome").to_pylist(), table.column("error").to_pylist(), strict=True
        )
    ]
    return table.filter(pa.array([not g for g in gone], pa.bool_()))


def _held(entries: Sequence[LoggedDecision]) -> tuple[Decision, ...]:
    return tuple(standing(entries)) if entries else ()


def _attached(samples: pa.Table, log: list[LoggedDecision]) -> Attached:
    digests = (
        pixels or encoded
        for pixels, encoded in zip(
            samples.column("pixels_digest").to_pylist(),
            samples.column("bytes_digest").to_pylist(),
            strict=True,
        )
    )
    return attach(log, dict(zip(samples.column("key").to_pylist(), digests, strict=True)))


def _issues(folder: WorkspaceFolder, generation: Generation) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    batches = (
        batch
        for table in sorted(t for t in generation.tables if t.startswith("issues/"))
        for batch in folder.batches(generation, table, columns=_ISSUE_COLUMNS)
    )
    for row in chain.from_iterable(batch.to_pylist() for batch in batches):
        if row["object_id"] is None:
            found[row["key"]].append(row)
    for rows in found.values():
        rows.sort(key=lambda r: (-(r["confidence"] or 0.0), r["issue_type"], r["source"], r["finding_id"]))
    return dict(found)


def _findings(
    folder: WorkspaceFolder, generation: Generation, issues: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[Finding]]:
    labels = Labels.of(folder, generation)
    one_side: tuple[LeakSide, ...] = ("test", "train")
    sides = {side: leak_points(folder, generation, side) for side in one_side}
    found: dict[str, list[Finding]] = {}
    for key, rows in issues.items():
        # The surest row of a finding comes first, and stands for it.
        unique = {row["finding_id"]: row for row in reversed(rows)}
        found[key] = [_finding(row, labels, (key, row["finding_id"]), sides=sides) for row in unique.values()]
    return found


def _finding(
    row: Mapping[str, Any], labels: Labels, point: Point, *, sides: Mapping[LeakSide, set[Point]]
) -> Finding:
    suggested = row["suggested_label"]
    return Finding(
        finding_id=row["finding_id"],
        issue_type=row["issue_type"],
        confidence=row["confidence"] or 0.0,
        suggested_label=None if suggested is None else labels.spelled(suggested),
        method=row["method"] or "",
        group=None if row["group_id"] is None else f"{row['source']}\t{row['group_id']}",
        is_original=row["is_original"],
        leak_sides=frozenset(side for side, points in sides.items() if point in points),
    )


def _pair_sets(folder: WorkspaceFolder, generation: Generation) -> list[PairSet]:
    return [
        read_pairs(folder, generation, scope=scope, method=method)
        for scope, method in scopes(generation)
        if scope == SCOPE_DUPLICATES
    ]


# -------------------------------------------------------------------------------------------------- copies


def _settle_copies(
    resolution: Resolution,
    findings: Mapping[str, list[Finding]],
    log: Mapping[str, Sequence[LoggedDecision]],
    *,
    pair_sets: list[PairSet],
    n: int,
) -> None:
    """Settle the duplicates among the survivors, and note what is promised about them, in place."""
    keys = resolution.samples.column("key").to_pylist()
    numbers = dict(zip(keys, resolution.samples.column("sample_id").to_pylist(), strict=True))
    decisions = {key: _held(log.get(key, ())) for key in findings}
    resolution.claims = copy_claims(findings, decisions, [pairs.method for pairs in pair_sets])
    if any(settled.copy_method for settled in resolution.settled.values()):
        _take_out_copies(resolution, findings, pair_sets, numbers=numbers, n=n)
    kept = kept_copies(
        resolution.claims,
        resolution.settled,
        pair_sets,
        numbers=numbers,
        n=n,
        reviewers={key: state.reviewer for key, state in resolution.states.items()},
    )
    resolution.claims = replace(resolution.claims, kept=kept)


def _take_out_copies(
    resolution: Resolution,
    findings: Mapping[str, list[Finding]],
    pair_sets: list[PairSet],
    *,
    numbers: Mapping[str, int],
    n: int,
) -> None:
    """Take out the copies that should go, in place."""
    foreign = list(_foreign_groups(findings, numbers))
    every = [*pair_sets, *([group_pairs(foreign)] if foreign else [])]
    out = copies_to_remove(every, _rules(resolution, findings, numbers, n=n))
    for key, number in numbers.items():
        if out.is_removed[number]:
            settled = resolution.settled.get(key, Settled(key))
            resolution.settled[key] = replace(
                settled, action="remove", new_label=None, reasons=(DUPLICATE,), lacks_label=False
            )
        elif out.is_last[number]:
            resolution.last_copies.append(key)
    resolution.last_copies.sort()


def _foreign_groups(findings: Mapping[str, list[Finding]], numbers: Mapping[str, int]) -> Iterator[list[int]]:
    """Yield the duplicate groups of other tools, of which no pairs are stored."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, finding in _grouped(findings, numbers):
        if finding.is_original is None and finding.group is not None:
            groups[finding.group].append(number)
    yield from (members for _, members in sorted(groups.items()) if len(set(members)) > 1)


def _rules(
    resolution: Resolution, findings: Mapping[str, list[Finding]], numbers: Mapping[str, int], *, n: int
) -> CopyRules:
    rules = CopyRules(
        is_alive=np.zeros(n, dtype=bool),
        looseness=np.full(n, NOT_RULED, dtype=np.int64),
        original_looseness=np.full(n, NOT_RULED, dtype=np.int64),
        is_kept=np.zeros(n, dtype=bool),
        is_waived=np.zeros(n, dtype=bool),
        is_by_person=np.zeros(n, dtype=bool),
        rank=np.arange(n),
    )
    rules.is_alive[list(numbers.values())] = True
    for key, settled in resolution.settled.items():
        place = numbers[key]
        rules.is_alive[place] = settled.action != "remove"
        rules.is_kept[place] = settled.is_kept
        rules.is_waived[place] = settled.waiver is not None
        rules.is_by_person[place] = settled.is_copy_by_person
        if settled.copy_method is not None:
            # Where policies remove every copy of a method, one goes beside any copy by that method that
            # stays, also where the one that it was found by is gone.
            level = NOT_RULED if settled.is_copy_by_person else resolution.claims.looseness
            rules.looseness[place] = max(looseness(settled.copy_method), level)
    _put_originals(rules, findings, numbers)
    return replace(rules, rank=_rank(resolution.samples, findings, rules))


def _put_originals(
    rules: CopyRules, findings: Mapping[str, list[Finding]], numbers: Mapping[str, int]
) -> None:
    """Let the original of each group with a copy that should go stand for election too, in place."""
    asked: dict[str | None, int] = defaultdict(lambda: NOT_RULED)
    for number, finding in _grouped(findings, numbers):
        asked[finding.group] = max(asked[finding.group], int(rules.looseness[number]))
    for number, finding in _grouped(findings, numbers):
        if finding.is_original:
            rules.original_looseness[number] = max(rules.original_looseness[number], asked[finding.group])


def _grouped(
    findings: Mapping[str, list[Finding]], numbers: Mapping[str, int]
) -> Iterator[tuple[int, Finding]]:
    """Yield the findings that belong to a group, with the sample id of each."""
    for key, own in findings.items():
        yield from ((numbers[key], f) for f in own if f.group is not None and key in numbers)


def _rank(samples: pa.Table, findings: Mapping[str, list[Finding]], rules: CopyRules) -> np.ndarray:
    """Rank all samples for being kept; see the module `copies`."""
    n = len(rules.is_alive)
    at = samples.column("sample_id").to_numpy()
    keys = samples.column("key").to_pylist()
    n_issues, pixels, by_key = (np.zeros(n, dtype=np.int64) for _ in range(3))
    n_issues[at] = [sum(f.issue_type not in _FEWEST_ISSUES_BUT for f in findings.get(k, ())) for k in keys]
    sides = [samples.column(name).fill_null(0).to_numpy().astype(np.int64) for name in ("width", "height")]
    pixels[at] = sides[0] * sides[1]
    by_key[at[np.argsort(np.array(keys, dtype=object), kind="stable")]] = np.arange(len(keys))
    is_last = rules.is_by_person & (rules.looseness >= 0)
    return rank_of(is_last, ~rules.is_kept, n_issues, -pixels, by_key)
