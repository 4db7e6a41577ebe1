"""Reads what the detectors need out of a workspace: columns by sample, sides, thumbnails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.compute.shard import measure_shard
from chaffinch.compute.thumbnail import decode_thumbnail
from chaffinch.detect.codes import digest_words
from chaffinch.detect.pair_sets import SampleColumns
from chaffinch.errors import UsageError
from chaffinch.formats.reading import fetch
from chaffinch.records import ORIENTATIONS
from chaffinch.settings import MeasureSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer, read_thumbs, thumb_places
from chaffinch.storage.schema import REF_FIELDS, refs_from

_COLUMNS = ["sample_id", "outcome", "bytes_digest", "pixels_digest", "phash", "phash_d4"]


def load_columns(folder: WorkspaceFolder, generation: Generation) -> SampleColumns:
    """Read digests and hashes of all samples. Cost: 120 bytes a sample."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _COLUMNS}
    for batch in folder.batches(generation, "samples", columns=_COLUMNS):
        parts["sample_id"].append(batch.column("sample_id").to_numpy())
        parts["outcome"].append(pc.equal(batch.column("outcome"), "ok").to_numpy(zero_copy_only=False))
        for name in ("bytes_digest", "pixels_digest"):
            parts[name].append(digest_words(batch.column(name).to_pylist()))
        parts["phash"].append(pc.fill_null(batch.column("phash"), 0).to_numpy())
        parts["phash_d4"].append(_fixed_lists(batch.column("phash_d4")))
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    whole["is_ok"] = whole.pop("outcome")
    return SampleColumns(**whole)


def _fixed_lists(column: pa.FixedSizeListArray) -> np.ndarray:
    values = column.values[column.offset * len(ORIENTATIONS) :][: len(column) * len(ORIENTATIONS)]
    numbers: np.ndarray = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    return numbers.astype(np.uint64).reshape(-1, len(ORIENTATIONS))


def load_is_ok(folder: WorkspaceFolder, generation: Generation) -> np.ndarray:
    """Return shape (n_samples,), bool: whether each image is there and decodes."""
    batches = folder.batches(generation, "samples", columns=["outcome"])
    parts = [pc.equal(batch.column(0), "ok").to_numpy(zero_copy_only=False) for batch in batches]
    return np.concatenate(parts)


def load_splits(folder: WorkspaceFolder, generation: Generation) -> tuple[np.ndarray, list[str]]:
    """Return shape (n_samples,), int16: the split of each sample, and the names of the splits."""
    names: dict[str, int] = {}
    codes: list[np.ndarray] = []
    for batch in folder.batches(generation, "samples", columns=["split"]):
        encoded = batch.column(0).dictionary_encode()
        numbers = [names.setdefault(name, len(names)) for name in encoded.dictionary.to_pylist()]
        codes.append(np.array(numbers, dtype=np.int16)[encoded.indices.to_numpy()])
    return np.concatenate(codes), list(names)


def load_labels(folder: WorkspaceFolder, generation: Generation) -> tuple[np.ndarray, list[str]]:
    """Return shape (n_samples,), int64: the class of each sample's given label, -1 for none; and the labels.

    Classes are numbered in the order of their labels.
    """
    numbers: dict[str, int] = {}
    codes: list[np.ndarray] = []
    for batch in folder.batches(generation, "samples", columns=["given_label"]):
        encoded = batch.column(0).dictionary_encode()
        known = [numbers.setdefault(label, len(numbers)) for label in encoded.dictionary.to_pylist()]
        # One more at the end, so that -1, for a missing label, is itself.
        codes.append(np.array([*known, -1])[pc.fill_null(encoded.indices, -1).to_numpy()])
    labels = sorted(numbers)
    rank = np.empty(len(labels) + 1, dtype=np.int64)
    rank[[numbers[label] for label in labels]] = np.arange(len(labels))
    rank[-1] = -1
    return rank[np.concatenate(codes)], labels


def load_sides(folder: WorkspaceFolder, generation: Generation, between: tuple[str, str]) -> np.ndarray:
    """Return shape (n_samples,), int8: 0 in the first split, 1 in the second, -1 elsewhere.

    Raises:
        UsageError: If the workspace has no such split, or both are the same.
    """
    codes, names = load_splits(folder, generation)
    for name in between:
        if name not in names:
            raise UsageError(
                f"there is no split {name!r}", hint=f"this workspace has {', '.join(sorted(names))}"
            )
    if between[0] == between[1]:
        raise UsageError(f"both sides are {between[0]!r}", hint="duplicates within a split: chaffinch find")
    side = np.full(len(codes), -1, dtype=np.int8)
    side[codes == names.index(between[0])] = 0
    side[codes == names.index(between[1])] = 1
    return side


def sides_fingerprint(folder: WorkspaceFolder, generation: Generation, between: tuple[str, str]) -> str:
    """Return 32 hex digits that differ whenever an image or a label of either split does."""
    digest = hashlib.blake2b("\0".join(between).encode(), digest_size=16)
    facts = ["key", "outcome", "bytes_digest", "given_label"]
    for batch in folder.batches(generation, "samples", columns=["split", *facts]):
        wanted = batch.filter(pc.is_in(batch.column("split"), pa.array(between)))
        for row in zip(*(wanted.column(name).to_pylist() for name in facts), strict=True):
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class Thumbnails:
    """Thumbnails by sample id: the stored ones, or made anew where the scan kept none."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation) -> None:
        self._folder = folder
        self._generation = generation
        self._places = thumb_places(folder, generation)

    def encoded(self, sample_ids: Sequence[int]) -> list[bytes | None]:
        """Return each sample's thumbnail as JPEG; None where its image cannot be read any more."""
        ids = np.array(sample_ids, dtype=np.int64)
        found = read_thumbs(self._folder, self._places, ids)
        missing = [row for row, thumbnail in enumerate(found) if thumbnail is None]
        for row, thumbnail in zip(missing, self._measured(ids[missing]), strict=True):
            found[row] = thumbnail
        return found

    def decoded(self, sample_ids: Sequence[int]) -> list[np.ndarray]:
        """Return each sample's thumbnail, uint8 RGB (height, width, 3); one black pixel if none."""
        black = np.zeros((1, 1, 3), dtype=np.uint8)
        return [black if data is None else decode_thumbnail(data) for data in self.encoded(sample_ids)]

    def _measured(self, sample_ids: np.ndarray) -> Iterator[bytes | None]:
        if not len(sample_ids):
            return
        rows = RowGatherer(self._folder.files(self._generation, "samples"), [f.name for f in REF_FIELDS])
        refs = refs_from(rows.take(sample_ids))
        for measurement in measure_shard(fetch(refs), MeasureSettings(level="full")):
            yield measurement.thumbnail
