"""Turns the pairs that a search found into rows of a leak report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chaffinch.formats.leak_csv import rows_to_keep
from chaffinch.records import LEAK_TYPES, LeakPair
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.pairs import PairBlock, PairSet, expand_pairs, transforms_of
from chaffinch.storage.samples import RowGatherer, rows_of_keys

_COLUMNS = ["key", "image_path", "uri", "given_label"]


class LeakRows:
    """Streams report rows for pair sets."""

    def __init__(
        self,
        folder: WorkspaceFolder,
        generation: Generation,
        *,
        side: np.ndarray,
        spelling: Mapping[int, str],
    ) -> None:
        """Prepare.

        Args:
            folder: The workspace.
            generation: Its published generation.
            side: Shape (n_samples,), int8: 0 train, 1 test, -1 neither.
            spelling: Sample id to the path that a manifest has; others are spelled as scanned.
        """
        self._folder = folder
        self._generation = generation
        self._samples = RowGatherer(folder.files(generation, "samples"), _COLUMNS)
        self._side = side
        self._spelling = spelling

    def rows(self, found: Sequence[PairSet]) -> Iterator[LeakPair]:
        """Stream one row per pair and method, in no order."""
        for pairs in found:
            for block in expand_pairs(pairs, self._side):
                yield from self._block(pairs, block)

    def kept(self, report: Path, *, searched: Collection[str]) -> Iterator[LeakPair]:
        """Stream the rows of an earlier report by other methods, their images spelled as in this one."""
        keys = {
            key for row in rows_to_keep(report, searched=searched) for key in (row.train_key, row.test_key)
        }
        spelled = self._spelled(keys)
        for row in rows_to_keep(report, searched=searched):
            yield replace(
                row,
                train_image=spelled.get(row.train_key, row.train_image),
                test_image=spelled.get(row.test_key, row.test_image),
            )

    def _spelled(self, keys: set[str]) -> dict[str, str]:
        names = sorted(keys)
        rows = rows_of_keys(self._folder.files(self._generation, "samples"), names)
        if not (rows >= 0).any():
            return {}
        paths = self._samples.take(rows[rows >= 0]).column("image_path").to_pylist()
        found = ((name, row) for name, row in zip(names, rows.tolist(), strict=True) if row >= 0)
        return {name: self._spelling.get(row, path) for (name, row), path in zip(found, paths, strict=True)}

    def _block(self, pairs: PairSet, block: PairBlock) -> Iterator[LeakPair]:
        train, test = self._described(block.sample_a), self._described(block.sample_b)
        words = transforms_of(pairs, block)
        for a, b, edge, transform in zip(train, test, block.edge.tolist(), words, strict=True):
            distance = int(pairs.hamming_distance[edge])
            labels = (a["given_label"], b["given_label"])
            yield LeakPair(
                train_image=a["image_path"],
                test_image=b["image_path"],
                method=pairs.method,
                similarity=float(pairs.similarity[edge]),
                leak_type=LEAK_TYPES[pairs.method],
                hamming_distance=None if distance < 0 else distance,
                transform=transform,
                train_label=labels[0],
                test_label=labels[1],
                labels_agree=None if None in labels else labels[0] == labels[1],
                train_key=a["key"],
                test_key=b["key"],
                train_uri=a["uri"],
                test_uri=b["uri"],
            )

    def _described(self, sample_ids: np.ndarray) -> list[dict[str, str]]:
        unique, place = np.unique(sample_ids, return_inverse=True)
        rows = self._samples.take(unique).to_pylist()
        for sample, row in zip(unique.tolist(), rows, strict=True):
            row["image_path"] = self._spelling.get(sample, row["image_path"])
        return [rows[i] for i in place.tolist()]
