"""Turns pairs into issue rows: `duplicate`, `leak` and `label_conflict`.

What it finds: `duplicate`: samples of one duplicate group, the kept one (`is_original`) as well as its
copies. `leak`: images of either side with a copy on the other. `label_conflict`: images of equal pixels with
different labels, within a split or across.
Why it matters: copies count twice in training, leaks make scores too good, and of two labels for one picture
at least one is wrong.
False alarms: those of the pair methods (see `pair_sets` and `verified`); a `label_conflict` may be an image
that shows two things. It is never removed automatically.
Source: the confidence of a pair is its similarity times `neighbours.METHOD_CONFIDENCE`, so 1 for equal
pixels; that of a conflict is the share of the equal pictures that say otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.detect.comparison import MIN_CORRELATION
from chaffinch.detect.groups import DuplicateGroups
from chaffinch.detect.neighbours import Neighbour, neighbour_at, strongest_across
from chaffinch.detect.sample_texts import SampleText, read_texts
from chaffinch.identity import finding_id
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT, LEAK, IssueRows
from chaffinch.storage.pairs import PairSet

Texts = Mapping[int, SampleText]


def leak_issues(
    folder: WorkspaceFolder,
    generation: Generation,
    pair_sets: Sequence[PairSet],
    *,
    side: np.ndarray,
    phash_threshold: int | None = None,
) -> IssueRows:
    """Return a row for each sample of either side that has a copy on the other, naming the strongest.

    Args:
        folder: The workspace, from which keys and digests are read.
        generation: Its published tables.
        pair_sets: Pairs between the sides.
        side: Shape (n_samples,), int8, by sample id: 0, 1, or -1 for neither.
        phash_threshold: What `perceptual` was searched with, for the sentence.
    """
    found = strongest_across(pair_sets, side)
    texts = read_texts(folder, generation, {*found, *(n.sample for n in found.values())})
    return leak_rows(found, texts, phash_threshold=phash_threshold)


def leak_rows(found: Mapping[int, Neighbour], texts: Texts, *, phash_threshold: int | None) -> IssueRows:
    """Return the leak rows for the strongest partner of each sample; sorted by sample."""
    rows = IssueRows()
    for sample in sorted(found):
        neighbour, text = found[sample], texts[sample]
        other = texts[neighbour.sample]
        more = neighbour.n_partners - 1
        tail = f"; {more:,} more of that side match" if more else ""
        rows.add(
            (sample, text.key),
            LEAK,
            # Not the partner's: which is the strongest changes, and a rejected leak stays rejected.
            finding_id=finding_id(LEAK, [text.content]),
            confidence=neighbour.confidence,
            reason=f"{_likeness(neighbour, other, phash_threshold)}, which is on the other side{tail}.",
            evidence=_evidence(neighbour, other),
            more={"method": neighbour.method},
        )
    return rows


def duplicate_issues(
    folder: WorkspaceFolder,
    generation: Generation,
    groups: DuplicateGroups,
    *,
    phash_threshold: int | None = None,
) -> IssueRows:
    """Return a row for each member of each duplicate group; sorted by group, then sample.

    Args:
        folder: The workspace, from which keys and digests are read.
        generation: Its published tables.
        groups: From `groups.duplicate_groups`.
        phash_threshold: What `perceptual` was searched with, for the sentence.
    """
    texts = read_texts(folder, generation, np.flatnonzero(groups.group >= 0).tolist())
    return duplicate_rows(groups, texts, phash_threshold=phash_threshold)


def duplicate_rows(groups: DuplicateGroups, texts: Texts, *, phash_threshold: int | None) -> IssueRows:
    """Return the duplicate rows of groups whose samples' words are at hand."""
    members = np.flatnonzero(groups.group >= 0)
    members = members[np.lexsort((members, groups.group[members]))]
    sizes = np.bincount(groups.group[members]) if len(members) else np.empty(0, np.int64)
    strongest = _strongest_copies(groups)
    rows = IssueRows()
    for sample in members.tolist():
        size = int(sizes[groups.group[sample]])
        is_kept = bool(groups.is_original[sample])
        copy = strongest[sample] if is_kept else sample
        neighbour = _member_neighbour(groups, sample, copy, size=size)
        text, other = texts[sample], texts[neighbour.sample]
        likeness = _likeness(neighbour, other, phash_threshold)
        role = (
            "the one kept"
            if is_kept
            else f"a copy of {texts[int(groups.original[sample])].key}, which is kept"
        )
        rows.add(
            (sample, text.key),
            DUPLICATE,
            finding_id=finding_id(DUPLICATE, [text.content, other.content]),
            confidence=neighbour.confidence,
            reason=f"{likeness}; of {size:,} duplicates this is {role}.",
            evidence={**_evidence(neighbour, other), "group_size": size, "is_original": is_kept},
            more={
                "method": neighbour.method,
                "group_id": str(int(groups.group[sample])),
                "is_original": is_kept,
            },
        )
    return rows


def _strongest_copies(groups: DuplicateGroups) -> dict[int, int]:
    """Return the surest copy of each kept sample."""
    best: dict[int, tuple[float, int]] = {}
    for copy in np.flatnonzero(groups.via_set >= 0).tolist():
        kept = int(groups.original[copy])
        neighbour = _member_neighbour(groups, copy, copy, size=2)
        # Copies come in rising order, so of equally sure ones the lowest stays.
        if kept not in best or neighbour.confidence > best[kept][0]:
            best[kept] = (neighbour.confidence, copy)
    return {kept: copy for kept, (_, copy) in best.items()}


def _member_neighbour(groups: DuplicateGroups, sample: int, copy: int, *, size: int) -> Neighbour:
    """Describe the edge that joined `copy` to its original, as seen from `sample`, one of the two."""
    kept = int(groups.original[copy])
    partner = copy if sample == kept else kept
    pairs = groups.pair_sets[int(groups.via_set[copy])]
    return neighbour_at(
        pairs, int(groups.via_edge[copy]), sample=sample, partner=partner, n_partners=size - 1
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Conflict:
    """Samples of equal content whose labels differ."""

    samples: list[int]
    labels: list[str]

    def majority(self) -> str | None:
        """Return the label that more than half of the samples have."""
        label, count = Counter(self.labels).most_common(1)[0]
        return label if 2 * count > len(self.labels) else None


def label_conflict_issues(folder: WorkspaceFolder, generation: Generation, exact: PairSet) -> IssueRows:
    """Return a row for each sample that equals another one in content but not in label.

    Args:
        folder: The workspace, from which labels are read.
        generation: Its published tables.
        exact: Pairs of method `exact`, within all samples or between two sides.
    """
    return label_conflict_rows(exact, read_texts(folder, generation, exact.group_members.tolist()))


def label_conflict_rows(exact: PairSet, texts: Texts) -> IssueRows:
    """Return the label conflicts among groups whose samples' words are at hand; sorted by group."""
    rows = IssueRows()
    for group in range(len(exact.group_offsets) - 1):
        labelled = [(s, texts[s].given_label) for s in exact.members(group).tolist()]
        known = [(sample, label) for sample, label in labelled if label is not None]
        conflict = _Conflict([sample for sample, _ in known], [label for _, label in known])
        if len(set(conflict.labels)) > 1:
            _add_conflict(rows, conflict, texts, group_id=str(conflict.samples[0]))
    return rows


def _add_conflict(rows: IssueRows, conflict: _Conflict, texts: Texts, *, group_id: str) -> None:
    counts = Counter(conflict.labels)
    first = {label: s for s, label in reversed(list(zip(conflict.samples, conflict.labels, strict=True)))}
    majority = conflict.majority()
    for sample, label in zip(conflict.samples, conflict.labels, strict=True):
        rival = min((s, other) for other, s in first.items() if other != label)
        text, other = texts[sample], texts[rival[0]]
        rows.add(
            (sample, text.key),
            LABEL_CONFLICT,
            finding_id=finding_id(LABEL_CONFLICT, [text.content], label),
            confidence=1 - counts[label] / len(conflict.labels),
            reason=(
                f"The same picture as {other.key}, which is labelled {rival[1]!r} and this one {label!r}; "
                f"{counts[label]:,} of {len(conflict.labels):,} equal pictures say {label!r}."
            ),
            evidence={
                "neighbour": other.key,
                "neighbour_label": rival[1],
                "labels": dict(sorted(counts.items())),
            },
            more={
                "method": "exact",
                "group_id": group_id,
                "suggested_label": majority if majority != label else None,
            },
        )


def _likeness(neighbour: Neighbour, other: SampleText, phash_threshold: int | None) -> str:
    """Say how a sample is like its neighbour, with the number and its limit."""
    if neighbour.method == "exact":
        return f"Same content as {other.key}"
    if neighbour.method == "perceptual":
        limit = "" if phash_threshold is None else f" (limit {phash_threshold})"
        return f"pHash {neighbour.hamming_distance} bits from that of {other.key}{limit}"
    if neighbour.method == "verified":
        limit = f"limit {MIN_CORRELATION:.2f}"
        return f"Correlates {neighbour.similarity:.3f} ({limit}; {neighbour.transform}) with {other.key}"
    return f"Cosine {neighbour.similarity:.3f} with {other.key}"


def _evidence(neighbour: Neighbour, other: SampleText) -> dict[str, object]:
    return {
        "neighbour": other.key,
        "neighbour_label": other.given_label,
        "method": neighbour.method,
        "similarity": round(neighbour.similarity, 6),
        "hamming_distance": neighbour.hamming_distance,
        "transform": neighbour.transform,
        "n_partners": neighbour.n_partners,
    }
