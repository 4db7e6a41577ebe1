"""The review page as one file for a double click, of whatever can say what there is to review.

The page is that of the live server; its data stands in a script element `data` inside it. Decisions are kept
in the reviewer's browser until they are exported; `curate/exported.py` reads that.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.pipeline.review_columns import COLUMNS, ReviewColumns, n_parts, part_bytes
from chaffinch.pipeline.review_data import ReviewData, arguing_neighbours
from chaffinch.storage.files import atomic_path

MAX_IMAGES = 5000
"""Images of one file; some 30 MB."""

_MARK = re.compile(r'<script type="application/json" id="data" data-dataset="([^"]*)">')


class Reviewable(Protocol):
    """What a page is filled from: a workspace (`ReviewData`) or a manifest (`ManifestReview`)."""

    @property
    def columns(self) -> ReviewColumns:
        """Numbers of every image, by `sample_id`; without those of decisions nothing is decided yet."""
        ...

    def meta(
        self, *, reviewer: str | None, reviewers: Sequence[str], is_live: bool, is_blind: bool
    ) -> dict[str, Any]:
        """Return what is said once about the dataset."""
        ...

    def details(self, sample_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the words about some images, in their order."""
        ...

    def pictures(self, sample_ids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the thumbnails of those images whose pictures are at hand, as JPEG."""
        ...


def review_page() -> str:
    """Return the review page.

    Raises:
        WorkspaceError: If this installation was made without it.
    """
    page = resources.files("chaffinch") / "serve" / "review.html"
    try:
        return page.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WorkspaceError(
            "this installation has no review page", hint="in a clone: make web; else: pip install chaffinch"
        ) from error


def write_review_file(root: Path, path: Path, *, page: str) -> Iterator[tuple[Path, int]]:
    """Write the flagged images of a workspace as `write_review_files` does.

    Args:
        root: The workspace.
        path: The HTML file; further ones are numbered.
        page: The review page.

    Raises:
        UsageError: If a page of another dataset stands there.
        WorkspaceError: If no scan has ended yet.
    """
    data = ReviewData(root)
    values = data.columns.values
    yield from write_review_files(
        data, np.flatnonzero(values["issues"] | values["box_issues"]), path, page=page
    )


def write_review_files(
    content: Reviewable, rows: np.ndarray, path: Path, *, page: str
) -> Iterator[tuple[Path, int]]:
    """Write pages of at most `MAX_IMAGES`, the images most worth looking at first.

    Args:
        content: What there is to review.
        rows: Rows of its columns that are shown, shape (N,).
        path: The HTML file; further ones are numbered.
        page: The review page.

    Yields:
        Each file as it is written, and its images.

    Raises:
        UsageError: If a page of another dataset stands there; nothing is written then.
    """
    by_worth = rows[np.argsort(-content.columns.values["priority"][rows], kind="stable")]
    meta = content.meta(reviewer=None, reviewers=[], is_live=False, is_blind=True)
    files = page_files(path, len(rows))
    for file in files:
        if not is_free_for(file, meta["dataset"]):
            raise UsageError(
                "is not a review page of this dataset and is kept", where=str(file), hint="name another file"
            )
    for number, file in enumerate(files):
        part = np.sort(by_worth[number * MAX_IMAGES : (number + 1) * MAX_IMAGES])
        own = meta | {"n": len(part), "dataset_id": f"{meta['dataset_id']}.{number + 1}"}
        with atomic_path(file) as temporary:
            # A name that no text can hold is written as an escape of JSON, which gives it back.
            text = _filled(page, content, part, meta=own)
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        yield file, len(part)


def page_files(path: Path, n_images: int) -> list[Path]:
    """Return the files that pages of so many images go to."""
    n_files = max(1, -(-n_images // MAX_IMAGES))
    return [
        path if number == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")
        for number in range(1, n_files + 1)
    ]


def is_free_for(file: Path, dataset: str) -> bool:
    """Tell whether a file may be written: nothing is there, or a page of the same dataset."""
    if not file.exists():
        return True
    with file.open(encoding="utf-8", errors="replace") as text:
        found = _MARK.search(text.read(1 << 20))
    return found is not None and unescape(found[1]) == _shown(dataset)


def _filled(page: str, content: Reviewable, rows: np.ndarray, *, meta: Mapping[str, Any]) -> str:
    """Return the page with the data of some rows in it."""
    ids = content.columns.values["sample_id"][rows].tolist()
    undecided: dict[str, Any] = {"verdicts": [], "new_label": None, "note": ""}
    details = [undecided | words for words in content.details(ids)]
    pictures = content.pictures([*ids, *_others(details, ids)])
    data = {
        "meta": meta,
        "columns": [base64.b64encode(block).decode() for block in _blocks(content.columns, rows)],
        "details": details,
        "thumbs": {str(i): base64.b64encode(jpeg).decode() for i, jpeg in pictures},
    }
    # Inside a script element nothing is a tag but what begins with '<'.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    dataset = escape(_shown(meta["dataset"]))
    opening = f'<script type="application/json" id="data" data-dataset="{dataset}">'
    head, end, rest = page.partition("</head>")
    return f"{head}{opening}{text}</script>{end}{rest}"


def _shown(dataset: str) -> str:
    """Return a dataset's name as an attribute can hold it."""
    return dataset.encode("utf-8", "backslashreplace").decode()


def _blocks(columns: ReviewColumns, rows: np.ndarray) -> Iterator[bytes]:
    some = {name: columns.values[name][rows] for name in COLUMNS if name in columns.values}
    undecided = {name: np.zeros(len(rows), np.dtype(COLUMNS[name])) for name in COLUMNS if name not in some}
    for number in range(n_parts(len(rows))):
        yield part_bytes({**some, **undecided}, number)


def _others(details: Sequence[Mapping[str, Any]], ids: Sequence[int]) -> list[int]:
    """Return the partners and neighbours that are shown beside the images and are not among them."""
    partners = {partner["sample_id"] for words in details for partner in words["partners"]}
    neighbours = {near["sample_id"] for words in details for near in arguing_neighbours(words)}
    return sorted((partners | neighbours) - set(ids) - {-1})
