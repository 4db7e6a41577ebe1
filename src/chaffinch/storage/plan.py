"""The append-only plan of a scan: which sample has which number, and what is still to be measured.

A known image keeps its number; new and changed ones go to new shards; published ones that vanished stay as
`missing`. The plan is streamed: memory is about 50 bytes an image, whatever the length of its path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chaffinch.errors import IdentityError
from chaffinch.identity import sample_key
from chaffinch.records import SampleRef
from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.schema import LISTING_SCHEMA, PLAN_SCHEMA, REF_FIELDS, ref_columns
from chaffinch.storage.shards import FINGERPRINT, pending_plans, plan_path, shard_path

Item = TypeVar("Item")
BATCH = 2048


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of at most `size` items, in order."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What one scan has to do, and what it will publish."""

    n_samples: int
    """Samples known after this scan, vanished ones included."""
    n_numbers: int
    """Numbers given out: also those of images that vanished before they were ever published."""
    shards: list[int]
    """Numbers of the shards still to be measured."""
    next_shard: int
    """First number that no shard uses."""
    listing: Path
    """Parquet file with the ref of every sample, once each."""
    listing_digest: str
    """Digest of all that the source said, in order."""
    n_listed: int
    """Images that the source offers now."""
    n_new: int
    """Images never seen before."""
    n_changed: int
    """Known images to be measured again."""
    vanished: list[int]
    """Ids of published samples that the source no longer offers."""
    labels: set[str]
    """Distinct given labels."""
    splits: list[str]
    """Distinct splits, in the order met."""


def text_digests(texts: Sequence[str]) -> np.ndarray:
    """Return shape (N,), dtype S16: 128-bit digests of texts."""
    raw = b"".join(
        hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts
    )
    return np.frombuffer(raw, dtype="S16")


def _stamp_words(stamps: Sequence[str]) -> np.ndarray:
    """Return shape (N,), uint64: half a digest is enough to tell two stamps of one image apart."""
    return text_digests(stamps).view(np.uint64)[::2]


class KnownSamples:
    """The samples of earlier scans by key: number and stamp. Cost: 32 bytes a sample, 60 while it is made."""

    def __init__(self, n: int) -> None:
        """Make room for `n` entries; `put` them, then `settle` once."""
        self._keys = np.empty(n, "S16")
        self._stamps = np.empty(n, np.uint64)
        self._sample_ids = np.empty(n, np.int64)
        self._n = 0

    def put(self, keys: Sequence[str], stamps: Sequence[str], sample_ids: np.ndarray) -> None:
        """Add entries; where a key stands twice, the later one counts."""
        new = slice(self._n, self._n + len(keys))
        self._keys[new], self._stamps[new] = text_digests(keys), _stamp_words(stamps)
        self._sample_ids[new] = sample_ids
        self._n = new.stop

    def settle(self) -> None:
        """Sort, one column after the other, so that only one of them is in memory twice."""
        order = np.argsort(self._keys, kind="stable")
        self._keys = self._keys[order]
        is_last = np.ones(len(order), dtype=bool)
        is_last[:-1] = self._keys[1:] != self._keys[:-1]
        if not is_last.all():
            order, self._keys = order[is_last], self._keys[is_last]
        self._stamps = self._stamps[order]
        self._sample_ids = self._sample_ids[order]

    @classmethod
    def load(cls, folder: WorkspaceFolder, generation: Generation, *, trust_stamps: bool) -> KnownSamples:
        """Read the published samples and the pending plan.

        With `trust_stamps` false, every published sample counts as changed.
        """
        pending = [plan_path(folder, number) for number in pending_plans(folder)]
        known = cls(generation.n_samples + sum(pq.read_metadata(path).num_rows for path in pending))
        for batch in folder.batches(generation, "samples", columns=["sample_id", "key", "stamp"]):
            stamps = batch.column("stamp").to_pylist() if trust_stamps else [""] * len(batch)
            known.put(batch.column("key").to_pylist(), stamps, batch.column("sample_id").to_numpy())
        for path in pending:
            table = pq.read_table(path, columns=["sample_id", "split", "rel_path", "stamp"])
            parts = (table.column(name).to_pylist() for name in ("split", "rel_path"))
            keys = [sample_key(*pair) for pair in zip(*parts, strict=True)]
            known.put(keys, table.column("stamp").to_pylist(), table.column("sample_id").to_numpy())
        known.settle()
        return known

    def __len__(self) -> int:
        return len(self._keys)

    def look_up(self, keys: np.ndarray, stamps: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return shape (N,) sample ids, -1 where unknown, and a mask of those with an unchanged stamp."""
        found = np.full(len(keys), -1, dtype=np.int64)
        same = np.zeros(len(keys), dtype=bool)
        if len(self._keys):
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            hit = self._keys[place] == keys
            found[hit] = self._sample_ids[place[hit]]
            # An empty stamp means that the bytes could not be read last time: always look again.
            is_stamped = np.array([bool(s) for s in stamps])
            same = hit & is_stamped & (self._stamps[place] == _stamp_words(stamps))
        return found, same


@dataclass(slots=True)
class Planner:
    """Turns a stream of refs into a listing and new shards; `plan` runs it, once."""

    folder: WorkspaceFolder
    generation: Generation
    shard_size: int
    fingerprint: str
    known: KnownSamples
    next_id: int
    next_shard: int
    n_new: int = 0
    n_changed: int = 0
    n_listed: int = 0
    labels: set[str] = field(default_factory=set)
    splits: dict[str, None] = field(default_factory=dict)
    _seen: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    _new_keys: list[np.ndarray] = field(default_factory=list)
    _buffer: list[tuple[int, SampleRef]] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        folder: WorkspaceFolder,
        generation: Generation,
        *,
        fingerprint: str,
        shard_size: int,
        trust_stamps: bool,
    ) -> Planner:
        """Prepare a plan on top of the published samples and of the pending shards.

        Args:
            folder: The workspace, locked by the caller.
            generation: Its published generation.
            fingerprint: Of the settings that decide what is measured.
            shard_size: Images per shard.
            trust_stamps: Take a published image with an unchanged stamp as unchanged.
        """
        pending = pending_plans(folder)
        ids = [pq.read_table(plan_path(folder, n), columns=["sample_id"]).column(0) for n in pending]
        return cls(
            folder=folder,
            generation=generation,
            shard_size=shard_size,
            fingerprint=fingerprint,
            known=KnownSamples.load(folder, generation, trust_stamps=trust_stamps),
            next_id=max([generation.n_samples, *[pc.max(column).as_py() + 1 for column in ids]]),
            next_shard=max([generation.next_shard, *[n + 1 for n in pending]]),
        )

    def plan(
        self, refs: Iterable[SampleRef], *, on_listed: Callable[[int], None], extra_digest: str
    ) -> ScanPlan:
        """Stream `refs`; write ``listing.parquet`` and the plans of new shards.

        Args:
            refs: Everything the source offers.
            on_listed: Called with the number of images listed since the last call.
            extra_digest: Whatever else the source said (boxes, classes), as a digest.

        Raises:
            IdentityError: If two images have the same key; nothing is published then.
        """
        digest = hashlib.blake2b(extra_digest.encode(), digest_size=16)
        self._seen = np.zeros(self.next_id, dtype=bool)
        listing = self.folder.root / "listing.parquet"
        with atomic_path(listing) as temporary, pq.ParquetWriter(temporary, LISTING_SCHEMA) as writer:
            for batch in in_batches(refs, BATCH):
                self._take(batch, writer)
                for ref in batch:
                    digest.update(repr(ref).encode("utf-8", "surrogatepass"))
                on_listed(len(batch))
            self._check_keys()
            # What was planned and never published, nobody knows: where it is not listed any more, it goes.
            vanished = np.flatnonzero(~self._seen[: self.generation.n_samples])
            self._list_vanished(vanished, writer)
        self._flush(0)
        waiting = [n for n in pending_plans(self.folder) if not shard_path(self.folder, n).exists()]
        return ScanPlan(
            n_samples=self.n_listed + len(vanished),
            n_numbers=self.next_id,
            shards=waiting,
            next_shard=self.next_shard,
            listing=listing,
            listing_digest=digest.hexdigest(),
            n_listed=self.n_listed,
            n_new=self.n_new,
            n_changed=self.n_changed,
            vanished=[int(i) for i in vanished],
            labels=self.labels,
            splits=list(self.splits),
        )

    def _take(self, batch: list[SampleRef], writer: pq.ParquetWriter) -> None:
        keys = text_digests([sample_key(r.split, r.rel_path) for r in batch])
        sample_ids, is_same = self.known.look_up(keys, [r.stamp for r in batch])
        is_new = sample_ids < 0
        known_ids = sample_ids[~is_new]
        if self._seen[known_ids].any() or len(np.unique(keys)) < len(keys):
            raise _duplicate_key(batch, keys)
        self._seen[known_ids] = True
        n_new = int(is_new.sum())
        sample_ids[is_new] = np.arange(self.next_id, self.next_id + n_new)
        self.next_id += n_new
        self._new_keys.append(keys[is_new])
        self.n_new += n_new
        self.n_changed += int((~is_new & ~is_same).sum())
        self.n_listed += len(batch)
        self.labels.update(r.given_label for r in batch if r.given_label is not None)
        self.splits.update(dict.fromkeys(r.split for r in batch))
        columns = {"sample_id": sample_ids, **ref_columns(batch), "is_listed": [True] * len(batch)}
        writer.write_table(pa.table(columns, schema=LISTING_SCHEMA))
        ids = sample_ids.tolist()
        self._buffer += [(i, r) for i, r, same in zip(ids, batch, is_same.tolist(), strict=True) if not same]
        self._flush(self.shard_size)

    def _flush(self, at_least: int) -> None:
        """Write full shards' plans; with 0, also the last, smaller one."""
        while len(self._buffer) > max(at_least - 1, 0):
            rows, self._buffer = self._buffer[: self.shard_size], self._buffer[self.shard_size :]
            columns = {"sample_id": [i for i, _ in rows], **ref_columns([r for _, r in rows])}
            table = pa.table(columns, schema=PLAN_SCHEMA.with_metadata({FINGERPRINT: self.fingerprint}))
            with atomic_path(plan_path(self.folder, self.next_shard)) as temporary:
                pq.write_table(table, temporary)
            self.next_shard += 1

    def _check_keys(self) -> None:
        new_keys = np.sort(np.concatenate([np.empty(0, "S16"), *self._new_keys]))
        if (new_keys[1:] == new_keys[:-1]).any():
            raise IdentityError(
                "the source names an image of one split twice",
                where=str(self.folder.root),
                hint="give the sources different splits: --split NAME=PATH",
            )

    def _list_vanished(self, vanished: np.ndarray, writer: pq.ParquetWriter) -> None:
        """Keep the last known ref of every sample that the source no longer offers."""
        if not len(vanished):
            return
        columns = ["sample_id", *[f.name for f in REF_FIELDS]]
        wanted = pa.array(vanished)
        for batch in self.folder.batches(self.generation, "samples", columns=columns):
            rows = pa.Table.from_batches([batch]).filter(pc.is_in(batch.column("sample_id"), wanted))
            if len(rows):
                rows = rows.append_column("is_listed", pa.array([False] * len(rows)))
                writer.write_table(rows.cast(LISTING_SCHEMA))


def _duplicate_key(batch: list[SampleRef], keys: np.ndarray) -> IdentityError:
    _, counts_of = np.unique(keys, return_inverse=True)
    repeated = np.flatnonzero(np.bincount(counts_of)[counts_of] > 1)
    ref = batch[int(repeated[0]) if len(repeated) else 0]
    return IdentityError(
        f"the source names the image {sample_key(ref.split, ref.rel_path)!r} (or one near it) twice",
        where=ref.image_path,
        hint="give the sources different splits: --split NAME=PATH",
    )
