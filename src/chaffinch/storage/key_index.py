"""Finds samples by key without reading the table each time, which at a million takes a third of a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from chaffinch.storage.folder import open_table
from chaffinch.storage.samples import ROWS_PER_BATCH, rows_of_keys


class KeyIndex:
    """The samples of one table by the hash of their key. Cost: .5 us a sample to make, 12 bytes to keep."""

    def __init__(self, samples: Sequence[Path], *, hashed: Callable[[str], int] = hash) -> None:
        """Read the keys once.

        Args:
            samples: The files of the table `samples`.
            hashed: Hash of a key, 64 bits. Python's own is seeded anew in each process, so that nobody can
                choose names that collide; of strangers one in 10^12 is taken for one of ten million samples.
        """
        self._samples = samples
        self._hashed = hashed
        parts = list(_hashes(samples, hashed))
        hashes, ids = (np.concatenate([part[i] for part in parts]) for i in range(2))
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._ids = hashes[order], ids[order]
        self._has_twins = bool((self._hashes[1:] == self._hashes[:-1]).any())

    def ids(self, keys: Sequence[str]) -> np.ndarray:
        """Return the sample id of each key, int64; -1 where no sample has it. Cost: 1 us a key."""
        if self._has_twins or not len(self._ids):
            return rows_of_keys(self._samples, keys)
        wanted = np.fromiter(map(self._hashed, keys), np.int64, len(keys))
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        found = self._ids[places].astype(np.int64)
        found[self._hashes[places] != wanted] = -1
        return found


def _hashes(samples: Sequence[Path], hashed: Callable[[str], int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield np.empty(0, np.int64), np.empty(0, np.uint32)
    for path in samples:
        with open_table(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_BATCH, columns=["sample_id", "key"]):
                keys = batch.column("key").to_pylist()
                ids = batch.column("sample_id").to_numpy().astype(np.uint32)
                yield np.fromiter(map(hashed, keys), np.int64, len(keys)), ids
