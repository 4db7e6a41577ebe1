"""Writes what was resolved: the final manifest, removal lists and relabel maps; counts for the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.apply.lists import ChangedSample, ListsSpec, folder_rows, write_lists
from chaffinch.curate.policy import Limit, Policy
from chaffinch.curate.resolve import Settled, Waiver
from chaffinch.formats.location import local_path
from chaffinch.formats.manifest_csv import write_manifest_tables
from chaffinch.identity import is_canonical_int, order_splits, path_from_text
from chaffinch.pipeline.final_manifest import manifest_tables
from chaffinch.pipeline.resolve import Resolution
from chaffinch.storage.issues import LEAK

NO_LABEL = "(no label)"
"""Stands for a missing label in the class balance."""


@dataclass(frozen=True, slots=True)
class ClassBalance:
    """How many samples a class has."""

    label: str
    """Given label, or the label that goes out."""
    before: int
    """Samples given this label."""
    after: int
    """Samples that leave with it."""
    removed: int
    """Samples given this label that are removed."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit of a policy that the removals exceed."""

    policy: str
    """Name of the policy."""
    label: str | None
    """The class; None for the whole dataset."""
    removed: int
    """Samples that would be removed."""
    allowed: int
    """Samples that may be."""
    limit: Limit
    """As the policy says it."""


@dataclass(slots=True)
class ResolveSummary:
    """Counts of what was resolved."""

    n_samples: int
    """Samples that are there."""
    n_removed: int = 0
    """Samples that go."""
    n_relabelled: int = 0
    """Samples that get another label."""
    removed_by: Counter[str] = field(default_factory=Counter)
    """Samples removed by reason; one that has several counts for each."""
    relabelled_by: Counter[str] = field(default_factory=Counter)
    """Samples relabelled by who decided it."""
    classes: list[ClassBalance] = field(default_factory=list)
    """By label."""
    disagreements: list[tuple[str, str]] = field(default_factory=list)
    """Key and who says what, for each sample that persons disagree about; kept."""
    waivers: list[Waiver] = field(default_factory=list)
    """Leaking images that persons keep."""
    without_label: list[str] = field(default_factory=list)
    """Keys of samples to be relabelled that have no label to get; kept as they are."""
    n_leaking: int = 0
    """Samples with a leak finding, on either side."""
    n_reopened: int = 0
    """Samples that were decided about when they had other content, and are open again."""


def summarise(resolution: Resolution) -> ResolveSummary:
    """Count what happens to the samples of a resolution."""
    issues, given = resolution.issues, resolution.samples.column("given_label")
    summary = ResolveSummary(len(resolution.samples), n_reopened=len(resolution.reopened))
    summary.n_leaking = len(np.unique(issues.sample_id[issues.of_type(LEAK)]))
    counts = pc.value_counts(pc.fill_null(given, NO_LABEL)).to_pylist()
    before = Counter({row["values"]: row["counts"] for row in counts})
    after, removed = before.copy(), Counter[str]()
    places = resolution.places(resolution.settled)
    labels = pc.fill_null(given.take(pa.array(places)), NO_LABEL).to_pylist()
    for settled, label in zip(resolution.settled.values(), labels, strict=True):
        _count(summary, settled)
        if settled.action == "remove":
            removed[label] += 1
            after[label] -= 1
        elif settled.new_label:
            after[label] -= 1
            after[settled.new_label] += 1
    summary.classes = [
        ClassBalance(x, before[x], after[x], removed[x]) for x in sorted(before.keys() | after.keys())
    ]
    return summary


def _count(summary: ResolveSummary, settled: Settled) -> None:
    if settled.action == "remove":
        summary.n_removed += 1
        summary.removed_by.update(settled.reasons)
    if settled.action == "relabel":
        summary.n_relabelled += 1
        summary.relabelled_by.update(settled.who)
    if settled.lacks_label:
        summary.without_label.append(settled.key)
    if settled.disagreement:
        summary.disagreements.append((settled.key, settled.disagreement))
    if settled.waiver is not None and settled.action != "remove":
        summary.waivers.append(settled.waiver)


def exceeded_limits(summary: ResolveSummary, policies: Sequence[Policy]) -> list[Exceeded]:
    """Return the limits that the removals exceed, the whole dataset first, then the worst class."""
    found = []
    for policy in policies:
        overall, per_class = policy.max_removed, policy.max_removed_per_class
        if overall is not None:
            allowed = overall.allowed(summary.n_samples)
            found.append(Exceeded(policy.name, None, summary.n_removed, allowed, overall))
        if per_class is not None:
            found += [
                Exceeded(policy.name, c.label, c.removed, per_class.allowed(c.before), per_class)
                for c in summary.classes
            ]
    over = [e for e in found if e.removed > e.allowed]
    return sorted(over, key=lambda e: (e.label is not None, e.allowed - e.removed, e.label or "", e.policy))


# ------------------------------------------------------------------------------------------------- writing


def write_artifacts(resolution: Resolution, target: Path) -> list[Path]:
    """Write the final manifest and the lists into `target`; returns their paths.

    The same decisions give the same bytes.
    """
    manifest = target / f"{resolution.dataset}_final_cleaning_manifest.csv"
    has_integer_labels = _has_integer_labels(resolution)
    tables = manifest_tables(resolution, is_whole=has_integer_labels)
    write_manifest_tables(manifest, tables, more=("split_row", "resolution", "key"))
    rows = _folder_rows(resolution)
    spec = ListsSpec(
        dataset=resolution.dataset,
        splits=tuple(order_splits(pc.unique(resolution.samples.column("split")).to_pylist())),
        has_integer_labels=has_integer_labels,
        has_folder_rows=rows is not None,
        has_unique_ids=has_unique_ids(resolution),
    )
    return [manifest, *write_lists(target, spec, list(_changed(resolution, rows)))]


def has_unique_ids(resolution: Resolution) -> bool:
    """Tell whether no two samples have the same image id."""
    ids = resolution.samples.column("image_id")
    return bool(pc.count_distinct(ids).as_py() == len(ids))


def _has_integer_labels(resolution: Resolution) -> bool:
    labels = set(pc.unique(resolution.samples.column("given_label")).to_pylist())
    new = {s.new_label for s in resolution.settled.values() if s.new_label is not None}
    return bool(labels) and None not in labels and all(map(is_canonical_int, labels | new))


def _changed(resolution: Resolution, rows: np.ndarray | None) -> Iterator[ChangedSample]:
    """Yield the samples that are removed or relabelled, in order."""
    changed = {k: s for k, s in resolution.settled.items() if s.action in ("remove", "relabel")}
    places = np.sort(resolution.places(changed))
    part = resolution.samples.select(["key", "image_id", "split", "split_row"]).take(pa.array(places))
    of_folder = np.full(len(places), -1) if rows is None else rows[places]
    columns = (part.column(number).to_pylist() for number in range(part.num_columns))
    for key, image_id, split, split_row, folder_row in zip(*columns, of_folder.tolist(), strict=True):
        label = changed[key].new_label if changed[key].action == "relabel" else None
        yield ChangedSample(str(image_id), split, split_row, None if folder_row < 0 else folder_row, label)


def _folder_rows(resolution: Resolution) -> np.ndarray | None:
    """Return the row of each image in torchvision's ImageFolder of its split, -1 for those passed over.

    None for sources other than image folders.
    """
    uris = [*resolution.source.get("locations", ()), *resolution.source.get("splits", {}).values()]
    folders = [local_path(path_from_text(uri)) for uri in uris]
    members = pc.unique(resolution.samples.column("member")).to_pylist()
    if not folders or members != [""] or not all(place and Path(place).is_dir() for place in folders):
        return None
    splits, keys = resolution.samples.column("split"), resolution.samples.column("key")
    found = np.full(len(splits), -1, dtype=np.int64)
    for split in pc.unique(splits).to_pylist():
        n_rows = 0
        for places, own in _by_class_folder(keys, np.flatnonzero(pc.equal(splits, split).to_numpy())):
            rows = folder_rows([key.partition("/")[2] for key in own.to_pylist()])
            found[places] = [-1 if row is None else n_rows + row for row in rows]
            n_rows += sum(row is not None for row in rows)
    return found


def _by_class_folder(
    keys: pa.ChunkedArray, places: np.ndarray
) -> Iterator[tuple[np.ndarray, pa.ChunkedArray]]:
    """Yield rows and keys of each class folder of a split, folders in order; a whole split takes too much."""
    keys = keys.take(pa.array(places))
    heads = pc.struct_field(pc.extract_regex(keys, r"^[^/]*/(?P<head>[^/]*)"), "head")
    folders = heads.combine_chunks().dictionary_encode()
    codes = folders.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    places, keys = places[order], keys.take(pa.array(order))
    bounds = np.searchsorted(codes[order], np.arange(len(folders.dictionary) + 1))
    names = [path_from_text(text) for text in folders.dictionary.to_pylist()]
    for number in sorted(range(len(names)), key=names.__getitem__):
        start, stop = bounds[number : number + 2].tolist()
        yield places[start:stop], keys.slice(start, stop - start)
