"""Decisions follow an image that was moved, only where there is no doubt, and end with the content."""

from __future__ import annotations

from typing import Any

import pytest

from chaffinch.curate.attach import Attached, attach
from chaffinch.records import IMPORT, Decision, LoggedDecision


def said(seq: int, key: str, digest: str | None, **more: Any) -> LoggedDecision:
    fields = {"batch_id": "b", "reviewer": "Saeed", "content_digest": digest, **more}
    decision = Decision(f"e{seq}", key=key, time_utc=f"2026-01-01T00:00:{seq:02}", **fields)
    return LoggedDecision(seq, decision, "", "")


def numbers(result: Attached) -> list[int]:
    return [entry.seq for entry in result.log]


def test_attach__a_moved_image_takes_its_decisions_along() -> None:
    result = attach([said(1, "train/a", "d1")], {"train/b": ("d1", "x"), "val/c": ("d1", "x")})
    assert result.moved == {"train/a": "train/b"}
    assert [e.decision.key for e in result.log] == ["train/b"]
    assert result.lost == []


def test_attach__never_guesses() -> None:
    digests = {"train/x": "d1", "train/y": "d1", "train/z": "d2", "train/w": "d3", "val/v": "d4"}
    here = {key: (digest,) for key, digest in digests.items()}
    log = [
        said(1, "train/two_fit", "d1"),
        said(2, "train/one", "d2"),
        said(3, "train/other", "d2"),
        said(4, "train/w", "d3"),
        said(5, "train/gone", "d3"),
        said(6, "train/other_split", "d4"),
        said(7, "train/no_digest", None),
    ]
    result = attach(log, here)
    assert result.moved == {}
    names = ["gone", "no_digest", "one", "other", "other_split", "two_fit"]
    assert result.lost == [f"train/{name}" for name in names]


def test_attach__a_word_about_the_image_at_its_new_place_does_not_end_those_before() -> None:
    log = [
        said(1, "train/a", "d1", batch_id="old"),
        said(2, "train/b", "d1", reviewer="Bo"),
        said(3, "train/a", "d1", batch_id="undo", undo_of="old"),
    ]
    result = attach(log, {"train/b": ("d1",)})
    assert result.moved == {"train/a": "train/b"}
    assert [e.decision.key for e in result.log] == ["train/b"] * 3
    later = [*log, said(4, "train/a", "d1", reviewer="Cy")]
    assert attach(later, {"train/b": ("d1",)}).lost == ["train/a"]
    assert attach(log, {"train/b": ("d1",), "train/c": ("d1",)}).lost == ["train/a"]


@pytest.mark.parametrize("after", [[], [said(2, "train/stays", "d1", action="keep")]])
def test_attach__an_exact_copy_that_was_deleted_leaves_nothing_to_what_stays(
    after: list[LoggedDecision],
) -> None:
    copy = said(1, "train/copy", "d1", action="remove", tags_added=("duplicate_exact",))
    result = attach([copy, *after], {"train/stays": ("d1",)})
    assert (result.moved, result.lost) == ({}, ["train/copy"])


def test_attach__other_content_is_open_again() -> None:
    log = [
        said(1, "train/replaced", "old"),
        said(2, "train/same_pixels", "pixels"),
        said(3, "train/same_bytes", "bytes"),
        said(4, "train/no_digest", None),
        said(5, "train/unread", "old"),
    ]
    here: dict[str, tuple[str, ...]] = {
        "train/replaced": ("new", "bytes"),
        "train/same_pixels": ("pixels", "other file"),
        "train/same_bytes": ("decoded at last", "bytes"),
        "train/no_digest": ("new", "bytes"),
        "train/unread": (),
    }
    result = attach(log, here)
    assert numbers(result) == [2, 3, 4, 5]
    assert result.reopened == ["train/replaced"]
    assert (result.lost, result.seq) == ([], 5)


def test_attach__is_reopened_until_somebody_of_that_rank_says_so_anew() -> None:
    policy = {"origin": "policy:p@1", "reviewer": "p"}
    log = [
        said(1, "a", "old"),
        said(2, "a", "new", reviewer="Ana"),
        said(3, "b", "old"),
        said(4, "b", "new", **policy),
        said(5, "c", "old", **policy),
        said(6, "c", "new", **policy),
        said(7, "d", "old", origin=IMPORT),
        said(8, "d", "new", **policy),
        said(9, "e", "old", batch_id="taken back"),
        said(10, "e", "old", batch_id="undo", undo_of="taken back"),
    ]
    result = attach(log, dict.fromkeys("abcde", ("new",)))
    assert result.reopened == ["b"]
    assert numbers(result) == [2, 4, 6, 8, 10]


def test_attach__what_was_taken_back_stays_so_when_the_content_changes() -> None:
    log = [said(1, "a", None, batch_id="x"), said(2, "a", "old", batch_id="y", undo_of="x")]
    assert numbers(attach(log, {"a": ("new",)})) == [1, 2]


def test_attach__a_picture_moved_over_another_takes_its_decisions_along() -> None:
    log = [said(1, "train/a", "d1"), said(2, "train/b", "d2")]
    result = attach(log, {"train/a": ("d2",)})
    assert result.moved == {"train/b": "train/a"}
    assert [(e.seq, e.decision.key) for e in result.log] == [(2, "train/a")]
    assert result.reopened == []
