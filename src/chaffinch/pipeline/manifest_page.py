"""Writes the review page of a manifest in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from chaffinch.identity import slug
from chaffinch.pipeline.review_file import is_free_for, page_files, write_review_files
from chaffinch.pipeline.review_manifest import ManifestReview, ManifestRow, findings_of_row, is_shown
from chaffinch.records import ExportedIssue


def write_manifest_page(
    path: Path,
    rows: Iterable[tuple[str, Mapping[str, str]]],
    *,
    findings: Mapping[tuple[str, str], Sequence[ExportedIssue]],
    dataset: str,
    roots: Sequence[Path],
    page: str,
) -> list[Path]:
    """Write the pages of all flagged or decided images; returns the files, the first page first.

    Args:
        path: The HTML file; further ones are numbered. Where a page of something else stands there, the
            dataset's name is added.
        rows: The manifest: what events call each image, and its texts by column.
        findings: By image id and path, the surest first; of images that are not there, the manifest's are
            taken.
        dataset: Name of the dataset.
        roots: Folders in which relative image paths are looked for.
        page: The review page.

    Cost: one decode of each image that is at hand, about 3 ms of CPU.
    """
    keys, shown = [], []
    for number, (key, texts) in enumerate(rows):
        keys.append(key)
        if is_shown(texts):
            found = findings.get((texts["image_id"], texts["image_path"])) or findings_of_row(texts)
            shown.append(ManifestRow(number, key, texts, found))
    content = ManifestReview(shown, dataset=dataset, keys=keys, roots=roots)
    free = _free_for(path, dataset, n_images=len(shown))
    return [file for file, _ in write_review_files(content, np.arange(len(shown)), free, page=page)]


def _free_for(path: Path, dataset: str, *, n_images: int) -> Path:
    """Return `path`, or one with the dataset's name in it where a page of something else stands there."""
    if all(is_free_for(file, dataset) for file in page_files(path, n_images)):
        return path
    own = path.with_name(f"{path.stem}_{slug(dataset)}{path.suffix}")
    warnings.warn(f"{path} is the page of another dataset and is kept; this one is {own}", stacklevel=4)
    return own
