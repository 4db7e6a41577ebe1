"""How a stage tells the outside how far it is; `cli` draws it, a library caller may ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of one command."""

    def stage(self, name: str, *, total: int | None, unit: str) -> None:
        """Begin a stage of `total` units (None: not known yet); ends the one before."""
        ...

    def advance(self, n: int) -> None:
        """Take note that `n` more units of the stage are done."""
        ...

    def note(self, text: str) -> None:
        """Say something the user should know, in one sentence."""
        ...


class Silent:
    """Progress for callers that do not watch."""

    def stage(self, name: str, *, total: int | None, unit: str) -> None:
        """Ignore."""

    def advance(self, n: int) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
