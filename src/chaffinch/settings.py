"""Settings of the steps: frozen dataclasses, cheap to import, with a fingerprint of what changes results."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Literal

from chaffinch.errors import UsageError

MAX_PIXELS = 178_956_970
"""Images above this many pixels are skipped; Pillow's own limit against decompression bombs."""

MAX_PHASH_THRESHOLD = 16
"""Largest Hamming distance that a search takes, bits."""

DEFAULT_EMBEDDER = "chaffinch-s"
"""Makes the vectors where none were made yet and none is named; it comes with the package."""

NO_EMBEDDER = "none"
"""What `--embedder` takes for no vectors at all."""

METHODS = ("exact", "perceptual", "verified", "semantic")
"""Ways to find a leak or duplicate, cheapest first."""


def n_cores() -> int:
    """Return the number of processor cores that this process may use."""
    # macOS cannot say which cores a process may use.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """What is measured in one decode; part of every shard's fingerprint."""

    level: Literal["full", "hashes"] = "full"
    """`hashes`: outcome, sizes, digests and pHash only (the leak scan); `full`: quality and thumbnail too."""
    max_pixels: int = MAX_PIXELS
    """Larger images are skipped."""
    thumbnail_px: int = 160
    """Longer side of the thumbnail, pixels."""
    version: int = 2
    """Raised whenever a measurement changes its meaning, so that old shards are measured anew."""

    def fingerprint(self) -> str:
        """Return 16 hex digits that differ whenever a measurement could."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How a scan runs."""

    measure: MeasureSettings = MeasureSettings()
    """What is measured."""
    workers: int = 0
    """Threads; 0 means one per available core."""
    shard_size: int = 500
    """Images per shard, the unit of resume."""
    rescan: bool = False
    """Measure every image again, also those that look unchanged."""
    embedder: str | None = None
    """What makes vectors in the same pass, as `--embedder` takes it; None makes none."""

    def n_workers(self) -> int:
        """Return the number of threads to start."""
        return self.workers if self.workers > 0 else n_cores()


@dataclass(frozen=True, slots=True)
class LeakSettings:
    """How leaks are searched."""

    methods: tuple[str, ...] = ("exact", "perceptual", "verified")
    """Any of `METHODS`."""
    phash_threshold: int = 5
    """Largest Hamming distance of a perceptual pair, bits, 0..16."""
    semantic_threshold: float | None = None
    """Smallest cosine of a semantic pair; None takes the one that fits the embedder."""
    embedder: str | None = None
    """Whose vectors to compare; None takes those made last."""

    def __post_init__(self) -> None:
        """Refuse settings that no search could follow.

        Raises:
            UsageError: Naming the option and what it takes.
        """
        unknown = [m for m in self.methods if m not in METHODS]
        if unknown or not self.methods:
            raise UsageError(
                f"no method is called {', '.join(unknown) or 'nothing'}",
                hint=f"take any of {', '.join(METHODS)}",
            )
        if not 0 <= self.phash_threshold <= MAX_PHASH_THRESHOLD:
            raise UsageError(
                f"the pHash threshold must be 0..{MAX_PHASH_THRESHOLD} bits, got {self.phash_threshold}",
                hint="5 finds near copies; above 10 nearly everything is a neighbour",
            )
        if self.semantic_threshold is not None and not 0 < self.semantic_threshold <= 1:
            raise UsageError(f"the semantic threshold must be in 0..1, got {self.semantic_threshold}")


@dataclass(frozen=True, slots=True)
class FindSettings:
    """How problems within a dataset are searched."""

    only: tuple[str, ...] = ()
    """Names of the steps to run; empty for all."""
    pairs: LeakSettings = LeakSettings()
    """Methods and thresholds of duplicates."""
    embedder: str | None = None
    """Whose vectors to use; None takes those made last."""
    pred_probs: str | None = None
    """File of a model's predicted probabilities, to judge labels by; None judges them by vectors."""
