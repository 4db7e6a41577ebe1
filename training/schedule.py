"""How the learning rate goes over a run."""

from __future__ import annotations

import math


def rate_at(step: int, *, warm_up: int, steps: int) -> float:
    """Return the share of the peak learning rate: a linear rise, then half a cosine down to zero."""
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
