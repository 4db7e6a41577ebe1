"""Writes the review gallery of a manifest: finds the image files, makes their thumbnails, parts the pages."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaffinch.compute.executor import Failure, LocalExecutor
from chaffinch.compute.measure import measure, warm_up
from chaffinch.formats.manifest_csv import NOTHING_DECIDED, as_decision
from chaffinch.identity import path_from_text, slug
from chaffinch.report.review_gallery import MAX_IMAGES, dataset_of, write_review_gallery
from chaffinch.settings import MAX_PIXELS, MeasureSettings, ScanSettings

_SETTINGS = MeasureSettings()
_MAX_BYTES = MAX_PIXELS
"""Larger files are not read for a thumbnail."""


def write_review_page(
    path: Path,
    rows: Sequence[Mapping[str, str]],
    *,
    dataset: str,
    roots: Sequence[Path],
    n_per_page: int = 50,
) -> list[Path]:
    """Write the gallery of all flagged or decided images; returns its files, the first page first.

    Args:
        path: The HTML file; further ones are numbered.
        rows: The manifest, texts by column.
        dataset: Name of the dataset.
        roots: Folders in which relative image paths are looked for.
        n_per_page: Images shown at a time.

    Cost: one decode of each image that is at hand, about 3 ms of CPU.
    """
    shown = [row for row in rows if row["vl_flag_type"] or as_decision(row) != NOTHING_DECIDED]
    parts = [shown[start : start + MAX_IMAGES] for start in range(0, len(shown), MAX_IMAGES)] or [[]]
    path = _free_for(path, dataset)
    files = [
        path if n == 0 else path.with_name(f"{path.stem}_{n + 1}{path.suffix}") for n in range(len(parts))
    ]
    for number, (file, part) in enumerate(zip(files, parts, strict=True), start=1):
        pictures = thumbnails([row["image_path"] for row in part], roots)
        write_review_gallery(
            file,
            part,
            dataset=dataset,
            part=(number, len(parts)),
            n_per_page=n_per_page,
            thumbnail=lambda row, found=pictures: found.get(row["image_path"]),  # type: ignore[misc]
        )
    return files


def _free_for(path: Path, dataset: str) -> Path:
    """Return `path`, or one with the dataset's name in it where a page of something else stands there."""
    if not path.exists() or dataset_of(path) == dataset:
        return path
    own = path.with_name(f"{path.stem}_{slug(dataset)}{path.suffix}")
    warnings.warn(f"{path} is the page of another dataset and is kept; this one is {own}", stacklevel=4)
    return own


def thumbnails(image_paths: Sequence[str], roots: Sequence[Path]) -> dict[str, bytes]:
    """Return a JPEG for each image whose file is at hand and decodes."""
    places = {text: place for text in image_paths if (place := _at_hand(text, roots)) is not None}
    if not places:
        return {}
    warm_up()
    found: dict[str, bytes] = {}
    for text, result in LocalExecutor(ScanSettings().n_workers()).run(
        places, lambda t: _thumbnail(places[t])
    ):
        if isinstance(result, bytes) and not isinstance(result, Failure):
            found[text] = result
    return found


def _at_hand(text: str, roots: Sequence[Path]) -> Path | None:
    if not text or "\0" in text or "://" in text:
        return None
    given = Path(path_from_text(text)).expanduser()
    candidates = [given] if given.is_absolute() else [root / given for root in roots]
    for place in candidates:
        try:
            if place.is_file():
                return place
        except OSError:
            # A name too long for the file system is no file.
            continue
    return None


def _thumbnail(place: Path) -> bytes | None:
    if place.stat().st_size > _MAX_BYTES:
        return None
    return measure(place.read_bytes(), _SETTINGS, suffix=place.suffix.lower()).thumbnail
