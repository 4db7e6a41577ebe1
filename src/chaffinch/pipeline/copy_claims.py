"""What a resolution promises about duplicates, so that `verify` can prove it.

Policies remove copies finding by finding. Where they remove every copy that was found by some method, and by
all stricter ones, no pair of these methods may be left. A copy that stays all the same (a person keeps it,
say) is named with the reason, so that the proof can tell it from a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chaffinch.curate.answers import Case, Finding
from chaffinch.curate.resolve import METHOD_ORDER, Settled, looseness
from chaffinch.pipeline.copies import beside
from chaffinch.records import POLICY_PREFIX, Decision
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT
from chaffinch.storage.pairs import PairSet


@dataclass(frozen=True, slots=True)
class CopyClaims:
    """Which duplicates are removed, and which stay on purpose."""

    methods: tuple[str, ...] = ()
    """Methods of which policies remove every copy, strictest first; empty where they do so of none."""
    left: frozenset[str] = frozenset()
    """Keys of copies that no policy removes."""
    disputed: frozenset[str] = frozenset()
    """Keys of copies that policies may not remove, since an equal image has another label."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Keys of samples that stay beside a copy found by one of `methods`, and why; by key."""

    @property
    def looseness(self) -> int:
        """How loose a pair may be of which one must go; -1 where none must."""
        return max(map(looseness, self.methods), default=-1)


def copy_claims(cases: Iterable[Case], searched: Iterable[str]) -> CopyClaims:
    """Return the methods of which policies remove every copy.

    Args:
        cases: All samples that are copies; others may be among them.
        searched: Methods by which duplicates were searched.
    """
    cases = list(cases)
    disputed = {case.key for case in cases if any(f.issue_type == LABEL_CONFLICT for f in case.findings)}
    copies = [
        (case.key, finding, _is_removed_by_policy(finding, case.decisions))
        for case in cases
        if case.key not in disputed
        for finding in case.findings
        if finding.issue_type == DUPLICATE and finding.is_original is False
    ]
    asked = {looseness(finding.method) for _, finding, is_asked in copies if is_asked}
    unasked = {looseness(finding.method) for _, finding, is_asked in copies if not is_asked}
    limit = min(unasked, default=len(METHOD_ORDER))
    loosest = max((level for level in asked if level < limit), default=-1)
    methods = sorted((m for m in searched if looseness(m) <= loosest), key=looseness)
    left = frozenset(key for key, _, is_asked in copies if not is_asked)
    return CopyClaims(tuple(methods), left, frozenset(disputed))


def _is_removed_by_policy(finding: Finding, decisions: Sequence[Decision]) -> bool:
    words = [
        d
        for d in decisions
        if d.origin.startswith(POLICY_PREFIX)
        and d.action != "none"
        and d.finding_id in (None, finding.finding_id)
    ]
    return bool(words) and max(words, key=lambda d: d.time_utc).action == "remove"


def kept_copies(
    claims: CopyClaims,
    settled: Mapping[str, Settled],
    pair_sets: Sequence[PairSet],
    *,
    numbers: Mapping[str, int],
    is_here: np.ndarray,
    reviewers: Mapping[str, str],
) -> dict[str, str]:
    """Return the samples that stay beside a copy of themselves, and why, by key.

    Args:
        claims: What is promised.
        settled: What happens to each sample, copies taken out.
        pair_sets: Duplicates by method.
        numbers: Sample id of each key in `settled`, `claims.left` and `claims.disputed`.
        is_here: Shape (n_samples,), bool: which samples are there.
        reviewers: Who decided about a sample last, by key.
    """
    is_left = is_here.copy()
    is_left[[numbers[key] for key, one in settled.items() if one.action == "remove"]] = False
    is_beside = np.zeros_like(is_left)
    for pairs in pair_sets:
        if pairs.method in claims.methods:
            is_beside |= beside(pairs, is_left, is_left)
    found = {
        key: _why(key, settled.get(key), claims, reviewer=reviewers.get(key, ""))
        for key, number in numbers.items()
        if is_beside[number]
    }
    return {key: why for key, why in sorted(found.items()) if why}


def _why(key: str, settled: Settled | None, claims: CopyClaims, *, reviewer: str) -> str:
    """Say why a sample stays though a copy of it does; '' where nothing says so."""
    if settled is not None and settled.waiver is not None:
        return f"{settled.waiver.who} keeps it though it leaks"
    if settled is not None and settled.disagreement:
        return f"persons disagree about {settled.disagreement}"
    if settled is not None and settled.is_kept:
        return f"{reviewer or 'a person'} keeps it"
    if key in claims.disputed:
        return "an equal image has another label"
    return "no policy removes it" if key in claims.left else ""
