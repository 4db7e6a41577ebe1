"""The review gallery: flagged images on one page that stands alone, to look at and decide about.

Everything is inside: pictures, style, script; the policy forbids all else, and every text from a file is
escaped. Decisions stay in the browser until they are saved as a CSV with the manifest's columns, which comes
back through ``chaffinch import manifest`` or ``vl_tagging_workflow.py --merge``. Images wait in `template`
elements, so that a page of thousands holds only those on view.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path

from chaffinch.formats.manifest_csv import COLUMNS, UNDECIDED, as_decision, decision_hash
from chaffinch.report.html_page import asset, escaped, page_end, page_start, picture_url, value
from chaffinch.storage.files import atomic_path
from chaffinch.taxonomy import TAGS

Row = Mapping[str, str]
"""One image: texts by the manifest's columns."""

MAX_IMAGES = 5_000
"""Images in one file: about 40 MB with their pictures, which browsers still open at once."""

DATASET_META = "chaffinch-dataset"
"""Name of the `meta` element that says whose page it is."""

_SHOWN_TAGS = [tag for tag in TAGS.values() if tag.action is None]


def write_review_gallery(
    path: Path,
    rows: Sequence[Row],
    *,
    dataset: str,
    part: tuple[int, int],
    n_per_page: int,
    thumbnail: Callable[[Row], bytes | None],
) -> None:
    """Write one file of a gallery, atomically.

    Args:
        path: The HTML file.
        rows: At most `MAX_IMAGES` images.
        dataset: Name of the dataset.
        part: Number of this file, from 1, and how many there are.
        n_per_page: Images shown at a time.
        thumbnail: Gives an image's picture as JPEG; None where the file is not at hand.

    Cost: 5 to 8 KB of file an image.
    """
    content = _page(rows, dataset=dataset, part=part, n_per_page=n_per_page, thumbnail=thumbnail)
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as out,
    ):
        out.writelines(content)


def dataset_of(path: Path) -> str | None:
    """Return the dataset that a gallery file is about; None where it is no gallery of ours."""
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.read(4096)
    start = head.find(f'<meta name="{DATASET_META}" content="')
    if start < 0:
        return None
    return unescape(head[start:].split('"', 4)[3])


def _page(
    rows: Sequence[Row],
    *,
    dataset: str,
    part: tuple[int, int],
    n_per_page: int,
    thumbnail: Callable[[Row], bytes | None],
) -> Iterator[str]:
    script = asset("review_gallery.js")
    named = {
        DATASET_META: dataset,
        "chaffinch-page": _fingerprint(rows),
        "chaffinch-per-page": str(max(1, n_per_page)),
        "chaffinch-columns": ",".join(COLUMNS),
    }
    styles = [asset("contact_sheet.css"), asset("review_gallery.css")]
    yield page_start(f"{dataset}: flagged images", styles=styles, script=script, named=named)
    pictures: Counter[bool] = Counter()
    templates = []
    for row in rows:
        jpeg = thumbnail(row)
        pictures[jpeg is not None] += 1
        templates.append(_template(row, jpeg))
    yield _masthead(rows, dataset=dataset, part=part, n_without=pictures[False])
    yield _bar(rows)
    yield (
        '<main class="page">\n<p class="told" role="status"></p>\n'
        '<noscript><p class="notice">This page needs its own script to show the images.</p></noscript>\n'
        '<ul class="cards"></ul>\n<p class="nothing" hidden>No image matches.</p>\n</main>\n'
    )
    labels = sorted({t for row in rows for t in (row["label"], row["vl_suggested_label"]) if t})
    options = "".join(f'<option value="{value(label)}"></option>' for label in labels)
    yield f'<datalist id="labels">{options}</datalist>\n{_footer()}'
    yield from templates
    yield page_end(script)


def _fingerprint(rows: Sequence[Row]) -> str:
    """Return a name for what the page shows: edits of one page must not show up in another."""
    digest = hashlib.blake2b(digest_size=8)
    for row in rows:
        parts = (row["image_id"], row["image_path"], row["user_tags"], row["user_action"], row["new_label"])
        digest.update("\0".join(parts).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _masthead(rows: Sequence[Row], *, dataset: str, part: tuple[int, int], n_without: int) -> str:
    number, of = part
    which = f" (file {number} of {of})" if of > 1 else ""
    counts = Counter(word for row in rows for word in row["vl_flag_type"].split(";") if word)
    facts = "".join(
        f"<div><dt>{escaped(word.replace('_', ' '))}</dt><dd>{count:,}</dd></div>\n"
        for word, count in counts.most_common()
    )
    notice = (
        f'<div class="notice"><p>{n_without:,} of the images have no picture here: their files were not at '
        "hand when this page was written.</p></div>\n"
        if n_without
        else ""
    )
    return (
        '<header class="page masthead">\n<p class="eyebrow">chaffinch review</p>\n'
        f"<h1>Flagged images of {escaped(dataset)}{which}</h1>\n"
        f'<p class="verdict">{len(rows):,} images. A flag is a claim of a machine; you decide.</p>\n'
        f'<dl class="facts">\n{facts}</dl>\n{notice}</header>\n'
    )


def _bar(rows: Sequence[Row]) -> str:
    types = sorted({word for row in rows for word in row["vl_flag_type"].split(";") if word})
    options = "".join(f'<option value="{value(t)}">{escaped(t.replace("_", " "))}</option>' for t in types)
    states = (
        ("", "all"),
        (UNDECIDED, "undecided"),
        ("decided", "decided"),
        *((action, action) for action in ("keep", "remove", "relabel")),
    )
    choices = "".join(f'<option value="{name}">{text}</option>' for name, text in states)
    return (
        '<nav class="bar" aria-label="Filter and save"><div class="page gallery-bar">\n'
        f'<label>Issue <select id="type"><option value="">any</option>{options}</select></label>\n'
        f'<label>Decision <select id="state">{choices}</select></label>\n'
        '<label>Find <input id="find" type="search" placeholder="id, path, label, reason"></label>\n'
        '<div class="end"><button id="previous" type="button" aria-label="previous page">‹</button>\n'
        '<output id="range" aria-live="polite"></output>\n'
        '<button id="next" type="button" aria-label="next page">›</button>\n'
        '<label>Your name <input id="reviewer" type="text" autocomplete="name" size="12"></label>\n'
        '<button id="save" class="save" type="button" data-testid="export">Save as CSV</button></div>\n'
        "</div></nav>\n"
    )


def _footer() -> str:
    keys = "".join(
        f"<kbd>{key}</kbd> {what} &nbsp; "
        for key, what in (
            ("k", "keep"),
            ("x", "remove"),
            ("r", "relabel"),
            ("u", "undo"),
            ("arrows", "move"),
            ("n", "next page"),
            ("p", "previous page"),
        )
    )
    return (
        f'<footer class="page"><p>On a selected image: {keys}</p>\n'
        "<p>Decisions stay in this browser. Save them as CSV and bring them back with "
        "<code>chaffinch import manifest FILE -w WS --reviewer NAME</code> or "
        "<code>vl_tagging_workflow.py --merge FILE</code>.</p></footer>\n"
    )


# ------------------------------------------------------------------------------------------------ one image


def _template(row: Row, jpeg: bytes | None) -> str:
    is_relabelled = row["user_action"] == "relabel"
    kept = {name: row.get(name, "") for name in COLUMNS}
    kept["row_hash"] = decision_hash(as_decision(row))
    kept["new_label"] = row["new_label"] if is_relabelled else ""
    kept["label_out"] = "" if is_relabelled else row["new_label"]
    data = " ".join(f'data-{name}="{value(text)}"' for name, text in kept.items())
    return f"<template {data}>{_card(row, jpeg)}</template>\n"


def _card(row: Row, jpeg: bytes | None) -> str:
    name = row["image_path"].rpartition("/")[2] or row["image_id"]
    label, suggested = row["label"], row["vl_suggested_label"]
    alt = f"{name}, labelled {label}" if label else name
    picture = (
        "picture not at hand"
        if jpeg is None
        else f'<img src="{picture_url(jpeg)}" alt="{escaped(alt)}" decoding="async">'
    )
    arrow = f' <span class="arrow">→</span> <bdi>{escaped(suggested)}?</bdi>' if suggested else ""
    title = f"<bdi>{escaped(label)}</bdi>{arrow}" if label or suggested else f"<bdi>{escaped(name)}</bdi>"
    sure = f" {float(row['vl_confidence']):.2f}" if row["vl_confidence"] else ""
    types = [word.replace("_", " ") for word in row["vl_flag_type"].split(";") if word]
    chips = "".join(f"<li>{escaped(t)}{sure if n == 0 else ''}</li>" for n, t in enumerate(types))
    buttons = "".join(
        f'<button type="button" value="{action}" aria-pressed="false">{action.capitalize()}</button>'
        for action in ("keep", "remove", "relabel")
    )
    boxes = "".join(
        f'<label><input type="checkbox" value="{tag.name}">{tag.name}</label>' for tag in _SHOWN_TAGS
    )
    hint = f"suggested: {escaped(suggested)}" if suggested else "new label"
    return (
        f'<li class="card" tabindex="0" aria-label="{escaped(alt)}"><div class="picture">{picture}</div>'
        f'<h2>{title}</h2><ul class="chips">{chips}</ul><p class="reason">{escaped(row["vl_reason"])}</p>'
        f'<bdi class="path">{escaped(row["image_id"])} · {escaped(row["image_path"])}</bdi>'
        f'<div class="actions">{buttons}</div>'
        f'<input type="text" class="new-label" list="labels" placeholder="{hint}" aria-label="new label"'
        " hidden>"
        f"<details><summary>Tags</summary>{boxes}</details>"
        '<input type="text" class="note" placeholder="note" aria-label="note"></li>'
    )
