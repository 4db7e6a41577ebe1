"""Which vectors the pairs between two splits were found with, and whether these are still there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chaffinch.settings import LeakSettings
from chaffinch.storage.findings import PAIR_VECTORS, leak_scope
from chaffinch.storage.folder import Generation
from chaffinch.storage.vectors import EmbedderInfo, embedder_info, embedder_names


def replaced_methods(generation: Generation, between: tuple[str, str]) -> frozenset[str]:
    """Return the methods whose pairs between these splits rest on vectors that were made anew since."""
    infos = [embedder_info(generation, name) for name in embedder_names(generation)]
    there = {_text(info) for info in infos if info is not None}
    noted = _noted(generation, between)
    return frozenset(method for method, vectors in noted.items() if vectors not in there)


def pair_vectors(
    generation: Generation, between: tuple[str, str], *, settings: LeakSettings, searched: Collection[str]
) -> Mapping[str, Mapping[str, str]]:
    """Return what `info` says under `PAIR_VECTORS` once these methods were searched between these splits.

    What was noted the other way round is taken over.
    """
    info = embedder_info(generation, settings.embedder)
    noted = {m: vectors for m, vectors in _noted(generation, between).items() if m not in searched}
    if info is not None and "semantic" in searched:
        noted["semantic"] = _text(info)
    # Without a threshold of the embedder's own, candidates come from hashes alone.
    if info is not None and info.candidate_cosine is not None and "verified" in searched:
        noted["verified"] = _text(info)
    every = {**generation.info.get(PAIR_VECTORS, {}), leak_scope(*between): noted}
    every.pop(leak_scope(*between[::-1]), None)
    return every


def _noted(generation: Generation, between: tuple[str, str]) -> dict[str, str]:
    every = generation.info.get(PAIR_VECTORS, {})
    return {**every.get(leak_scope(*between[::-1]), {}), **every.get(leak_scope(*between), {})}


def _text(info: EmbedderInfo) -> str:
    return f"{info.name} {info.fingerprint}"
