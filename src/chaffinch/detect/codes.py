"""Groups of samples whose codes are equal: digests or perceptual hashes.

Ten thousand equal codes are one group, so nothing later has to look at their fifty million pairs. Groups are
in CSR form (offsets and members); they come in the order of their first member, so the same rows give the
same groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from chaffinch.errors import SchemaError

DIGEST_HEX = 32
"""Hex digits of a digest: 128 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """A partition of N rows into G groups."""

    offsets: np.ndarray
    """Shape (G + 1,), int64: group g has the members `members[offsets[g]:offsets[g + 1]]`."""
    members: np.ndarray
    """Shape (N,), int64: row numbers, rising within a group."""
    of_row: np.ndarray
    """Shape (N,), int64: the group of each row."""

    @property
    def sizes(self) -> np.ndarray:
        """Shape (G,), int64: number of members."""
        return np.diff(self.offsets)

    @property
    def first(self) -> np.ndarray:
        """Shape (G,), int64: the lowest row of each group."""
        lowest: np.ndarray = self.members[self.offsets[:-1]]
        return lowest


def group_codes(codes: np.ndarray) -> Groups:
    """Group rows whose codes are equal.

    Args:
        codes: Shape (N,) or (N, K), dtype uint64: one code, or K words that are all compared.

    Raises:
        SchemaError: If dtype or rank differs.

    Cost: one sort; 40 bytes a row.
    """
    if codes.dtype != np.uint64 or codes.ndim not in (1, 2):
        raise SchemaError(
            f"codes must be uint64 of shape (N,) or (N, K), got {codes.dtype} and {codes.shape}",
            where="codes",
        )
    words = codes if codes.ndim == 2 else codes[:, np.newaxis]
    order = np.lexsort(words.T[::-1])
    is_new = np.ones(len(codes), dtype=bool)
    is_new[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    label = np.empty(len(codes), dtype=np.int64)
    label[order] = np.cumsum(is_new) - 1
    return _from_labels(label)


def group_digests(*digests: np.ndarray) -> Groups:
    """Group rows that share at least one of their digests, directly or through other rows.

    Args:
        digests: Each of shape (N, 2), uint64, from `digest_words`; a row of zeros has no digest and is equal
            to nothing.

    Raises:
        SchemaError: If dtype or shape differs.
    """
    n = len(digests[0])
    if any(d.dtype != np.uint64 or d.shape != (n, 2) for d in digests):
        raise SchemaError("digests must be uint64 of shape (N, 2), all of one length", where="digests")
    rows, nodes, n_nodes = [np.empty(0, np.int64)], [np.empty(0, np.int64)], n
    for words in digests:
        has_digest = np.flatnonzero(words.any(axis=1))
        groups = group_codes(words[has_digest])
        rows.append(has_digest)
        nodes.append(groups.of_row + n_nodes)
        n_nodes += len(groups.sizes)
    edge = (np.concatenate(rows), np.concatenate(nodes))
    graph = coo_array((np.ones(len(edge[0]), dtype=bool), edge), shape=(n_nodes, n_nodes))
    label = connected_components(graph, directed=False)[1]
    return _from_labels(label[:n].astype(np.int64))


def _from_labels(label: np.ndarray) -> Groups:
    """Number groups by their first member."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    of_row = rank[inverse]
    members = np.argsort(of_row, kind="stable").astype(np.int64)
    offsets = np.zeros(len(first) + 1, dtype=np.int64)
    np.cumsum(np.bincount(of_row, minlength=len(first)), out=offsets[1:])
    return Groups(offsets, members, of_row)


def digest_words(texts: Iterable[str | None]) -> np.ndarray:
    """Turn 128-bit digests in hex into words that compare fast.

    Args:
        texts: N digests of 32 hex digits; None or '' where there is none. An Arrow column's `to_pylist()`
            serves.

    Returns:
        Shape (N, 2), uint64; zeros where there is none.

    Raises:
        SchemaError: If a text is no such digest.
    """
    filled = [text or "0" * DIGEST_HEX for text in texts]
    wrong = next((text for text in filled if len(text) != DIGEST_HEX), None)
    if wrong is not None:
        raise SchemaError(f"a digest has {DIGEST_HEX} hex digits, got {wrong!r}", where="digests")
    try:
        raw = bytes.fromhex("".join(filled))
    except ValueError as error:
        raise SchemaError(f"a digest has hex digits only: {error}", where="digests") from error
    return np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(-1, 2)
