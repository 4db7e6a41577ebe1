"""The columns that the review page works on: a few numbers for every image, block by block as plain bytes.

A part holds `PART_ROWS` rows: the columns one after the other in the order of `COLUMNS`, little-endian, each
padded to 8 bytes. Filters, facets, orders and the map need nothing else, so that a page over a million images
loads some 50 bytes for each and asks for words only of those it shows.

The order of the rows is that of `sample_id`. What people decided is not part of it: the board
(`serve/board.py`) lays that over for one reviewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.curate.labels import Labels
from chaffinch.storage.findings import MAP
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.taxonomy import ISSUE_TYPES

PART_ROWS = 1 << 17

NO_CLASS, NO_TYPE, NO_GROUP, NO_PLACE = 0xFFFFFFFF, 0xFF, -1, 0xFFFF
"""What stands where an image has none; places on the map are 0..65534."""

COLUMNS: Mapping[str, str] = {
    "sample_id": "uint32",
    "issues": "uint32",
    "box_issues": "uint32",
    "confidence": "uint8",
    "top": "uint8",
    "given": "uint32",
    "suggested": "uint32",
    "split": "uint8",
    "source": "uint8",
    "group": "int32",
    "priority": "float32",
    "x": "uint16",
    "y": "uint16",
    "action": "uint8",
    "tags": "uint32",
    "n_reviewers": "uint8",
    "turn": "uint8",
    "new_label": "uint32",
    "version": "uint32",
}
"""Name and type of each column; `new_label` is the code of a class plus 1, so that 0 is none."""

ISSUE_NAMES = tuple(ISSUE_TYPES)
"""The place of a type is its bit in the columns `issues` and `box_issues`."""

SAMPLE_ROWS = pa.schema(
    [
        pa.field("sample_id", pa.int64()),
        pa.field("split", pa.string()),
        pa.field("given_label", pa.string()),
    ]
)
"""What the columns need of each image."""
ISSUE_ROWS = pa.schema(
    [
        pa.field("sample_id", pa.int64()),
        pa.field("confidence", pa.float32()),
        pa.field("is_of_box", pa.bool_()),
        *(pa.field(name, pa.string()) for name in ("issue_type", "suggested_label", "group_id", "source")),
    ]
)
"""What the columns need of each finding."""


@dataclass(frozen=True, slots=True, eq=False)
class ReviewColumns:
    """What is there to review. N images."""

    values: dict[str, np.ndarray]
    """Shape (N,) each; all of `COLUMNS` but those of decisions."""
    classes: list[str]
    """Labels, given or suggested, then the other classes; the place of a label is its code."""
    splits: list[str]
    """Names; the place is the code."""
    sources: list[str]
    """Who found something; the place is the code."""
    issue_names: Sequence[str] = ISSUE_NAMES
    """Types of findings; the place is the bit in the column `issues`."""


def review_columns(folder: WorkspaceFolder, generation: Generation) -> ReviewColumns:
    """Read what the page needs of all images.

    Images that are gone are left out.

    Cost: some 60 bytes an image, and 60 bytes an issue while reading.
    """
    columns = folded_columns(
        _samples(folder, generation), _issue_rows(folder, generation), n_samples=generation.n_samples
    )
    ids = columns.values["sample_id"]
    columns.classes.extend(_unused_classes(folder, generation, columns.classes))
    columns.values["x"], columns.values["y"] = (axis[ids] for axis in _places(folder, generation))
    return columns


def folded_columns(
    samples: pa.Table, issue_rows: pa.Table, *, n_samples: int, issue_names: Sequence[str] = ISSUE_NAMES
) -> ReviewColumns:
    """Return the columns of some images; none of them is on the map.

    Args:
        samples: `SAMPLE_ROWS`, by `sample_id`.
        issue_rows: `ISSUE_ROWS`, of these and other images.
        n_samples: Above every sample id.
        issue_names: At most 32; every issue's type is one of them.
    """
    issues = _folded(issue_rows, issue_names, n_samples=n_samples)
    labels, classes = _codes(samples.column("given_label"), NO_CLASS)
    splits, split_names = _codes(samples.column("split"), 0)
    known = {name: code for code, name in enumerate(classes)}
    for label in issues.suggestions:
        known.setdefault(label, len(known))
    translated = np.array([known[label] for label in issues.suggestions] + [NO_CLASS], dtype=np.uint32)
    ids = samples.column("sample_id").to_numpy()
    values = {
        "sample_id": ids.astype(np.uint32),
        "issues": issues.bits[ids],
        "box_issues": issues.box_bits[ids],
        "confidence": np.round(issues.confidence[ids] * 255).astype(np.uint8),
        "top": issues.top[ids],
        "given": labels.astype(np.uint32),
        "suggested": translated[issues.suggested[ids]],
        "split": splits.astype(np.uint8),
        "source": issues.source[ids],
        "group": issues.group[ids],
    }
    values["priority"] = priority(values, np.maximum(issues.confidence, issues.box_confidence)[ids])
    values["x"], values["y"] = (np.full(len(ids), NO_PLACE, dtype=np.uint16) for _ in range(2))
    return ReviewColumns(values, list(known), split_names, issues.sources, issue_names)


def _unused_classes(folder: WorkspaceFolder, generation: Generation, used: Sequence[str]) -> list[str]:
    """Return the classes that no image is given or suggested, as the given labels are spelled."""
    labels = Labels.of(folder, generation)
    names = folder.read(generation, "classes").column("class_id").to_pylist()
    spelled = dict.fromkeys(text for name in names if (text := labels.spelled(name)) is not None)
    known = set(used)
    return [text for text in spelled if text not in known]


def label_code(classes: Mapping[str, int], label: str | None) -> int:
    """Return a label as the column `new_label` holds it; 0 where it is no class that the page knows."""
    return 0 if label is None else classes.get(label, -1) + 1


def _places(folder: WorkspaceFolder, generation: Generation) -> tuple[np.ndarray, np.ndarray]:
    """Return where each sample lies on the map, shape (n_samples,) each; `NO_PLACE` where it has no place."""
    x, y = (np.full(generation.n_samples, NO_PLACE, dtype=np.uint16) for _ in range(2))
    for batch in folder.batches(generation, MAP):
        ids = batch.column("sample_id").to_numpy()
        x[ids], y[ids] = (
            np.round(batch.column(name).to_numpy() * (NO_PLACE - 1)).astype(np.uint16) for name in ("x", "y")
        )
    return x, y


def _samples(folder: WorkspaceFolder, generation: Generation) -> pa.Table:
    batches = []
    for batch in folder.batches(
        generation, "samples", columns=["sample_id", "split", "given_label", "outcome"]
    ):
        kept = batch.filter(pc.not_equal(batch.column("outcome"), "missing"))
        batches.append(kept.select(SAMPLE_ROWS.names))
    return pa.Table.from_batches(batches)


def _codes(texts: pa.ChunkedArray, none: int) -> tuple[np.ndarray, list[str]]:
    """Return the code of each text, in order of the words, and the words."""
    encoded = texts.combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = np.argsort(np.array(words, dtype=object), kind="stable") if words else np.empty(0, np.int64)
    place = np.empty(len(words) + 1, dtype=np.int64)
    place[order] = np.arange(len(words))
    place[-1] = none
    codes = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
    return place[codes], [words[i] for i in order.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class _Issues:
    """The issues of whole images, folded to one row an image; of boxes only which types. N samples."""

    bits: np.ndarray
    box_bits: np.ndarray
    box_confidence: np.ndarray
    confidence: np.ndarray
    top: np.ndarray
    suggested: np.ndarray
    source: np.ndarray
    group: np.ndarray
    suggestions: list[str]
    sources: list[str]


def _folded(every: pa.Table, issue_names: Sequence[str], *, n_samples: int) -> _Issues:
    rows, boxed = (every.filter(pc.equal(every.column("is_of_box"), flag)) for flag in (False, True))
    ids, sure, types = _subjects(rows, issue_names)
    suggested, suggestions = _codes(rows.column("suggested_label"), -1)
    sources, source_names = _codes(rows.column("source"), 0)
    groups, _ = _codes(rows.column("group_id"), NO_GROUP)
    # The surest row of each sample is written last, and so it stays.
    order = np.argsort(sure, kind="stable")
    confidence, top = np.zeros(n_samples, np.float32), np.full(n_samples, NO_TYPE, np.uint8)
    source = np.zeros(n_samples, np.uint8)
    confidence[ids[order]], top[ids[order]] = sure[order], types[order]
    source[ids[order]] = sources[order]
    label, group = np.full(n_samples, -1, np.int64), np.full(n_samples, NO_GROUP, np.int32)
    with_label, with_group = order[suggested[order] >= 0], order[groups[order] >= 0]
    label[ids[with_label]], group[ids[with_group]] = suggested[with_label], groups[with_group]
    box_confidence = np.zeros(n_samples, np.float32)
    np.maximum.at(box_confidence, *_subjects(boxed, issue_names)[:2])
    bits, box_bits = (_bits(some, issue_names, n_samples) for some in (rows, boxed))
    parts = (confidence, top, label, source, group, suggestions, source_names)
    return _Issues(bits, box_bits, box_confidence, *parts)


def _subjects(rows: pa.Table, issue_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sample, confidence and place of the type of each row."""
    sure = pc.fill_null(rows.column("confidence"), 0.0).to_numpy().astype(np.float32)
    types, names = _codes(rows.column("issue_type"), 0)
    to_place = np.array([issue_names.index(name) for name in names], dtype=np.uint8)
    return rows.column("sample_id").to_numpy(), sure, to_place[types]


def _bits(rows: pa.Table, issue_names: Sequence[str], n_samples: int) -> np.ndarray:
    """Return the types found of each sample as bits, shape (n_samples,)."""
    ids, _, types = _subjects(rows, issue_names)
    bits = np.zeros(n_samples, dtype=np.uint32)
    np.bitwise_or.at(bits, ids, np.uint32(1) << types.astype(np.uint32))
    return bits


def _issue_rows(folder: WorkspaceFolder, generation: Generation) -> pa.Table:
    """Return the issues of images and boxes of all steps, types that are not ours left out."""
    read = ["object_id", *(name for name in ISSUE_ROWS.names if name != "is_of_box")]
    tables = [ISSUE_ROWS.empty_table()]
    for name in sorted(generation.tables):
        for batch in folder.batches(generation, name, columns=read) if name.startswith("issues/") else ():
            ours = batch.filter(pc.is_in(batch.column("issue_type"), pa.array(ISSUE_NAMES)))
            ours = ours.append_column("is_of_box", pc.is_valid(ours.column("object_id")))
            tables.append(pa.Table.from_batches([ours]).select(ISSUE_ROWS.names).cast(ISSUE_ROWS))
    return pa.concat_tables(tables)


def priority(values: Mapping[str, np.ndarray], confidence: np.ndarray) -> np.ndarray:
    """Return what looking at each image is worth, shape (N,), float32; higher comes first.

    An image is worth looking at as far as something is suspected (confidence) and a look could change what
    happens (far from certain): c (1 - c / 2), which still ranks the sure above the doubtful. Images with the
    same given and suggested label come one after the other within a band of a tenth, so that one decision
    style covers a run.

    Source: the order by expected value of M. Bernhardt et al., "Active label cleaning", 2022.
    """
    worth = confidence * (1 - confidence / 2)
    band = np.floor(worth * 10)
    same = values["given"].astype(np.uint64) << np.uint64(32) | values["suggested"]
    _, run = np.unique(same, return_inverse=True)
    shift = (run / max(1, len(same))).astype(np.float32)
    is_flagged = (values["issues"] | values["box_issues"]) > 0
    ranked: np.ndarray = np.where(is_flagged, band + 1 - shift + worth / 1e4, worth / 1e4)
    return ranked.astype(np.float32)


def part_bytes(columns: Mapping[str, np.ndarray], part: int) -> bytes:
    """Return one part of the columns, in the order and types of `COLUMNS`."""
    start = part * PART_ROWS
    blocks: list[bytes] = []
    for name, kind in COLUMNS.items():
        block = columns[name][start : start + PART_ROWS].astype(np.dtype(kind).newbyteorder("<")).tobytes()
        blocks.append(block + bytes(-len(block) % 8))
    return b"".join(blocks)


def n_parts(n_rows: int) -> int:
    """Return the number of parts; an empty table has none."""
    return -(-n_rows // PART_ROWS)


def described() -> Sequence[Mapping[str, str]]:
    """Return what the page needs to read a part."""
    return [{"name": name, "dtype": kind} for name, kind in COLUMNS.items()]
