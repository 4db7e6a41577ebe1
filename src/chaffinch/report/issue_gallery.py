"""The surest findings of each type on one page that stands alone, with the images that speak for them.

Pictures where people would rather look than read: a mislabel beside the images that look like it, a copy
beside what it copies, an outlier beside the nearest there is. Nothing in the page loads or runs, and every
text from a file is escaped. It shows and asks nothing; deciding is what the review page is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaffinch.report.html_page import asset, escaped, page_end, page_start, picture_url
from chaffinch.storage.files import atomic_path

_HUES = {"label": "perceptual", "duplicate": "exact", "leak": "exact", "quality": "verified"}
"""Question that a type raises, to the class of the contact sheet whose colour it takes."""


@dataclass(frozen=True, slots=True)
class ShownImage:
    """One picture of a finding."""

    role: str
    """What it is there for: 'flagged', 'copy of', 'looks like', ..."""
    path: str
    """What people know it by."""
    label: str | None
    """Given label; None where it has none."""
    jpeg: bytes | None
    """Small picture; None where there is none."""


@dataclass(frozen=True, slots=True)
class ShownIssue:
    """One finding."""

    images: tuple[ShownImage, ...]
    """The flagged image first, then those that speak for or against it."""
    confidence: float | None
    """0..1; None where nobody states one."""
    suggested_label: str | None
    """Label that would be right."""
    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class IssueSection:
    """The findings of one type."""

    issue_type: str
    """Singular issue word."""
    question: str
    """Question that the type raises, as `taxonomy.ISSUE_TYPES` says."""
    n_images: int
    """Images flagged, shown or not."""
    shown: tuple[ShownIssue, ...]
    """The surest, surest first."""


def write_issue_gallery(path: Path, sections: Sequence[IssueSection], *, dataset: str, n_images: int) -> None:
    """Write the page, atomically.

    Args:
        path: The HTML file.
        sections: One for each type that was found.
        dataset: Name of the dataset.
        n_images: Images in it.

    Cost: 6 KB of file a picture.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(_page(sections, dataset=dataset, n_images=n_images))


def _page(sections: Sequence[IssueSection], *, dataset: str, n_images: int) -> Iterator[str]:
    styles = [asset("contact_sheet.css"), asset("issue_gallery.css")]
    yield page_start(f"{dataset}: findings", styles=styles, script="", named={})
    yield _masthead(sections, dataset=dataset, n_images=n_images)
    if sections:
        yield _bar(sections)
    yield '<main class="page">\n'
    for section in sections:
        yield _section_head(section)
        yield from map(_card, section.shown)
        yield "</ol>\n</section>\n"
    yield '</main>\n<footer class="page">'
    yield "<p>A finding is a claim of a machine and changes nothing; people decide.</p></footer>\n"
    yield page_end("")


def _masthead(sections: Sequence[IssueSection], *, dataset: str, n_images: int) -> str:
    facts = "".join(
        f"<div><dt>{escaped(_words(s.issue_type))}</dt><dd>{s.n_images:,}</dd></div>\n" for s in sections
    )
    verdict = (
        f"The surest findings of each type, among {n_images:,} images."
        if sections
        else f'<strong class="clean">Nothing was found</strong> among {n_images:,} images.'
    )
    return (
        '<header class="page masthead">\n<p class="eyebrow">chaffinch findings</p>\n'
        f'<h1>What was found in {escaped(dataset)}</h1>\n<p class="verdict">{verdict}</p>\n'
        f'<dl class="facts">\n{facts}</dl>\n</header>\n'
    )


def _words(issue_type: str) -> str:
    return issue_type.replace("_", " ")


def _bar(sections: Sequence[IssueSection]) -> str:
    links = "".join(
        f'<li><a href="#{s.issue_type}">{_words(s.issue_type).capitalize()} '
        f'<span class="n">{s.n_images:,}</span></a></li>\n'
        for s in sections
    )
    return f'<nav class="bar" aria-label="Types"><div class="page">\n<ul>\n{links}</ul>\n</div></nav>\n'


def _section_head(section: IssueSection) -> str:
    name, hue = section.issue_type, _HUES[section.question]
    noun, n_shown = "image" if section.n_images == 1 else "images", len(section.shown)
    wide = " wide" if any(len(issue.images) > 2 for issue in section.shown) else ""
    shown = f"the {n_shown:,} surest shown" if n_shown < section.n_images else "all shown"
    return (
        f'<section class="method {hue}" id="{name}" aria-labelledby="h-{name}">\n'
        f'<h2 id="h-{name}">{_words(name).capitalize()}</h2>\n'
        f'<p class="rule">{section.n_images:,} {noun} · {shown}, surest first</p>\n<ol class="pairs{wide}">\n'
    )


def _card(shown: ShownIssue) -> str:
    sure = "" if shown.confidence is None else f"{shown.confidence:.2f}"
    label, suggested = shown.images[0].label, shown.suggested_label
    title = "" if label is None else f"<bdi>{escaped(label)}</bdi>"
    if suggested is not None and suggested != label:
        title += f' <span class="arrow">→</span> <bdi class="suggested">{escaped(suggested)}?</bdi>'
    figures = "".join(map(_figure, shown.images))
    return (
        f'<li class="pair finding">\n<h3>{title}<span class="limit">{sure}</span></h3>\n'
        f'<div class="many n{len(shown.images)}">\n{figures}</div>\n'
        f'<p class="reason">{escaped(shown.reason)}</p></li>\n'
    )


def _figure(image: ShownImage) -> str:
    folder, slash, name = image.path.rpartition("/")
    alt = f"{image.role}: {name}" + ("" if image.label is None else f", labelled {image.label}")
    picture = (
        "no picture"
        if image.jpeg is None
        else f'<img src="{picture_url(image.jpeg)}" alt="{escaped(alt)}" decoding="async">'
    )
    label = "" if image.label is None else f'<bdi class="label">{escaped(image.label)}</bdi>'
    folder_html = escaped(folder + slash).replace("/", "/<wbr>")
    return (
        f'<figure><div class="picture">{picture}</div>\n<figcaption>'
        f'<span class="side"><span class="role">{escaped(image.role)}</span>{label}</span>'
        f'<bdi class="path">{folder_html}<b>{escaped(name)}</b></bdi></figcaption></figure>\n'
    )
