"""Finds the sample that each row of an export means: by id, exact path, unique path suffix, then file name.

Nothing is guessed: a row whose id and path name two images, or whose path fits several, is linked to none and
reported. So are rows with different paths that only their tails lead to one sample. A row that names a split
is never linked to a sample of another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.formats.path_matching import PathMatcher
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.imports import StagedImport, staged_batches
from chaffinch.storage.plan import text_digests
from chaffinch.storage.samples import VANISHED

NOT_FOUND, AMBIGUOUS, CONFLICT, NAMELESS = -1, -2, -3, -4
REASONS = {
    NOT_FOUND: "no sample has this id or path",
    AMBIGUOUS: "several samples fit this id or path equally well, or several rows fit one sample",
    CONFLICT: "its id names another image than its path",
    NAMELESS: "it names no image: neither id nor path",
}
"""What stands in place of a sample id where a row could not be linked, and why."""

_COLUMNS = ["split", "key", "image_id", "source_id", "rel_path", "image_path", "uri", "error"]


class DigestIndex:
    """Numbers by text, in 24 bytes an entry; a text with two numbers is ambiguous."""

    def __init__(self, digests: np.ndarray, numbers: np.ndarray) -> None:
        """Take parallel arrays: shape (N,) dtype S16 from `text_digests`, and shape (N,) int64."""
        order = np.argsort(digests, kind="stable")
        digests, numbers = digests[order], numbers[order]
        starts = np.flatnonzero(np.concatenate([[True], digests[1:] != digests[:-1]])[: len(digests)])
        self._digests = digests[starts]
        if len(starts):
            lowest = np.minimum.reduceat(numbers, starts)
            highest = np.maximum.reduceat(numbers, starts)
            self._numbers = np.where(lowest == highest, lowest, AMBIGUOUS)

    def look_up(self, texts: Sequence[str | None]) -> np.ndarray:
        """Return shape (N,) int64: the number of each text, `NOT_FOUND` or `AMBIGUOUS`."""
        found = np.full(len(texts), NOT_FOUND, dtype=np.int64)
        if not len(self._digests):
            return found
        digests = text_digests([text or "" for text in texts])
        place = np.minimum(np.searchsorted(self._digests, digests), len(self._digests) - 1)
        is_text = np.array([text is not None for text in texts], dtype=bool)
        hit = (self._digests[place] == digests) & is_text
        found[hit] = self._numbers[place[hit]]
        return found


class SampleIndex:
    """The samples of a workspace by id and by path. Cost: about 160 bytes a sample, see `PathMatcher`."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation) -> None:
        """Index the table `samples` of a generation."""
        self._folder = folder
        self._generation = generation
        self._matcher: PathMatcher | None = None
        ids: list[tuple[np.ndarray, np.ndarray]] = []
        old_ids: list[tuple[np.ndarray, np.ndarray]] = []
        paths: list[tuple[np.ndarray, np.ndarray]] = []
        self._splits: dict[str, int] = {}
        names, splits = [np.empty(0, "S16")], [np.empty(0, np.int16)]
        start = 0
        for batch in folder.batches(generation, "samples", columns=_COLUMNS):
            rows = {name: batch.column(name).to_pylist() for name in _COLUMNS}
            numbers = np.arange(start, start + len(batch), dtype=np.int64)
            start += len(batch)
            # A moved file leaves its id to the new place: what vanished is meant only where nobody else is.
            is_gone = np.array([error == VANISHED for error in rows["error"]], dtype=bool)
            ids += _entries(rows, numbers, ("image_id", "source_id"), of=~is_gone)
            old_ids += _entries(rows, numbers, ("image_id", "source_id"), of=is_gone)
            paths += _entries(rows, numbers, ("key", "rel_path", "image_path", "uri"))
            names.append(text_digests([_file_name(path) for path in rows["rel_path"]]))
            codes = [self._splits.setdefault(name, len(self._splits)) for name in rows["split"]]
            splits.append(np.array(codes, dtype=np.int16))
        self._by_id, self._by_old_id, self._by_path = _index(ids), _index(old_ids), _index(paths)
        self._names = np.concatenate(names)
        self._split_of = np.concatenate(splits)

    def link(self, entry: StagedImport, *, by_tail: bool = True) -> np.ndarray:
        """Return shape (n_items,) int64: the sample of each item of an import, else a key of `REASONS`.

        Args:
            entry: The import.
            by_tail: Also by the tail of its path; else an id or path must be there word for word.
        """
        columns = ["item_id", "path", "split"]
        linked, tails, digests = [np.empty(0, np.int64)], [np.empty(0, bool)], [np.empty(0, "S16")]
        for batch in staged_batches(self._folder, entry, "items", columns=columns):
            found, is_tail = self._link_batch(batch, by_tail=by_tail)
            linked.append(found)
            tails.append(is_tail)
            digests.append(text_digests([path or "" for path in batch.column("path").to_pylist()]))
        return _without_shared_tails(np.concatenate(linked), np.concatenate(tails), np.concatenate(digests))

    def link_rows(
        self, ids: Sequence[str | None], paths: Sequence[str | None], splits: Sequence[str | None]
    ) -> np.ndarray:
        """Return shape (n_rows,) int64 as `link` does, for rows that are in memory."""
        texts = {"item_id": ids, "path": paths, "split": splits}
        batch = pa.record_batch({name: pa.array(column, pa.string()) for name, column in texts.items()})
        found, is_tail = self._link_batch(batch, by_tail=True)
        return _without_shared_tails(found, is_tail, text_digests([path or "" for path in paths]))

    def _link_batch(self, batch: pa.RecordBatch, *, by_tail: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples of a batch of items, and a mask of those found by the path's tail alone."""
        ids, paths, splits = (batch.column(n).to_pylist() for n in ("item_id", "path", "split"))
        wanted = np.array([self._splits.get(s, -1) if s else -1 for s in splits], dtype=np.int16)
        by_id = self._by_id.look_up(ids)
        by_id = self._of_split(np.where(by_id == NOT_FOUND, self._by_old_id.look_up(ids), by_id), wanted)
        by_path = self._of_split(self._by_path.look_up(paths), wanted)
        found = np.where(by_id >= 0, by_id, by_path)
        found[(by_id >= 0) & (by_path >= 0) & (by_id != by_path)] = CONFLICT
        is_named = np.array([i is not None or p is not None for i, p in zip(ids, paths, strict=True)], bool)
        found[~is_named] = NAMELESS
        is_tail = np.zeros(len(found), dtype=bool)
        # Only paths that are not there word for word, under an id that does not settle it, need the matcher.
        for row in np.flatnonzero(self._needs_match(paths, by_id, by_path)).tolist() if by_tail else ():
            found[row] = self._match(paths[row], splits[row], int(by_id[row]))
            is_tail[row] = by_id[row] < 0 <= found[row]
        found[(found == NOT_FOUND) & (by_id == AMBIGUOUS)] = AMBIGUOUS
        return found, is_tail

    def _needs_match(self, paths: Sequence[str | None], by_id: np.ndarray, by_path: np.ndarray) -> np.ndarray:
        if not len(self._names):
            return np.zeros(len(paths), dtype=bool)
        has_path = np.array([path is not None for path in paths], dtype=bool)
        digests = text_digests([_file_name(path or "") for path in paths])
        agrees = (by_id >= 0) & (self._names[np.maximum(by_id, 0)] == digests)
        needs: np.ndarray = has_path & (by_path < 0) & ~agrees
        return needs

    def _of_split(self, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Let go of samples in another split than the row names, if there is a split of that name."""
        if not len(self._split_of):
            return found
        is_other = (found >= 0) & (wanted >= 0) & (self._split_of[np.maximum(found, 0)] != wanted)
        return np.where(is_other, NOT_FOUND, found)

    def _match(self, path: str, split: str | None, by_id: int) -> int:
        """Match a path by its tail; `by_id` is the sample that the id names, if any."""
        matcher = self._path_matcher()
        known_split = split if split in self._splits else None
        match = matcher.match(path, split=known_split)
        if by_id >= 0:
            return CONFLICT if match.sample not in (None, by_id) else by_id
        if match.is_ambiguous:
            return AMBIGUOUS
        return NOT_FOUND if match.sample is None else match.sample

    def _path_matcher(self) -> PathMatcher:
        if self._matcher is None:
            batches = self._folder.batches(self._generation, "samples", columns=["sample_id", "split", "uri"])
            rows = (
                row
                for batch in batches
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
            )
            self._matcher = PathMatcher(rows)
        return self._matcher


def _without_shared_tails(linked: np.ndarray, is_tail: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """Unlink rows that a tail led to a sample which a row with another path means as well."""
    is_linked = linked >= 0
    samples, where = np.unique(linked[is_linked], return_inverse=True)
    pairs = np.unique(np.stack([where, np.unique(paths[is_linked], return_inverse=True)[1]]), axis=1)
    n_paths = np.bincount(pairs[0], minlength=len(samples))
    shared = np.zeros(len(linked), dtype=bool)
    shared[is_linked] = n_paths[where] > 1
    return np.where(shared & is_tail, AMBIGUOUS, linked)


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _entries(
    rows: dict[str, list[Any]], numbers: np.ndarray, columns: Sequence[str], *, of: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return digests and numbers of the texts that are there, of all rows or those of the mask `of`."""
    entries = []
    for column in columns:
        is_there = np.array([value is not None for value in rows[column]], dtype=bool)
        is_there &= True if of is None else of
        texts = [str(rows[column][row]) for row in np.flatnonzero(is_there).tolist()]
        entries.append((text_digests(texts), numbers[is_there]))
    return entries


def _index(entries: Sequence[tuple[np.ndarray, np.ndarray]]) -> DigestIndex:
    digests = np.concatenate([np.empty(0, "S16"), *(d for d, _ in entries)])
    numbers = np.concatenate([np.empty(0, np.int64), *(n for _, n in entries)])
    return DigestIndex(digests, numbers)
