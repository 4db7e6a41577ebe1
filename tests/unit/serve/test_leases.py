"""Who looks at what."""

from __future__ import annotations

import pytest

from chaffinch.errors import UsageError
from chaffinch.serve.leases import LEASE_S, Held, Leases


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_hold__takes_the_place_of_what_was_held() -> None:
    leases = Leases()
    assert leases.hold([1, 2, 2], "Ana") == ([1, 2], [])
    assert leases.hold([3, 2], "Bo") == ([3], [Held(2, "Ana")])
    assert leases.held() == [Held(1, "Ana"), Held(2, "Ana"), Held(3, "Bo")]
    leases.hold([5], "Ana")
    assert leases.held() == [Held(3, "Bo"), Held(5, "Ana")]
    leases.hold([], "Bo")
    assert leases.held() == [Held(5, "Ana")]


def test_hold__looking_goes_before_having_ahead() -> None:
    leases = Leases()
    leases.hold([1, 2, 3], "Ana")
    assert leases.hold([2, 3], "Bo") == ([2], [Held(3, "Ana")])
    assert leases.hold([1, 2, 3], "Ana") == ([1, 3], [Held(2, "Bo")])
    assert leases.hold([2], "Cy") == ([], [Held(2, "Bo")])


def test_hold__ends_by_itself_unless_renewed() -> None:
    clock = Clock()
    leases = Leases(clock)
    leases.hold([1], "Ana")
    leases.hold([2], "Bo")
    clock.now = LEASE_S - 1
    leases.hold([2], "Bo")
    clock.now = LEASE_S
    assert leases.held() == [Held(2, "Bo")]
    assert leases.hold([1], "Bo") == ([1], [])


def test_hold__nobody_holds_nothing() -> None:
    with pytest.raises(UsageError):
        Leases().hold([1], "")
