"""Which duplicates policies remove without exception, and which copies stay beside each other on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chaffinch.curate.answers import Case, Finding
from chaffinch.curate.resolve import Settled, Waiver
from chaffinch.pipeline.copies import group_pairs
from chaffinch.pipeline.copy_claims import CopyClaims, copy_claims, kept_copies
from chaffinch.records import Decision

SEARCHED = ("perceptual", "exact", "verified")


def copy(method: str, number: str = "1") -> Finding:
    return Finding(f"{method}{number}", "duplicate", method=method, group="g", is_original=False)


def said(finding: Finding, action: str, *, origin: str = "policy:house@1", time: str = "1") -> Decision:
    base = Decision("e", "b", "k", "house", time, finding_id=finding.finding_id, origin=origin)
    return replace(base, action=action)  # type: ignore[arg-type]


def claims_of(findings: dict[str, list[Finding]], decisions: dict[str, list[Decision]]) -> CopyClaims:
    cases = (Case(k, None, tuple(own), tuple(decisions.get(k, ()))) for k, own in findings.items())
    return copy_claims(cases, SEARCHED)


def test_copy_claims__all_methods_up_to_the_loosest_that_is_removed_without_exception() -> None:
    exact, perceptual, verified = copy("exact"), copy("perceptual"), copy("verified")
    findings = {"a": [exact], "b": [perceptual], "c": [verified]}
    removes = {"a": [said(exact, "remove")], "b": [said(perceptual, "remove")]}
    claims = claims_of(findings, removes)
    assert claims.methods == ("exact", "perceptual")
    assert claims.left == {"c"}
    assert claims.looseness == 1


def test_copy_claims__a_stricter_method_that_is_left_ends_the_claim() -> None:
    exact, perceptual = copy("exact"), copy("perceptual")
    claims = claims_of({"a": [exact], "b": [perceptual]}, {"b": [said(perceptual, "remove")]})
    assert claims.methods == ()
    assert claims.looseness == -1


def test_copy_claims__a_method_that_found_nothing_is_claimed_only_below_one_that_did() -> None:
    perceptual = copy("perceptual")
    claims = claims_of({"b": [perceptual]}, {"b": [said(perceptual, "remove")]})
    assert claims.methods == ("exact", "perceptual")
    assert claims_of({}, {}) == CopyClaims()


def test_copy_claims__only_policies_count_and_the_newest_word() -> None:
    exact = copy("exact")
    person = [said(exact, "remove", origin="person")]
    assert claims_of({"a": [exact]}, {"a": person}).methods == ()
    changed = [said(exact, "remove"), said(exact, "keep", origin="policy:kind@1", time="2")]
    assert claims_of({"a": [exact]}, {"a": changed}).methods == ()


def test_kept_copies__name_the_reason() -> None:
    pairs = replace(group_pairs([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]), method="exact")
    keys = {f"k{number}": number for number in range(10)}
    settled = {
        "k0": Settled("k0", action="keep", is_kept=True),
        "k2": Settled("k2", action="remove"),
        "k4": Settled("k4", waiver=Waiver("k4", "Bo")),
        "k7": Settled("k7", disagreement="duplicate: An: keep, Bo: remove"),
    }
    claims = CopyClaims(("exact",), left=frozenset({"k9"}))
    assert kept_copies(
        claims, settled, [pairs], numbers=keys, is_here=np.arange(12) < 10, reviewers={"k0": "An"}
    ) == {
        "k0": "An keeps it",
        "k4": "Bo keeps it though it leaks",
        "k7": "persons disagree about duplicate: An: keep, Bo: remove",
        "k9": "no policy removes it",
    }
    assert (
        kept_copies(CopyClaims(), settled, [pairs], numbers=keys, is_here=np.arange(12) < 10, reviewers={})
        == {}
    )
