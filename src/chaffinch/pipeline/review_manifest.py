"""What the review page shows of a manifest in memory, where there is no workspace to read from.

A sample's id is its row in the manifest; its key is what the workflow's events call it. Sizes, content
digests and thumbnails come from the image files where they are at hand; the page does without where they are
not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.compute.executor import LocalExecutor
from chaffinch.compute.measure import measure, warm_up
from chaffinch.curate.exported import MANIFEST
from chaffinch.curate.sharing import Turn
from chaffinch.formats.manifest_csv import NOTHING_DECIDED, as_decision
from chaffinch.identity import path_from_text
from chaffinch.pipeline.review_columns import (
    ISSUE_NAMES,
    ISSUE_ROWS,
    SAMPLE_ROWS,
    folded_columns,
    label_code,
)
from chaffinch.pipeline.review_data import REVIEW_ACTIONS, dataset_meta
from chaffinch.records import ExportedIssue, Measurement
from chaffinch.settings import MAX_PIXELS, MeasureSettings, ScanSettings
from chaffinch.taxonomy import TAGS

MAX_ISSUE_NAMES = 31
"""Bits of a number in the browser; of more words in an export, the last ones are `OTHER`."""

OTHER = "other"
SOURCE = "visual-layer"

_SETTINGS = MeasureSettings()
_MAX_BYTES = MAX_PIXELS
"""Larger files are not read for a thumbnail."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a manifest."""

    number: int
    """Its row, from 0."""
    key: str
    """What events call it: its path, else its id."""
    texts: Mapping[str, str]
    """By the manifest's columns."""
    findings: Sequence[ExportedIssue]
    """The surest first."""


class ManifestReview:
    """Images of a manifest, as `review_file.Reviewable`."""

    def __init__(
        self, rows: Sequence[ManifestRow], *, dataset: str, keys: Iterable[str], roots: Sequence[Path]
    ) -> None:
        """Fold the findings into columns; images are read when `details` asks for them.

        Args:
            rows: The images that are shown, by `number`.
            dataset: Name of the dataset.
            keys: Those of all rows of the manifest: what was decided on one page is shown by every later one
                of the same images, whichever of them it shows.
            roots: Folders in which relative image paths are looked for.
        """
        self._rows = {row.number: row for row in rows}
        self._dataset = dataset
        self._fingerprint = _fingerprint([dataset, *keys])
        self._roots = roots
        self._measured: dict[int, Measurement] = {}
        words = {_word(issue) for row in rows for issue in row.findings}
        names = [*ISSUE_NAMES, *sorted(words - set(ISSUE_NAMES))]
        self._names = names if len(names) <= MAX_ISSUE_NAMES else [*names[: MAX_ISSUE_NAMES - 1], OTHER]
        self.columns = folded_columns(
            self._sample_rows(),
            self._issue_rows(),
            n_samples=max(self._rows, default=-1) + 1,
            issue_names=self._names,
        )
        self.columns.values.update(self._decided())

    def _sample_rows(self) -> pa.Table:
        rows = self._rows.values()
        splits = [row.texts["split"] for row in rows]
        labels = [row.texts["label"] or None for row in rows]
        return pa.table([list(self._rows), splits, labels], schema=SAMPLE_ROWS)

    def _issue_rows(self) -> pa.Table:
        found = [
            {
                "sample_id": number,
                "confidence": issue.confidence,
                "is_of_box": False,
                "issue_type": self._shown(_word(issue)),
                "suggested_label": issue.suggested_label,
                "group_id": issue.group_id,
                "source": SOURCE,
            }
            for number, row in self._rows.items()
            for issue in row.findings
        ]
        return pa.Table.from_pylist(found, schema=ISSUE_ROWS)

    def _shown(self, word: str) -> str:
        return word if word in self._names else OTHER

    def _decided(self) -> dict[str, np.ndarray]:
        decisions = [as_decision(row.texts) for row in self._rows.values()]
        codes = [REVIEW_ACTIONS.index(d.action) if d.action in REVIEW_ACTIONS else 0 for d in decisions]
        bits = [sum(1 << bit for bit, tag in enumerate(TAGS) if tag in d.tags) for d in decisions]
        known = {name: code for code, name in enumerate(self.columns.classes)}
        labels = [label_code(known, d.new_label or None) for d in decisions]
        turns = [Turn.YOURS if d == NOTHING_DECIDED else Turn.OTHERS for d in decisions]
        return {
            "action": np.array(codes, dtype=np.uint8),
            "turn": np.array(turns, dtype=np.uint8),
            "tags": np.array(bits, dtype=np.uint32),
            "new_label": np.array(labels, dtype=np.uint32),
        }

    def meta(
        self, *, reviewer: str | None, reviewers: Sequence[str], is_live: bool, is_blind: bool
    ) -> dict[str, Any]:
        """Return what is said once about the dataset."""
        return dataset_meta(self._dataset, self._fingerprint, self.columns) | {
            "subjects": MANIFEST,
            "reviewer": reviewer,
            "reviewers": list(reviewers),
            "is_live": is_live,
            "is_blind": is_blind,
        }

    def details(self, sample_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the words about some images, in their order.

        Cost: one decode of each image that is at hand, about 3 ms of CPU.
        """
        rows = [self._rows[number] for number in sample_ids]
        self._measured = measured({row.number: row.texts["image_path"] for row in rows}, self._roots)
        return [self._detail(row) for row in rows]

    def _detail(self, row: ManifestRow) -> dict[str, Any]:
        seen = self._measured.get(row.number, Measurement("missing"))
        return {
            **{name: row.texts[name] for name in ("image_id", "image_path", "split")},
            "sample_id": row.number,
            "key": row.key,
            "given_label": row.texts["label"] or None,
            "width": seen.width,
            "height": seen.height,
            "error": seen.error,
            "content_digest": seen.pixels_digest or seen.bytes_digest,
            "findings": [self._finding(f"{row.number}.{n}", issue) for n, issue in enumerate(row.findings)],
            "partners": [],
            "boxes": [],
            "n_boxes": 0,
            **_verdict(row.texts),
        }

    def _finding(self, name: str, issue: ExportedIssue) -> dict[str, Any]:
        return {
            # Tells the findings of this page from each other; no workspace knows it.
            "finding_id": name,
            "issue_type": _word(issue),
            "confidence": issue.confidence,
            "suggested_label": issue.suggested_label,
            "group_id": issue.group_id,
            "is_original": None,
            "reason": issue.reason or "",
            "evidence": {},
            "method": SOURCE,
            "source": SOURCE,
        }

    def pictures(self, sample_ids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the thumbnails of those images, of the `details` asked for last, that are at hand."""
        for number in sample_ids:
            seen = self._measured.get(number)
            if seen is not None and seen.thumbnail is not None:
                yield number, seen.thumbnail


def is_shown(texts: Mapping[str, str]) -> bool:
    """Tell whether a row of a manifest is one to look at: it is flagged, or somebody decided about it."""
    return bool(texts["vl_flag_type"]) or as_decision(texts) != NOTHING_DECIDED


def findings_of_row(texts: Mapping[str, str]) -> list[ExportedIssue]:
    """Return the findings that a manifest's row tells of: the surest one in full, of others the type."""
    types = [word for word in texts["vl_flag_type"].split(";") if word]
    first = {
        "confidence": float(texts["vl_confidence"]) if texts["vl_confidence"] else None,
        "suggested_label": texts["vl_suggested_label"] or None,
        "reason": texts["vl_reason"],
    }
    return [
        ExportedIssue(None, word, **(first if n == 0 else {}))  # type: ignore[arg-type]
        for n, word in enumerate(types)
    ]


def measured(image_paths: Mapping[int, str], roots: Sequence[Path]) -> dict[int, Measurement]:
    """Return what is measured of each image whose file is at hand."""
    places = {n: place for n, text in image_paths.items() if (place := _at_hand(text, roots)) is not None}
    if not places:
        return {}
    warm_up()
    results = LocalExecutor(ScanSettings().n_workers()).run(places, lambda n: _measured(places[n]))
    return {number: result for number, result in results if isinstance(result, Measurement)}


def _fingerprint(texts: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        digest.update(f"{text}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _word(issue: ExportedIssue) -> str:
    return issue.issue_type or issue.written_type


def _verdict(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what was decided before, as the page shows it."""
    said = as_decision(texts)
    if said == NOTHING_DECIDED:
        return {}
    verdict = {
        "reviewer": texts["reviewer_name"],
        "action": said.action,
        "new_label": said.new_label or None,
        "tags": list(said.tags),
        "note": said.notes,
    }
    return {"verdicts": [verdict], "new_label": said.new_label or None, "note": said.notes}


def _at_hand(text: str, roots: Sequence[Path]) -> Path | None:
    if not text or "\0" in text or "://" in text:
        return None
    try:
        given = Path(path_from_text(text)).expanduser()
        candidates = [given] if given.is_absolute() else [root / given for root in roots]
        return next((place for place in candidates if place.is_file()), None)
    except (OSError, RuntimeError):
        # A name too long for the file system is no file, nor is one in the home of a user who is not there.
        return None


def _measured(place: Path) -> Measurement | None:
    if place.stat().st_size > _MAX_BYTES:
        return None
    return measure(place.read_bytes(), _SETTINGS, suffix=place.suffix.lower())
