"""Leases: who is looking at what, so that two people do not do the same image unknowingly.

A lease keeps nobody from deciding; it only tells. It ends by itself after `LEASE_S`, and with the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LEASE_S = 300.0
"""Seconds that an image is held for a reviewer who does not come back to it."""


@dataclass(frozen=True, slots=True)
class Held:
    """An image that somebody else is looking at."""

    sample_id: int
    """Row number in the workspace."""
    reviewer: str
    """Who."""
    seconds_left: float
    """Until the lease ends by itself."""


class Leases:
    """The leases of one server. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[int, tuple[str, float]] = {}

    def take(self, sample_ids: Iterable[int], reviewer: str) -> tuple[list[int], list[Held]]:
        """Lease the images that nobody else has; returns those, and the others with who has them."""
        now = self._clock()
        granted, held = [], []
        with self._lock:
            self._held = {i: lease for i, lease in self._held.items() if lease[1] > now}
            for sample_id in dict.fromkeys(sample_ids):
                owner, until = self._held.get(sample_id, (reviewer, now))
                if owner == reviewer:
                    self._held[sample_id] = (reviewer, now + LEASE_S)
                    granted.append(sample_id)
                else:
                    held.append(Held(sample_id, owner, until - now))
        return granted, held
