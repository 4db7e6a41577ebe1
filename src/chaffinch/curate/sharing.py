"""Which images want several independent reviewers, and whose turn an image is.

A share of the images, drawn by the digest of the key, is given to several reviewers, so that it can be
measured how far they agree; the others are done once one person has spoken. The draw needs no memory: the
same key and share give the same answer on every machine, and a larger share holds all of a smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from chaffinch.errors import UsageError

MOST_REVIEWERS = 255
"""Of one image; as many as this stands for everybody."""


GOLD_EVERY = 10
"""Images of the queue among which one gold item comes; fewer where the queue is short."""


class Turn(IntEnum):
    """What an image wants of one reviewer; the review page has the same numbers."""

    YOURS = 0
    """A reviewer, and nobody has spoken."""
    SHARED = 1
    """Several reviewers, and you are among those it waits for."""
    OTHERS = 2
    """Nothing: enough others have spoken."""
    SPOKEN = 3
    """Nothing: you have spoken."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How many reviewers images get."""

    share: float = 0.1
    """Share of the images that get several reviewers, 0..1."""
    reviewers: int = 2
    """How many those get."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"--overlap is a share from 0 to 1, not {self.share:g}")
        if not 2 <= self.reviewers <= MOST_REVIEWERS:
            raise UsageError(f"--overlap-reviewers is from 2 to {MOST_REVIEWERS}, not {self.reviewers}")


def reviewers_wanted(keys: Iterable[str], sharing: Sharing) -> np.ndarray:
    """Return how many reviewers each key gets, shape (N,), uint8.

    Cost: 1 us a key.
    """
    is_shared = np.fromiter((_draw(key) < sharing.share for key in keys), dtype=bool)
    return np.where(is_shared, sharing.reviewers, 1).astype(np.uint8)


def _draw(key: str) -> float:
    """Return a number from 0 to 1 that looks random and is the key's own."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=b"overlap").digest()
    return int.from_bytes(digest, "big") / 2**64


def gold_priority(keys: Sequence[str], rows: Sequence[int], priority: np.ndarray) -> np.ndarray:
    """Return the priority of all images with gold items spread through the queue, one among `GOLD_EVERY`.

    Args:
        keys: Keys of the gold items.
        rows: Their rows.
        priority: Shape (N,); higher comes first, 0 is not worth a look.
    """
    drawn = sorted(zip(map(_draw, keys), rows, strict=True))
    ranked = np.sort(priority[priority > 0])[::-1]
    every = min(GOLD_EVERY, len(ranked) / max(1, len(drawn)))
    spread = priority.copy()
    for number, (draw, row) in enumerate(drawn if len(ranked) else ()):
        # A place of its own within each run: gold items at equal distances would be found out.
        spread[row] = ranked[int((number + draw * len(drawn) % 1) * every)]
    return spread


def turn_of(reviewer: str, spoken: Set[str], *, wanted: int) -> Turn:
    """Return what an image wants of a reviewer.

    Args:
        reviewer: Who; '' is somebody without a name.
        spoken: The people who have said something of it.
        wanted: How many reviewers it gets.
    """
    if reviewer in spoken:
        return Turn.SPOKEN
    if len(spoken) >= wanted:
        return Turn.OTHERS
    return Turn.YOURS if wanted == 1 else Turn.SHARED
