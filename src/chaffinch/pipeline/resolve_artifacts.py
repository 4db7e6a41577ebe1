"""Writes what was resolved: the final manifest, removal lists and relabel maps; counts for the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaffinch.apply.lists import ChangedSample, ListsSpec, folder_rows, write_lists
from chaffinch.curate.policy import Limit, Policy
from chaffinch.curate.resolve import Settled, Waiver
from chaffinch.curate.state import NOTHING, SubjectState
from chaffinch.formats.location import local_path
from chaffinch.formats.manifest_csv import write_manifest
from chaffinch.identity import is_canonical_int, order_splits, path_from_text
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


def summarise(resolution: Resolution) -> ResolveSummary:
    """Count what happens to the samples of a resolution."""
    summary = ResolveSummary(len(resolution.samples))
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for key, given in _keys_and_labels(resolution):
        settled = resolution.settled.get(key)
        label = NO_LABEL if given is None else given
        before[label] += 1
        summary.n_leaking += any(row["issue_type"] == LEAK for row in resolution.issues.get(key, ()))
        if settled is None:
            after[label] += 1
            continue
        _count(summary, settled)
        if settled.action == "remove":
            removed[label] += 1
        else:
            after[settled.new_label or label] += 1
    labels = sorted(before.keys() | after.keys())
    summary.classes = [ClassBalance(x, before[x], after[x], removed[x]) for x in labels]
    return summary


def _keys_and_labels(resolution: Resolution) -> Iterator[tuple[str, str | None]]:
    columns = (resolution.samples.column(name).to_pylist() for name in ("key", "given_label"))
    return zip(*columns, strict=True)


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
    more = ("split_row", "resolution", "key")
    has_integer_labels = _has_integer_labels(resolution)
    write_manifest(manifest, _manifest_rows(resolution, is_whole=has_integer_labels), more=more)
    ids = resolution.samples.column("image_id").to_pylist()
    rows = _folder_rows(resolution)
    spec = ListsSpec(
        dataset=resolution.dataset,
        splits=tuple(order_splits(resolution.samples.column("split").to_pylist())),
        has_integer_labels=has_integer_labels,
        has_folder_rows=bool(rows),
        has_unique_ids=len(set(ids)) == len(ids),
    )
    return [manifest, *write_lists(target, spec, list(_changed(resolution, rows)))]


def _has_integer_labels(resolution: Resolution) -> bool:
    labels = set(resolution.samples.column("given_label").to_pylist())
    new = {s.new_label for s in resolution.settled.values() if s.new_label is not None}
    return bool(labels) and None not in labels and all(map(is_canonical_int, labels | new))


def _changed(resolution: Resolution, rows: Mapping[str, int]) -> Iterator[ChangedSample]:
    columns = ("key", "image_id", "split", "split_row")
    values = (resolution.samples.column(name).to_pylist() for name in columns)
    for key, image_id, split, split_row in zip(*values, strict=True):
        settled = resolution.settled.get(key)
        if settled is None or settled.action not in ("remove", "relabel"):
            continue
        label = settled.new_label if settled.action == "relabel" else None
        yield ChangedSample(str(image_id), split, split_row, rows.get(key), label)


def _folder_rows(resolution: Resolution) -> dict[str, int]:
    """Return the row of each image in torchvision's ImageFolder of its split; empty for other sources."""
    uris = [*resolution.source.get("locations", ()), *resolution.source.get("splits", {}).values()]
    places = [local_path(path_from_text(uri)) for uri in uris]
    members = set(resolution.samples.column("member").to_pylist())
    if not places or members != {""} or not all(place and Path(place).is_dir() for place in places):
        return {}
    names = (resolution.samples.column(n).to_pylist() for n in ("split", "key", "rel_path"))
    by_split: dict[str, list[tuple[str, str]]] = {}
    for split, key, rel_path in zip(*names, strict=True):
        by_split.setdefault(split, []).append((key, rel_path))
    found: dict[str, int] = {}
    for images in by_split.values():
        rows = folder_rows([rel_path for _, rel_path in images])
        found |= {key: row for (key, _), row in zip(images, rows, strict=True) if row is not None}
    return found


def _manifest_rows(resolution: Resolution, *, is_whole: bool) -> Iterator[dict[str, str]]:
    columns = ("key", "image_id", "image_path", "split", "split_row", "given_label")
    values = (resolution.samples.column(name).to_pylist() for name in columns)
    for key, image_id, image_path, split, split_row, label in zip(*values, strict=True):
        settled = resolution.settled.get(key, Settled(key))
        state = resolution.states.get(key, NOTHING)
        yield {
            "image_id": str(image_id),
            "image_path": image_path,
            "dataset": resolution.dataset,
            "split": split,
            "label": label or "",
            **_flags(resolution.issues.get(key, ())),
            "user_tags": ",".join(state.tags),
            "user_action": settled.action,
            # Integer labels go out in every row, so that the column stays one of integers.
            "new_label": settled.new_label or ((label or "") if is_whole else ""),
            "reviewer_name": ", ".join(settled.who) or state.reviewer,
            "reviewed_at": state.reviewed_at,
            "notes": state.note,
            "split_row": "" if split_row is None else str(split_row),
            "resolution": _words(settled, state),
            "key": key,
        }


def _flags(issues: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the columns about findings: all types, and what the surest one says."""
    if not issues:
        return {}
    first = issues[0]
    return {
        "vl_flag_type": ";".join(dict.fromkeys(row["issue_type"] for row in issues)),
        "vl_confidence": "" if first["confidence"] is None else f"{first['confidence']:.6g}",
        "vl_suggested_label": next((r["suggested_label"] for r in issues if r["suggested_label"]), ""),
        "vl_reason": first["reason"],
    }


def _words(settled: Settled, state: SubjectState) -> str:
    if settled.disagreement:
        return f"open: {settled.disagreement}"
    if settled.action == "remove":
        return f"removed for {', '.join(settled.reasons)}"
    if settled.waiver is not None:
        return f"leak waived by {settled.waiver.who}"
    if settled.lacks_label:
        return "to be relabelled, without a label"
    return "" if settled.action in ("none", "keep") else settled.action
