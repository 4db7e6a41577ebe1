"""Leases: who is looking at what, so that two people do not do the same image unknowingly.

A lease keeps nobody from deciding; it only tells. A reviewer holds what they said last that they look at, so
that one call takes, renews and gives back. What somebody looks at goes before what another one merely has
coming. A lease ends by itself after `LEASE_S`, and with the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaffinch.curate.events import check_reviewer

LEASE_S = 300.0
"""Seconds that an image is held for a reviewer who does not come back to it."""


@dataclass(frozen=True, slots=True)
class _Lease:
    owner: str
    until: float
    is_ahead: bool


@dataclass(frozen=True, slots=True)
class Held:
    """An image that somebody is looking at."""

    sample_id: int
    """Row number in the workspace."""
    reviewer: str
    """Who."""


class Leases:
    """The leases of one server. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[int, _Lease] = {}

    def hold(self, sample_ids: Iterable[int], reviewer: str) -> tuple[list[int], list[Held]]:
        """Lease images in place of those that the reviewer held before.

        Args:
            sample_ids: The image that is looked at, then those that come next.
            reviewer: Who.

        Returns:
            The images that nobody else has, and the others with who has them.

        Raises:
            UsageError: If the reviewer has no name.
        """
        reviewer = check_reviewer(reviewer)
        until = self._clock() + LEASE_S
        granted, held = [], []
        with self._lock:
            self._held = {i: lease for i, lease in self._standing() if lease.owner != reviewer}
            for place, sample_id in enumerate(dict.fromkeys(sample_ids)):
                other = self._held.get(sample_id)
                if other is None or (other.is_ahead and place == 0):
                    self._held[sample_id] = _Lease(reviewer, until, is_ahead=place > 0)
                    granted.append(sample_id)
                else:
                    held.append(Held(sample_id, other.owner))
        return granted, held

    def held(self) -> list[Held]:
        """Return all images that somebody holds, by sample id."""
        with self._lock:
            return [Held(i, lease.owner) for i, lease in sorted(self._standing(), key=lambda entry: entry[0])]

    def _standing(self) -> list[tuple[int, _Lease]]:
        now = self._clock()
        return [(sample_id, lease) for sample_id, lease in self._held.items() if lease.until > now]
