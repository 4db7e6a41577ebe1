"""The known models: which are there, and how to get the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chaffinch.compute.models import MODELS, ModelCard, model_named, packaged_file
from chaffinch.errors import UsageError
from chaffinch.formats.hub import cached_file, download
from chaffinch.pipeline.progress import Progress, Silent


@dataclass(frozen=True, slots=True)
class ModelState:
    """A known model, and whether it is there."""

    card: ModelCard
    """What is known of it."""
    path: Path | None
    """Where it is; None where it is neither in the package nor in the cache."""


def list_models() -> list[ModelState]:
    """Look for every known model; asks no server. Cost: reads those that are there once."""
    return [ModelState(card, model_file(card)) for card in MODELS]


def model_file(card: ModelCard) -> Path | None:
    """Return where a known model is, in the package or in the cache; None if it is in neither."""
    return packaged_file(card) or (cached_file(card.hub) if card.hub else None)


def get_model(name: str, *, progress: Progress | None = None) -> Path:
    """Bring a model of a hub into the cache; returns where it is.

    Raises:
        UsageError: If no model is called that, or it is on no hub.
        RemoteError: If it cannot be fetched, or is not what it should be.
    """
    card = model_named(name)
    if card is None or card.hub is None:
        names = ", ".join(card.name for card in MODELS if card.hub)
        raise UsageError(f"no model on a hub is called {name!r}", hint=f"take one of {names}")
    found = cached_file(card.hub)
    if found is not None:
        return found
    watcher, is_begun = progress or Silent(), False

    def on_bytes(n_bytes: int, size_bytes: int | None) -> None:
        nonlocal is_begun
        if not is_begun:
            watcher.stage(f"downloading {name}", total=size_bytes, unit="bytes")
            is_begun = True
        watcher.advance(n_bytes)

    return download(card.hub, on_bytes=on_bytes)
