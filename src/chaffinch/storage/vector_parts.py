"""Vectors on their way into a workspace: part files, one a shard, and their merge into the published table.

A part file holds, for some samples, the `bytes_digest` of the image and its vector. A row of it counts only
while the sample has the same bytes, so parts of a killed run are good for the next one whatever has happened
in between, and the row of an image that has changed counts for nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import Generation, WorkspaceFolder, open_table
from chaffinch.storage.vectors import (
    EMBEDDERS,
    VECTORS,
    EmbedderInfo,
    embedder_info,
    embedder_names,
    npy_bytes,
    read_vectors,
    unit_rows,
    vector_digests,
    write_unit_vectors,
)

PARTS = "embedding"
"""Folder of the part files in a workspace."""

ROWS_PER_BLOCK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class SampleContents:
    """What the samples of a generation hold, as far as vectors are concerned. N samples."""

    digests: np.ndarray
    """Shape (N,), S16: `bytes_digest`, empty where the bytes could not be read."""
    is_ok: np.ndarray
    """Shape (N,), bool: whether the image decodes."""


def sample_contents(files: Sequence[Path]) -> SampleContents:
    """Read digests and outcomes of the table `samples`. Cost: 17 bytes a sample."""
    digests, is_ok = [np.empty(0, "S16")], [np.empty(0, bool)]
    for path in files:
        with open_table(path) as file:
            for batch in file.iter_batches(columns=["bytes_digest", "outcome"]):
                digests.append(digest_array(batch.column("bytes_digest").to_pylist()))
                is_ok.append(np.array([o == "ok" for o in batch.column("outcome").to_pylist()], dtype=bool))
    return SampleContents(np.concatenate(digests), np.concatenate(is_ok))


def digest_array(digests: Sequence[str | None]) -> np.ndarray:
    """Turn hexadecimal digests into shape (N,), S16; None becomes empty."""
    return np.array([bytes.fromhex(d) if d else b"" for d in digests], dtype="S16")


def part_path(folder: WorkspaceFolder, info: EmbedderInfo, name: str) -> Path:
    """Return where the vectors of a shard called `name` lie until they are published."""
    return folder.root / PARTS / f"{_prefix(info)}{name}.npy"


def _prefix(info: EmbedderInfo) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", info.name)
    # The name may have been shortened to the same text as another's; the digest keeps the two apart.
    digest = hashlib.blake2b(f"{info.name}\0{info.fingerprint}".encode(), digest_size=6).hexdigest()
    return f"{plain}-{digest}-"


def part_paths(folder: WorkspaceFolder, info: EmbedderInfo) -> list[Path]:
    """Return the part files of an embedder, in the order of their names."""
    return sorted((folder.root / PARTS).glob(f"{_prefix(info)}*.npy"))


def write_part(path: Path, *, sample_ids: np.ndarray, digests: np.ndarray, vectors: np.ndarray) -> None:
    """Write a part file; atomic. V rows, D dimensions.

    Args:
        path: By `part_path`.
        sample_ids: Shape (V,), int64.
        digests: Shape (V,), S16: of the bytes that were embedded.
        vectors: Shape (V, D), float32; rows need not be of norm 1.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(npy_bytes(sample_ids, digests, unit_rows(vectors).astype("<f2")))


class PartIndex:
    """Where the vector of each sample is among the part files of an embedder. Cost: 8 bytes a sample."""

    def __init__(self, paths: Sequence[Path], contents: SampleContents) -> None:
        """Read which rows there are; those whose sample holds other bytes by now are passed over."""
        n = len(contents.digests)
        self._paths = paths
        self._part = np.full(n, -1, dtype=np.int32)
        self._row = np.zeros(n, dtype=np.int32)
        for number, path in enumerate(paths):
            with path.open("rb") as file:
                ids, digests = np.load(file, allow_pickle=False), np.load(file, allow_pickle=False)
            rows = np.flatnonzero(ids < n)
            rows = rows[contents.digests[ids[rows]] == digests[rows]]
            self._part[ids[rows]] = number
            self._row[ids[rows]] = rows

    def has(self) -> np.ndarray:
        """Return shape (N,), bool: which samples have a vector here."""
        found: np.ndarray = self._part >= 0
        return found

    def fill(self, block: np.ndarray, start: int) -> None:
        """Write the vectors of the samples from `start` on into `block`, shape (B, D), float16."""
        parts = self._part[start : start + len(block)]
        rows = self._row[start : start + len(block)]
        for number in np.unique(parts[parts >= 0]).tolist():
            with self._paths[number].open("rb") as file:
                vectors = [np.load(file, allow_pickle=False) for _ in range(3)][2]
            places = np.flatnonzero(parts == number)
            block[places] = vectors[rows[places]]


def fresh_rows(
    folder: WorkspaceFolder, generation: Generation, info: EmbedderInfo, *, contents: SampleContents
) -> np.ndarray:
    """Return shape (N,), bool: samples whose vector in `generation` is of `info` and of their own bytes.

    The bytes of a sample that is gone are taken to be what they were.
    """
    fresh = np.zeros(len(contents.digests), dtype=bool)
    stored = embedder_info(generation, info.name)
    if stored is not None and stored.fingerprint == info.fingerprint:
        digests = vector_digests(folder, generation, info.name)
        now = contents.digests[: len(digests)]
        fresh[: len(digests)] = (digests != b"") & ((digests == now) | (now == b""))
    return fresh


def carry_vectors(
    folder: WorkspaceFolder, generation: Generation, contents: SampleContents
) -> dict[str, list[str]]:
    """Return the entries of all vectors for the generation after `generation`, whose samples are `contents`.

    The rows of changed images become zeros. Files in which nothing changes are not written again.
    """
    tables: dict[str, list[str]] = {}
    for name in embedder_names(generation):
        info = EmbedderInfo(**generation.info[EMBEDDERS][name])
        fresh = fresh_rows(folder, generation, info, contents=contents)
        digests = vector_digests(folder, generation, name)
        is_same = len(digests) == len(fresh) and bool((fresh == (digests != b"")).all())
        tables |= (
            {VECTORS + name: generation.tables[VECTORS + name]}
            if is_same
            else _write(folder, generation, info, contents=contents, fresh=fresh, parts=None)
        )
    return tables


def merge_parts(
    folder: WorkspaceFolder, generation: Generation, info: EmbedderInfo, *, contents: SampleContents
) -> dict[str, list[str]]:
    """Write the vectors of `info` for the generation after `generation`: the fresh rows, and all parts."""
    fresh = fresh_rows(folder, generation, info, contents=contents)
    parts = PartIndex(part_paths(folder, info), contents)
    return _write(folder, generation, info, contents=contents, fresh=fresh, parts=parts)


def _write(
    folder: WorkspaceFolder,
    generation: Generation,
    info: EmbedderInfo,
    *,
    contents: SampleContents,
    fresh: np.ndarray,
    parts: PartIndex | None,
) -> dict[str, list[str]]:
    digests = np.zeros(len(fresh), dtype="S16")
    if fresh.any():
        kept = np.flatnonzero(fresh)
        digests[kept] = vector_digests(folder, generation, info.name)[kept]
    if parts is not None:
        digests[parts.has()] = contents.digests[parts.has()]
    shape = (len(fresh), info.dim)
    blocks = _blocks(folder, generation, info, fresh=fresh, parts=parts)
    return write_unit_vectors(folder, generation, blocks, name=info.name, shape=shape, digests=digests)


def _blocks(
    folder: WorkspaceFolder,
    generation: Generation,
    info: EmbedderInfo,
    *,
    fresh: np.ndarray,
    parts: PartIndex | None,
) -> Iterator[np.ndarray]:
    for start in range(0, len(fresh), ROWS_PER_BLOCK):
        is_kept = fresh[start : start + ROWS_PER_BLOCK]
        block = np.zeros((len(is_kept), info.dim), dtype="<f2")
        if is_kept.any():
            # Mapped anew for each block: pages of one long-lived map would all count as our memory.
            stored = read_vectors(folder, generation, info.name)[start : start + ROWS_PER_BLOCK]
            kept = np.flatnonzero(is_kept)
            block[kept] = stored[kept]
            del stored
        if parts is not None:
            parts.fill(block, start)
        yield block


def forget_parts(folder: WorkspaceFolder, info: EmbedderInfo) -> None:
    """Remove the part files of an embedder: they are published now."""
    for path in part_paths(folder, info):
        path.unlink()
