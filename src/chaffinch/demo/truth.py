"""What is planted in the demo dataset, and how much of it was found."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from chaffinch.errors import SourceError
from chaffinch.storage.files import write_json

TRUTH_FILE = "truth.json"
"""What was planted, beside the images."""

LEAK_KINDS = (
    "exact",
    "repacked",
    "recompressed",
    "resized",
    "cropped",
    "mirrored",
    "rotated",
    "framed",
    "overlaid",
)
"""Copies of a train image planted in val."""

DUPLICATE_KINDS = ("duplicate_exact", "duplicate_near")
"""Copies of a train image planted in train under the same label."""

LABEL_CONFLICT = "label_conflict"
"""Exact copies of a train image planted in train under another label."""

BROKEN_KINDS = ("truncated", "empty", "not_an_image")
"""Files that do not decode."""

QUALITY_KINDS = ("blur", "dark", "bright")
"""Images spoilt in place."""

WRONG_LABEL = "wrong_label"
"""Sound images in the folder of another class."""

OUTLIER = "outlier"
"""Drawings among the photographs."""

FLAGGED_KINDS: Mapping[str, tuple[str, ...]] = {
    **{kind: (kind,) for kind in QUALITY_KINDS},
    WRONG_LABEL: ("mislabel",),
    OUTLIER: ("outlier", "label_outlier"),
}
"""Kinds that are flagged one by one, and the issue types of which each should get one."""

SCHEMA = "chaffinch.demo_truth"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted file."""

    kind: str
    """One of the kinds above."""
    path: str
    """Path below the images folder, which is also its key: ``val/cat/cat_0003.jpg``."""
    original: str | None
    """Path of the image it is a copy of; None where it has none."""
    given_label: str
    """Class folder it lies in."""
    true_label: str
    """Photograph it shows; `drawing` for none."""


@dataclass(frozen=True, slots=True)
class DemoTruth:
    """Everything that was planted in a demo dataset."""

    seed: int
    """Seed of the build."""
    n_images: int
    """Files in the dataset, broken ones included."""
    plants: tuple[Plant, ...]
    """Sorted by kind (in the order of planting) and path."""

    def of_kind(self, *kinds: str) -> list[Plant]:
        """Return the plants of some kinds."""
        return [plant for plant in self.plants if plant.kind in kinds]


@dataclass(frozen=True, slots=True)
class DemoFindings:
    """What was found in a demo dataset, as keys; None where nothing looked for it."""

    leak_pairs: Set[tuple[str, str]] | None = None
    """Train key and test key of each leak, by any method."""
    duplicate_groups: Sequence[Set[str]] | None = None
    """Keys of each duplicate group."""
    label_conflicts: Sequence[Set[str]] | None = None
    """Keys of each group of same pixels under different labels."""
    broken: Set[str] | None = None
    """Keys of images whose outcome is broken."""
    flagged: Mapping[str, Set[str]] = field(default_factory=dict)
    """By issue type that was looked for: keys of the images flagged."""


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One line of planted against found."""

    kind: str
    """Kind of plant, or `all leaks`, `all duplicates`, `label conflicts`, `broken files`."""
    planted: int
    """How many were planted."""
    found: int | None
    """How many of them were found; None where nothing looked for them."""
    extra: int | None
    """Found where nothing was planted; None where a finding does not tell which kind it is."""


def write_truth(folder: Path, truth: DemoTruth) -> None:
    """Write ``truth.json`` of a demo dataset."""
    by_kind: dict[str, list[dict[str, str | None]]] = defaultdict(list)
    for plant in truth.plants:
        entry = {"path": plant.path, "original": plant.original}
        by_kind[plant.kind].append(
            {**entry, "given_label": plant.given_label, "true_label": plant.true_label}
        )
    head = {"schema": SCHEMA, "version": VERSION, "seed": truth.seed, "n_images": truth.n_images}
    write_json(folder / TRUTH_FILE, {**head, "plants": by_kind})


def read_truth(folder: Path) -> DemoTruth:
    """Read ``truth.json`` of a demo dataset.

    Raises:
        SourceError: If it is missing, cut off or of another version.
    """
    path = folder / TRUTH_FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if (value["schema"], value["version"]) != (SCHEMA, VERSION):
            raise ValueError(f"it is not {SCHEMA} version {VERSION}")
        plants = tuple(
            Plant(kind=kind, **entry) for kind, entries in value["plants"].items() for entry in entries
        )
        return DemoTruth(value["seed"], value["n_images"], plants)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"cannot be read as the truth of a demo dataset ({error})",
            where=str(path),
            hint="build the demo again in a new folder: chaffinch demo",
        ) from error


def compare_with_truth(truth: DemoTruth, found: DemoFindings) -> list[TruthRow]:
    """Count planted against found; what nothing looked for has no count where images are flagged singly.

    A leak is found if its pair is; a duplicate or label conflict if both images are in one group; a broken
    file if it is called broken. A group is extra unless it is one planted pair, of whatever kind.
    """
    rows: list[TruthRow] = []
    if found.leak_pairs is not None:
        rows += _leak_rows(truth, found.leak_pairs)
    if found.duplicate_groups is not None:
        rows += _group_rows(truth, found.duplicate_groups, DUPLICATE_KINDS, total="all duplicates")
    if found.label_conflicts is not None:
        rows += _group_rows(truth, found.label_conflicts, (LABEL_CONFLICT,), total="label conflicts")
    if found.broken is not None:
        planted = {plant.path for plant in truth.of_kind(*BROKEN_KINDS)}
        hits = planted & found.broken
        rows.append(TruthRow("broken files", len(planted), len(hits), len(found.broken - planted)))
    return [*rows, *_flagged_rows(truth, found.flagged)]


def _flagged_rows(truth: DemoTruth, flagged: Mapping[str, Set[str]]) -> list[TruthRow]:
    # Whatever was done to an image may flag it in more than one way: that is no false alarm. Its original was
    # left as it is.
    touched = {plant.path for plant in truth.plants}
    rows = []
    for kind, issue_types in FLAGGED_KINDS.items():
        planted = {plant.path for plant in truth.of_kind(kind)}
        searched = [flagged[issue_type] for issue_type in issue_types if issue_type in flagged]
        found = set[str]().union(*searched)
        if searched:
            rows.append(TruthRow(kind, len(planted), len(planted & found), len(found - touched)))
        elif planted:
            rows.append(TruthRow(kind, len(planted), None, None))
    return rows


def _leak_rows(truth: DemoTruth, pairs: Set[tuple[str, str]]) -> list[TruthRow]:
    rows = []
    every: set[tuple[str, str]] = set()
    for kind in LEAK_KINDS:
        planted = {(plant.original, plant.path) for plant in truth.of_kind(kind) if plant.original}
        rows.append(TruthRow(kind, len(planted), len(planted & pairs), None))
        every |= planted
    return [*rows, TruthRow("all leaks", len(every), len(every & pairs), len(pairs - every))]


def _group_rows(
    truth: DemoTruth, groups: Sequence[Set[str]], kinds: Sequence[str], *, total: str
) -> list[TruthRow]:
    """Return one row per kind and, where there are several, one for all of them."""
    rows = []
    for kind in kinds:
        planted = truth.of_kind(kind)
        found = sum(any(group >= {plant.path, plant.original} for group in groups) for plant in planted)
        rows.append(TruthRow(kind, len(planted), found, None))
    pairs = {frozenset((plant.path, plant.original)) for plant in truth.plants if plant.original}
    extra = sum(frozenset(group) not in pairs for group in groups)
    every = TruthRow(total, sum(r.planted for r in rows), sum(r.found or 0 for r in rows), extra)
    return [*rows, every] if len(rows) > 1 else [every]
