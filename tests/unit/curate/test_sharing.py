"""Which images want several reviewers, and whose turn it is."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.curate.sharing import Sharing, Turn, gold_priority, reviewers_wanted, turn_of
from chaffinch.errors import UsageError

KEYS = [f"train/{number}.jpg" for number in range(10_000)]
PINNED = [1, 3, 1, 1, 1, 1, 3, 1, 3, 1, 3, 1]


def test_reviewers_wanted__is_a_matter_of_key_and_share() -> None:
    # Pinned: a draw that changed would send images to other people in the middle of a project.
    assert reviewers_wanted(KEYS[:12], Sharing(0.2, 3)).tolist() == PINNED
    assert reviewers_wanted(KEYS[11::-1], Sharing(0.2, 3)).tolist() == PINNED[::-1]


def test_reviewers_wanted__none_some_all() -> None:
    assert set(reviewers_wanted(KEYS, Sharing(0)).tolist()) == {1}
    assert set(reviewers_wanted(KEYS, Sharing(1, 4)).tolist()) == {4}
    fifth, half = (reviewers_wanted(KEYS, Sharing(share)) == 2 for share in (0.2, 0.5))
    # Four standard deviations of 10,000 draws.
    assert abs(fifth.mean() - 0.2) < 0.016 and abs(half.mean() - 0.5) < 0.02
    assert (half | ~fifth).all(), "a larger share holds all of a smaller one"


@pytest.mark.parametrize(
    ("share", "reviewers"), [(-0.1, 2), (1.1, 2), (float("nan"), 2), (0.1, 1), (0.1, 256)]
)
def test_sharing__out_of_range(share: float, reviewers: int) -> None:
    with pytest.raises(UsageError):
        Sharing(share, reviewers)


def test_gold_priority__one_among_ten_of_the_first() -> None:
    priority = np.arange(1000, 0, -1).astype(np.float32)
    rows = [990, 500, 999]
    spread = gold_priority([KEYS[row] for row in rows], rows, priority)
    others = np.delete(spread, rows)
    places = sorted(int((others > spread[row]).sum()) for row in rows)
    assert [place // 10 for place in places] == [0, 1, 2] and len({place % 10 for place in places}) > 1
    assert others.tolist() == np.delete(priority, rows).tolist()
    short = np.array([3, 2, 0, 0, 0, 0], dtype=np.float32)
    assert set(gold_priority(KEYS[3:6], [3, 4, 5], short)[3:].tolist()) == {2, 3}
    assert gold_priority(KEYS[:1], [0], np.zeros(2)).tolist() == [0, 0]
    assert gold_priority([], [], priority).tolist() == priority.tolist()


@pytest.mark.parametrize(
    ("reviewer", "spoken", "wanted", "turn"),
    [
        ("Ana", set(), 1, Turn.YOURS),
        ("Ana", {"Bo"}, 1, Turn.OTHERS),
        ("Bo", {"Bo"}, 1, Turn.SPOKEN),
        ("Ana", {"Bo"}, 2, Turn.SHARED),
        ("Ana", {"Bo", "Cy"}, 2, Turn.OTHERS),
        ("Cy", {"Bo", "Cy"}, 3, Turn.SPOKEN),
        ("", {"Bo"}, 1, Turn.OTHERS),
    ],
)
def test_turn_of__by_who_has_spoken(reviewer: str, spoken: set[str], wanted: int, turn: Turn) -> None:
    assert turn_of(reviewer, spoken, wanted=wanted) == turn
