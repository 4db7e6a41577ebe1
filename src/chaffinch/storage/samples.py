"""Publishes the table `samples` after a scan, and reads thumbnails by sample id.

The new table joins, row by row, what the source says now (the listing) with what was measured (the last
generation and the new shards). Memory stays flat: rows are gathered a few thousand at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chaffinch.identity import ImageIds, is_canonical_int, sample_key
from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import Generation, WorkspaceFolder, open_table, with_identity
from chaffinch.storage.plan import ScanPlan
from chaffinch.storage.schema import MEASURED_FIELDS, REF_FIELDS, THUMB_FIELDS, samples_schema
from chaffinch.storage.shards import pending_plans, shard_path, thumbs_path

ROWS_PER_BATCH = 8192
VANISHED = "was not there at the last scan"
"""`error` of a sample that its source no longer lists."""
ROWS_PER_PART = 1 << 20
"""Rows of one file of the published table."""
THUMB_GROUPS_CACHED = 256
"""Row groups whose thumbnails' places stay in memory, 130 KB each: those of two million images."""


class RowGatherer:
    """Takes rows by number from parquet files laid end to end; keeps a few row groups in memory."""

    def __init__(self, paths: Sequence[Path], columns: list[str], *, n_cached: int = 8) -> None:
        self._columns = columns
        self._groups: list[tuple[Path, int]] = []
        # Kept, since the footer of a million rows takes longer to read than a row group.
        self._metadata: dict[Path, pq.FileMetaData] = {}
        lengths: list[int] = []
        for path in paths:
            with open_table(path) as file:
                metadata = self._metadata[path] = file.metadata
            for group in range(metadata.num_row_groups):
                self._groups.append((path, group))
                lengths.append(metadata.row_group(group).num_rows)
        self._starts = np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64))])
        self._cache: OrderedDict[int, pa.Table] = OrderedDict()
        self._n_cached = n_cached

    def take(self, rows: np.ndarray) -> pa.Table:
        """Return the rows with these numbers, in this order. Shape (N,), int64, N > 0."""
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(groups, kind="stable")
        ordered = rows[order]
        numbers, firsts = np.unique(groups[order], return_index=True)
        pieces = []
        for group, inside in zip(numbers.tolist(), np.split(ordered, firsts[1:]), strict=True):
            pieces.append(self._group(group).take(pa.array(inside - self._starts[group])))
        back = np.empty(len(rows), dtype=np.int64)
        back[order] = np.arange(len(rows))
        # Rows kept from a scan of an older version may lack columns.
        return pa.concat_tables(pieces, promote_options="default").take(pa.array(back))

    def _group(self, group: int) -> pa.Table:
        if group in self._cache:
            self._cache.move_to_end(group)
            return self._cache[group]
        path, number = self._groups[group]
        with open_table(path, metadata=self._metadata[path]) as file:
            table = file.read_row_group(number, columns=self._columns)
        self._cache[group] = table
        if len(self._cache) > self._n_cached:
            self._cache.popitem(last=False)
        return table


def settle_image_ids(plan: ScanPlan) -> ImageIds:
    """Read the listing once and decide the rule for the image ids of every split.

    What vanished has no say: a moved file would leave two images with one row number, and so none with any.
    """
    ids = ImageIds(plan.splits)
    columns = ["split", "rel_path", "source_id", "is_listed"]
    with pq.ParquetFile(plan.listing) as file:
        for every in file.iter_batches(batch_size=ROWS_PER_BATCH, columns=columns):
            batch = every.filter(every.column("is_listed"))
            for split, rows in _by_split(batch.column("split")):
                part = batch.take(pa.array(rows))
                ids.observe(split, part.column("rel_path").to_pylist(), part.column("source_id").to_pylist())
    ids.settle()
    return ids


def _by_split(splits: pa.Array) -> Iterator[tuple[str, np.ndarray]]:
    values = np.array(splits.to_pylist(), dtype=object)
    for name in dict.fromkeys(values.tolist()):
        yield name, np.flatnonzero(values == name)


def write_samples(
    folder: WorkspaceFolder, generation: Generation, plan: ScanPlan, *, ids: ImageIds
) -> list[str]:
    """Write the table `samples` of the generation after `generation`; returns its files.

    Samples that vanished keep the image id that they had last; where it is no number, the column is text.
    """
    listing_row = _rows_of_listing(plan)
    numbers = np.flatnonzero(listing_row >= 0)
    measured, measured_row = _measured(folder, generation, plan)
    ref_columns = [f.name for f in REF_FIELDS]
    listing = RowGatherer([plan.listing], [*ref_columns, "is_listed"])
    last = RowGatherer(folder.files(generation, "samples"), ["image_id", "split_row"])
    is_integer = ids.is_integer and _were_integers(last, plan.vanished)
    schema = with_identity(samples_schema(is_integer_id=is_integer), "samples", generation.dataset)
    names: list[str] = []
    for part, start in enumerate(range(0, plan.n_samples, ROWS_PER_PART)):
        names.append(folder.table_name(generation, "samples", part))
        stop = min(start + ROWS_PER_PART, plan.n_samples)
        with atomic_path(folder.root / names[-1]) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for first in range(start, stop, ROWS_PER_BATCH):
                rows = numbers[first : min(first + ROWS_PER_BATCH, stop)]
                refs = listing.take(listing_row[rows])
                columns = {
                    "sample_id": pa.array(np.arange(first, first + len(rows))),
                    **_image_ids(rows, refs, ids=ids, last=last),
                    **_joined(refs, measured.take(measured_row[rows])),
                }
                writer.write_table(pa.table(columns).select(schema.names).cast(schema))
    return names


def _rows_of_listing(plan: ScanPlan) -> np.ndarray:
    """Return shape (n_numbers,): where each number stands in the listing, -1 where it does not."""
    rows = np.full(plan.n_numbers, -1, dtype=np.int64)
    with pq.ParquetFile(plan.listing) as file:
        position = 0
        for batch in file.iter_batches(columns=["sample_id"]):
            rows[batch.column(0).to_numpy()] = np.arange(position, position + len(batch))
            position += len(batch)
    return rows


def _measured(
    folder: WorkspaceFolder, generation: Generation, plan: ScanPlan
) -> tuple[RowGatherer, np.ndarray]:
    """Return all measurements, and where that of each sample is: the newest shard wins."""
    numbers = pending_plans(folder)
    paths = folder.files(generation, "samples") + [shard_path(folder, n) for n in numbers]
    row = np.full(plan.n_numbers, -1, dtype=np.int64)
    row[: generation.n_samples] = np.arange(generation.n_samples)
    position = generation.n_samples
    for number in numbers:
        sample_ids = pq.read_table(shard_path(folder, number), columns=["sample_id"]).column(0).to_numpy()
        row[sample_ids] = np.arange(position, position + len(sample_ids))
        position += len(sample_ids)
    columns = [f.name for f in [*MEASURED_FIELDS, *THUMB_FIELDS]]
    return RowGatherer(paths, columns), row


def _were_integers(last: RowGatherer, vanished: Sequence[int]) -> bool:
    """Tell whether the last image ids of all vanished samples are decimal numbers."""
    blocks = (np.array(vanished[i : i + ROWS_PER_BATCH]) for i in range(0, len(vanished), ROWS_PER_BATCH))
    texts = (str(i) for rows in blocks for i in last.take(rows).column("image_id").to_pylist())
    return all(map(is_canonical_int, texts))


def _image_ids(
    numbers: np.ndarray, refs: pa.Table, *, ids: ImageIds, last: RowGatherer
) -> dict[str, pa.Array]:
    """Return `image_id`, as text, and `split_row` of the samples with these numbers."""
    is_listed = np.array(refs.column("is_listed"))
    image_ids = np.full(len(refs), None, dtype=object)
    split_rows = np.full(len(refs), None, dtype=object)
    for split, rows in _by_split(refs.column("split")):
        rows = rows[is_listed[rows]]
        part = refs.take(pa.array(rows))
        paths = part.column("rel_path").to_pylist()
        image_ids[rows] = ids.assign(split, paths, part.column("source_id").to_pylist())
        split_rows[rows] = ids.split_rows(split, paths)
    gone = np.flatnonzero(~is_listed)
    if len(gone):
        known = last.take(numbers[gone])
        image_ids[gone] = [str(i) for i in known.column("image_id").to_pylist()]
        split_rows[gone] = known.column("split_row").to_pylist()
    return {"image_id": pa.array(image_ids, pa.string()), "split_row": pa.array(split_rows, pa.int64())}


def _joined(refs: pa.Table, measured: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Lay side by side what the source says and what was measured, row for row."""
    splits, paths = refs.column("split").to_pylist(), refs.column("rel_path").to_pylist()
    columns = {name: refs.column(name) for name in refs.column_names if name != "is_listed"}
    columns |= {name: measured.column(name) for name in measured.column_names}
    is_listed = refs.column("is_listed")
    columns["outcome"] = pc.if_else(is_listed, measured.column("outcome"), "missing")
    columns["error"] = pc.if_else(is_listed, measured.column("error"), VANISHED)
    # Bytes that could not be read may be readable next time: without a stamp they are looked at again.
    was_read = pc.or_(pc.is_valid(measured.column("bytes_digest")), pc.equal(columns["outcome"], "skipped"))
    columns["stamp"] = pc.if_else(pc.and_(is_listed, was_read), refs.column("stamp"), "")
    columns["key"] = pa.array([sample_key(s, p) for s, p in zip(splits, paths, strict=True)])
    return columns


def rows_of_keys(samples: Sequence[Path], keys: Sequence[str]) -> np.ndarray:
    """Return the sample id of each key, shape (N,), int64; -1 for a key that no sample has.

    Args:
        samples: The files of the table `samples`.
        keys: Keys in any order.

    Cost: reads one column; memory of the keys given, about 50 ns a sample.
    """
    distinct = pa.array(list(dict.fromkeys(keys)), pa.string())
    found = np.full(len(distinct), -1, dtype=np.int64)
    for path in samples if len(distinct) else ():
        with open_table(path) as file:
            table = file.read(columns=["sample_id", "key"])
        place = pc.index_in(table.column("key"), value_set=distinct).combine_chunks()
        is_hit = pc.is_valid(place)
        found[place.filter(is_hit).to_numpy()] = table.column("sample_id").filter(is_hit).to_numpy()
    wanted: np.ndarray = found[pc.index_in(pa.array(keys, pa.string()), value_set=distinct).to_numpy()]
    return wanted


def present_samples(folder: WorkspaceFolder, generation: Generation) -> np.ndarray:
    """Return which samples the source still has, shape (n_samples,), bool. Cost: reads two columns."""
    is_here = np.ones(generation.n_samples, dtype=bool)
    columns = ["sample_id", "outcome", "error"]
    for batch in folder.batches(generation, "samples", columns=columns, rows=1 << 16):
        is_missing = pc.equal(batch.column("outcome"), "missing")
        is_gone = pc.fill_null(pc.and_(is_missing, pc.equal(batch.column("error"), VANISHED)), False)
        is_here[batch.column("sample_id").filter(is_gone).to_numpy()] = False
    return is_here


def remove_unused_thumbs(folder: WorkspaceFolder, generation: Generation) -> None:
    """Remove the thumbnail blobs that no published sample refers to."""
    used: set[int] = set()
    for batch in folder.batches(generation, "samples", columns=["thumb_shard"]):
        used.update(pc.unique(batch.column(0)).to_pylist())
    for path in (folder.root / "thumbs").glob("[0-9]*.bin"):
        if int(path.stem) not in used:
            path.unlink()


def thumb_places(folder: WorkspaceFolder, generation: Generation) -> RowGatherer:
    """Return what `read_thumbs` needs; kept from call to call it saves 15 ms a million for the footers."""
    files = folder.files(generation, "samples")
    return RowGatherer(files, [f.name for f in THUMB_FIELDS], n_cached=THUMB_GROUPS_CACHED)


def read_thumbs(folder: WorkspaceFolder, places: RowGatherer, sample_ids: np.ndarray) -> list[bytes | None]:
    """Return the stored thumbnail (JPEG) of each sample; None where it has none.

    Args:
        folder: The workspace.
        places: Of `thumb_places`, for the generation that the sample ids belong to.
        sample_ids: Shape (N,), int64.
    """
    if not len(sample_ids):
        return []
    taken = places.take(sample_ids)
    shards, offsets, sizes = (taken.column(f.name).to_pylist() for f in THUMB_FIELDS)
    found: list[bytes | None] = [None] * len(sample_ids)
    by_shard = sorted((shard, row) for row, shard in enumerate(shards) if shard is not None)
    for shard, row in by_shard:
        path = thumbs_path(folder, shard)
        if not path.exists():
            continue  # a later scan measured these images again and removed the blob
        with path.open("rb") as blob:
            blob.seek(offsets[row])
            found[row] = blob.read(sizes[row])
    return found
