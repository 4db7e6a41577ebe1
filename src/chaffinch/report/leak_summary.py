"""The summary of a leak report: a text to read and a JSON twin for the next stage.

`LeakSummary` holds every figure; `summary_text` lays it out for 80 columns, `write_leak_summary` writes both
files beside the report. The JSON keeps `inputs_fingerprint` and the settings of each method, so that a later
stage can tell whether the report at hand was made from the same inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from chaffinch.errors import SourceError
from chaffinch.records import LEAK_TYPES, OUTCOMES
from chaffinch.report.leak_tally import MethodCount
from chaffinch.report.visible_text import visible
from chaffinch.storage.files import atomic_path, write_json

SCHEMA = "chaffinch.leak_summary"
VERSION = 1

TOP_CLASSES = 10
"""Classes named in the text; the JSON has all."""

_WIDTH = 80
_LABEL_WIDTH = 22


@dataclass(frozen=True, slots=True)
class LeakSide:
    """One side of a leak search."""

    name: str
    """Split, train or test folder as the user wrote it."""
    outcomes: Mapping[str, int]
    """Images per outcome: ok, missing, broken, skipped; only `ok` ones were compared by pixels."""
    n_leaking: int
    """Distinct images of this side in the report."""

    @property
    def n_images(self) -> int:
        """Images that are there, of every outcome but missing."""
        return sum(n for outcome, n in self.outcomes.items() if outcome != "missing")

    @property
    def n_compared(self) -> int:
        """Images that decode, so that they could be compared."""
        return self.outcomes.get("ok", 0)

    @property
    def share(self) -> float:
        """Leaking part of the images, 0..1; 0 for an empty side."""
        return self.n_leaking / self.n_images if self.n_images else 0.0


@dataclass(frozen=True, slots=True)
class LeakMethod:
    """One method that has rows in the report, or was searched and has none."""

    method: str
    """exact, perceptual, verified or semantic."""
    threshold: float | None
    """Largest distance in bits (perceptual), smallest correlation (verified), smallest cosine (semantic)."""
    count: MethodCount
    """What it found."""
    settings: Mapping[str, str | int | float] | None = None
    """Whatever else belongs to its result: of `semantic` the embedder, `n_borderline` (pairs whose cosine
    lies within rounding of the threshold) and `n_without_vector` (images that could not be compared)."""
    is_kept: bool = False
    """True where the rows come from an earlier stage."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A method that was asked for and could not run."""

    method: str
    """Its name."""
    reason: str
    """Why, as a clause: `there is no embedding model`."""
    hint: str
    """The command that brings it."""


@dataclass(frozen=True, slots=True)
class ClassHits:
    """How much of one class leaks."""

    label: str
    """Given label on the test side."""
    n_leaking: int
    """Leaking test images with it."""
    n_test: int
    """Test images with it."""


@dataclass(frozen=True, slots=True)
class ManifestHits:
    """How many leaking images a tagging manifest lists."""

    manifest: str
    """Path of the manifest."""
    n_with_row: int
    """Leaking test images that have a row there."""
    n_leaking: int
    """Leaking test images."""


@dataclass(frozen=True, slots=True)
class LeakSummary:
    """Every figure of a leak report."""

    dataset: str
    """Name of the dataset."""
    report: str
    """Name of the report's CSV."""
    train: LeakSide
    """The side that is trained on."""
    test: LeakSide
    """The side that is measured on."""
    methods: Sequence[LeakMethod]
    """Methods in the report, cheapest first."""
    n_labels_agree: int
    """Leaking test images whose train images all carry the same label."""
    n_labels_differ: int
    """Leaking test images with a train image of another label."""
    classes: Sequence[ClassHits]
    """Classes with leaking test images."""
    inputs_fingerprint: str
    """Differs whenever an image or a side differs."""
    wall_s: float
    """Wall-clock time, seconds."""
    cpu_s: float
    """CPU time, seconds."""
    left_out: Sequence[LeftOut] = ()
    """Methods asked for that did not run."""
    manifest: ManifestHits | None = None
    """None where no manifest is at hand."""
    n_stars: int = 0
    """Groups of equal images too large to write every pair of; each image still has a row."""
    notes: Sequence[str] = ()
    """Further sentences for the reader, e.g. measured recall or pairs near a threshold."""

    @property
    def has_leaks(self) -> bool:
        """Whether the report has a row."""
        return any(m.count.n_pairs for m in self.methods)

    def pairs_by_leak_type(self) -> dict[str, int]:
        """Return rows per leak type, for the types whose methods are in the report."""
        counts: dict[str, int] = {}
        for entry in self.methods:
            leak_type = LEAK_TYPES[entry.method]
            counts[leak_type] = counts.get(leak_type, 0) + entry.count.n_pairs
        return counts

    def classes_by_hits(self) -> list[ClassHits]:
        """Return the classes, most leaking test images first, then by name."""
        return sorted(self.classes, key=lambda c: (-c.n_leaking, c.label))


def rule_text(method: str, threshold: float | None) -> str:
    """Say in words when `method` calls two images a pair."""
    if method == "exact":
        return "same bytes or same pixels"
    if threshold is None:
        return "confirmed on thumbnails" if method == "verified" else ""
    if method == "perceptual":
        return f"pHash distance at most {threshold:g} of 64 bits"
    if method == "verified":
        return f"correlation at least {threshold:g}, and in three of four tiles"
    return f"cosine at least {threshold:g}"


# ---------------------------------------------------------------------------------------------------- text


def summary_text(summary: LeakSummary) -> str:
    """Lay a summary out as text of at most 80 columns, but for names that are longer."""
    parts = [
        _title(f"Train-test leaks in {visible(summary.dataset)}"),
        _verdict(summary),
        _pairs_table(summary),
        _sides(summary),
        _classes(summary),
        _left_out(summary),
        _sources(summary),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def percent(share: float) -> str:
    """Spell a share as percent; never 0 % for something, nor 100 % for less than all."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


def _title(text: str) -> str:
    return f"{text}\n{'=' * min(len(text), _WIDTH)}"


def _section(heading: str, lines: Iterable[str]) -> str:
    body = "\n".join(lines)
    return f"{heading}\n{'-' * len(heading)}\n{body}" if body else ""


def _row(label: str, value: str) -> str:
    return f"{label:<{_LABEL_WIDTH}}{value}".rstrip()


def _verdict(summary: LeakSummary) -> str:
    if not summary.methods:
        return "Nothing was searched."
    if not summary.has_leaks:
        return "No leak found."
    test, train = summary.test, summary.train
    unknown = test.n_leaking - summary.n_labels_agree - summary.n_labels_differ
    lines = [
        _row("leaking test images", f"{test.n_leaking:,} of {test.n_images:,} ({percent(test.share)})"),
        _row("their train images", f"{train.n_leaking:,} of {train.n_images:,} ({percent(train.share)})"),
        _row("labels agree", f"{summary.n_labels_agree:,} test images"),
        _row("labels differ", f"{summary.n_labels_differ:,} test images"),
    ]
    if unknown > 0:
        lines.append(_row("labels unknown", f"{unknown:,} test images"))
    return "\n".join(lines)


def _pairs_table(summary: LeakSummary) -> str:
    lines = [f"{'method':<12}{'pairs':>12}{'test images':>14}{'train images':>14}{'labels differ':>15}"]
    for entry in summary.methods:
        count = entry.count
        lines.append(
            f"{entry.method:<12}{count.n_pairs:>12,}{count.n_test_images:>14,}"
            f"{count.n_train_images:>14,}{count.n_labels_differ:>15,}"
        )
    lines.append("")
    for entry in summary.methods:
        kept = " (earlier stage)" if entry.is_kept else ""
        lines.append(_row(entry.method, rule_text(entry.method, entry.threshold) + kept))
        lines += _semantic_lines(entry.settings or {})
    lines.append("")
    lines += [_row(leak_type, f"{n:,} rows") for leak_type, n in summary.pairs_by_leak_type().items()]
    if len(summary.methods) > 1:
        lines += _paragraph("A pair that two methods found counts once for each.")
    if summary.n_stars:
        lines += _paragraph(
            f"Large groups of equal images written as stars (one of their images with each of the others, "
            f"not every pair; each leaking image still has a row): {summary.n_stars:,}."
        )
    return _section("Pairs", lines) if summary.methods else ""


def _semantic_lines(settings: Mapping[str, str | int | float]) -> list[str]:
    """Say by which vectors a semantic search compared, and what it is not sure of."""
    lines = [_row("", f"vectors of {visible(str(settings['embedder']))}")] if "embedder" in settings else []
    if settings.get("n_borderline"):
        lines.append(_row("", f"{settings['n_borderline']:,} pairs within 0.0001 of that cosine"))
    if settings.get("n_without_vector"):
        lines.append(_row("", f"{settings['n_without_vector']:,} images without a vector, not compared"))
    return lines


def _sides(summary: LeakSummary) -> str:
    lines = [f"{'':<{_LABEL_WIDTH}}{'images':>10}" + "".join(f"{word:>10}" for word in OUTCOMES)]
    for role, side in (("train", summary.train), ("test", summary.test)):
        counts = "".join(f"{side.outcomes.get(word, 0):>10,}" for word in OUTCOMES)
        lines += [f"{role:<{_LABEL_WIDTH}}{side.n_images:>10,}{counts}", f"  {visible(side.name)}"]
    if any(n for side in (summary.train, summary.test) for word, n in side.outcomes.items() if word != "ok"):
        lines += _paragraph("Images that are not ok have no pixels to compare: leaks among them stay unseen.")
    return _section("Images", lines)


def _classes(summary: LeakSummary) -> str:
    hits = summary.classes_by_hits()
    lines = [
        f"{hit.n_leaking:>8,} of {hit.n_test:>8,}  {percent(_ratio(hit)):>8}  {visible(hit.label)}"
        for hit in hits[:TOP_CLASSES]
    ]
    if len(hits) > TOP_CLASSES:
        lines.append(f"and {len(hits) - TOP_CLASSES:,} more classes")
    return _section("Classes hit (leaking test images)", lines)


def _ratio(hit: ClassHits) -> float:
    return hit.n_leaking / hit.n_test if hit.n_test else 0.0


def _left_out(summary: LeakSummary) -> str:
    lines: list[str] = []
    for entry in summary.left_out:
        lines += _paragraph(f"{entry.method} was left out: {entry.reason}.")
        lines.append(f"  to get it: {entry.hint}")
    return _section("Left out", lines)


def _sources(summary: LeakSummary) -> str:
    lines = [_row("report", visible(summary.report))]
    if summary.manifest is not None:
        hits = summary.manifest
        lines.append(_row("manifest", visible(hits.manifest)))
        lines.append(_row("", f"lists {hits.n_with_row:,} of {hits.n_leaking:,} leaking test images"))
    lines.append(_row("inputs", summary.inputs_fingerprint))
    lines.append(_row("time", f"{summary.wall_s:,.1f} s, {summary.cpu_s:,.1f} CPU s"))
    for note in summary.notes:
        lines += _paragraph(note)
    return _section("Where this comes from", lines)


def _paragraph(text: str) -> list[str]:
    return wrap(visible(text), _WIDTH)


# ---------------------------------------------------------------------------------------------------- JSON


def summary_paths(report: Path) -> tuple[Path, Path]:
    """Return where the text and the JSON of a report stand: ``<stem>_summary.txt`` and ``.json``."""
    return report.with_name(f"{report.stem}_summary.txt"), report.with_name(f"{report.stem}_summary.json")


def write_leak_summary(report: Path, summary: LeakSummary) -> tuple[Path, Path]:
    """Write the text and the JSON beside the report, each atomically; return their paths."""
    text_path, json_path = summary_paths(report)
    write_json(json_path, {"schema": SCHEMA, "version": VERSION, **asdict(summary)})
    with atomic_path(text_path) as temporary:
        temporary.write_text(summary_text(summary), encoding="utf-8")
    return text_path, json_path


def read_leak_summary(report: Path) -> LeakSummary | None:
    """Read the JSON beside a report; None where there is none.

    Raises:
        SourceError: If it is cut off or not a summary of this version.
    """
    path = summary_paths(report)[1]
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if (value.pop("schema"), value.pop("version")) != (SCHEMA, VERSION):
            raise ValueError(f"it is not {SCHEMA} version {VERSION}")
        return _from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"is no leak summary that this version reads ({error})",
            where=str(path),
            hint="name another --output, or remove the report and its summary to start anew",
        ) from error


def _from_json(value: dict[str, Any]) -> LeakSummary:
    value["train"], value["test"] = LeakSide(**value["train"]), LeakSide(**value["test"])
    value["methods"] = tuple(
        LeakMethod(**{**entry, "count": MethodCount(**entry["count"])}) for entry in value["methods"]
    )
    value["classes"] = tuple(ClassHits(**entry) for entry in value["classes"])
    value["left_out"] = tuple(LeftOut(**entry) for entry in value["left_out"])
    value["notes"] = tuple(value["notes"])
    if value["manifest"] is not None:
        value["manifest"] = ManifestHits(**value["manifest"])
    return LeakSummary(**value)
