"""Decisions follow an image that was moved, only where there is no doubt."""

from __future__ import annotations

from chaffinch.curate.attach import attach
from chaffinch.records import Decision, LoggedDecision


def said(seq: int, key: str, digest: str | None) -> LoggedDecision:
    decision = Decision(f"e{seq}", "b", key, "Saeed", f"2026-01-01T00:00:{seq:02}", content_digest=digest)
    return LoggedDecision(seq, decision, "", "")


def test_attach__a_moved_image_takes_its_decisions_along() -> None:
    result = attach([said(1, "train/a", "d1")], {"train/b": "d1", "val/c": "d1"})
    assert result.moved == {"train/a": "train/b"}
    assert [e.decision.key for e in result.log] == ["train/b"]
    assert result.lost == []


def test_attach__never_guesses() -> None:
    here = {"train/x": "d1", "train/y": "d1", "train/z": "d2", "train/w": "d3", "val/v": "d4"}
    log = [
        said(1, "train/two_fit", "d1"),
        said(2, "train/one", "d2"),
        said(3, "train/other", "d2"),
        said(4, "train/gone", "d3"),
        said(5, "train/w", "d3"),
        said(6, "train/other_split", "d4"),
        said(7, "train/no_digest", None),
    ]
    result = attach(log, here)
    assert result.moved == {}
    names = ["gone", "no_digest", "one", "other", "other_split", "two_fit"]
    assert result.lost == [f"train/{name}" for name in names]
