"""A contact sheet of leaks: one HTML file that shows each pair side by side, because people look first.

The file is whole in itself: pictures are data URIs, style and script are allowed by their digests, and the
content security policy forbids everything else, so no name out of a file can run or load anything. It is
readable without script, in light and dark, on paper and on a narrow screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from chaffinch.records import LeakPair
from chaffinch.report.html_page import asset, escaped, page_end, page_start, picture_url
from chaffinch.report.leak_sample import MethodSection, ShownPair
from chaffinch.report.leak_summary import LeakMethod, LeakSummary, percent, rule_text
from chaffinch.report.visible_text import counted, visible
from chaffinch.storage.files import atomic_path

Thumbnail = Callable[[str], bytes | None]
"""Key of a sample to its picture as JPEG, about 160 px; None where there is none."""


def contact_sheet_path(report: Path) -> Path:
    """Return where the contact sheet of a report stands: ``<stem>.html``, never the report itself."""
    path = report.with_name(f"{report.stem}.html")
    return path if path != report else report.with_name(f"{report.name}.html")


def write_contact_sheet(
    path: Path, sections: Sequence[MethodSection], *, summary: LeakSummary, thumbnail: Thumbnail
) -> None:
    """Write the contact sheet of a leak report, atomically.

    Args:
        path: The HTML file.
        sections: What to show, from `choose_pairs`.
        summary: The report's figures.
        thumbnail: Called with both keys of each shown pair.

    Cost: about 15 KB of file a pair.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(_page(summary, sections, thumbnail))


def _page(summary: LeakSummary, sections: Sequence[MethodSection], thumbnail: Thumbnail) -> Iterator[str]:
    script = asset("contact_sheet.js")
    title = f"{summary.dataset}: train-test leaks"
    yield page_start(title, styles=[asset("contact_sheet.css")], script=script, named={})
    yield _masthead(summary)
    if sections:
        yield _bar(sections)
    yield '<main class="page">\n'
    by_method = {entry.method: entry for entry in summary.methods}
    number = 0
    for section in sections:
        entry = by_method.get(section.method)
        threshold = entry.threshold if entry else None
        yield _section_head(section, entry)
        for shown in section.shown:
            number += 1
            yield _card(shown, number=number, threshold=threshold, thumbnail=thumbnail)
        yield "</ol>\n</section>\n"
    yield f"</main>\n{_footer(summary)}"
    yield page_end(script if sections else "")


def _bar_svg(name: str, share: float) -> str:
    # Widths are attributes of an SVG because the policy forbids inline styles.
    width = max(0.0, min(1.0, share)) * 100
    return (
        f'<svg class="{name}" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="all" width="100" height="1"/><rect class="part" width="{width:.2f}" height="1"/>'
        "</svg>\n"
    )


# ------------------------------------------------------------------------------------------- page furniture


def _masthead(summary: LeakSummary) -> str:
    return (
        '<header class="page masthead">\n<p class="eyebrow">chaffinch contact sheet</p>\n'
        f"<h1>Train-test leaks in {escaped(summary.dataset)}</h1>\n"
        f"{_verdict(summary)}{_facts(summary)}{_notices(summary)}</header>\n"
    )


def _verdict(summary: LeakSummary) -> str:
    test = summary.test
    n_test, n_train = counted(test.n_images, "test image"), counted(summary.train.n_images, "train image")
    if not summary.methods:
        return '<p class="verdict">Nothing was searched.</p>\n'
    if not summary.has_leaks:
        found = f'<strong class="clean">No leak found</strong> among {n_test} and {n_train}.'
        return f'<p class="verdict">{found}</p>\n'
    return (
        f'<p class="verdict"><strong>{test.n_leaking:,}</strong> of {n_test} '
        f"(<strong>{percent(test.share)}</strong>) also appear in train.</p>\n{_bar_svg('share', test.share)}"
    )


def _facts(summary: LeakSummary) -> str:
    facts = []
    if summary.has_leaks:
        train = summary.train
        facts.append(("train images involved", f"{train.n_leaking:,}", f"of {train.n_images:,}"))
    facts += [(f"{entry.method} pairs", f"{entry.count.n_pairs:,}", "") for entry in summary.methods]
    if summary.n_labels_agree + summary.n_labels_differ:
        facts.append(("test images labelled differently in train", f"{summary.n_labels_differ:,}", ""))
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}{f' <small>{more}</small>' if more else ''}</dd></div>\n"
        for name, value, more in facts
    )
    return f'<dl class="facts">\n{items}</dl>\n'


def _notices(summary: LeakSummary) -> str:
    lines = [
        f"<strong>{escaped(entry.method)}</strong> was left out: {escaped(entry.reason)}. "
        f"To get it: <code>{escaped(entry.hint)}</code>"
        for entry in summary.left_out
    ]
    n_unseen = sum(side.n_images - side.outcomes.get("ok", 0) for side in (summary.train, summary.test))
    if n_unseen:
        lines.append(f"{counted(n_unseen, 'image')} could not be read; leaks among them stay unseen.")
    lines += [escaped(note) for note in summary.notes]
    paragraphs = "".join(f"<p>{line}</p>\n" for line in lines)
    return f'<div class="notice">\n{paragraphs}</div>\n' if lines else ""


def _bar(sections: Sequence[MethodSection]) -> str:
    links = "".join(
        f'<li><a href="#{s.method}">{s.method.capitalize()} '
        f'<span class="n">{len(s.shown):,}</span></a></li>\n'
        for s in sections
    )
    options = "".join(f'<option value="{s.method}">{s.method}</option>' for s in sections)
    return (
        f'<nav class="bar" aria-label="Methods and filters"><div class="page">\n<ul>\n{links}</ul>\n'
        '<div class="filter" hidden>\n'
        f'<label>Found by <select><option value="">any method</option>{options}</select></label>\n'
        '<label><input type="checkbox"> only different labels</label>\n'
        '<output aria-live="polite"></output>\n</div>\n</div></nav>\n'
    )


def _section_head(section: MethodSection, entry: LeakMethod | None) -> str:
    rule = rule_text(section.method, entry.threshold if entry else None)
    return (
        f'<section class="method {section.method}" id="{section.method}" '
        f'aria-labelledby="h-{section.method}">\n'
        f'<h2 id="h-{section.method}">{section.method.capitalize()}</h2>\n'
        f'<p class="rule">{escape(" · ".join(filter(None, (rule, how_many_text(section)))))}</p>\n'
        '<ol class="pairs">\n'
    )


def how_many_text(section: MethodSection) -> str:
    """Say how many pairs of a section are shown, of how many."""
    shown = len(section.shown)
    text = counted(section.n_pairs, "pair")
    if section.n_earlier:
        text += f", {section.n_earlier:,} of them found by a method above and shown there"
    if shown < section.n_new:
        text += f"; {shown:,} of {section.n_new:,} shown, drawn evenly"
    is_ranked = shown > 1 and section.method != "exact"
    return f"{text}; most similar first" if is_ranked else text


def _footer(summary: LeakSummary) -> str:
    lines = [f"Every pair is in <code>{escaped(summary.report)}</code>."]
    if summary.n_stars:
        lines.append(f"Large groups of equal images given as stars, not as every pair: {summary.n_stars:,}.")
    lines.append(f"Train: {escaped(summary.train.name)} · Test: {escaped(summary.test.name)}")
    lines.append(f"Inputs {escaped(summary.inputs_fingerprint)}")
    return '<footer class="page">\n' + "".join(f"<p>{line}</p>\n" for line in lines) + "</footer>\n"


# ------------------------------------------------------------------------------------------------- one pair


def _card(shown: ShownPair, *, number: int, threshold: float | None, thumbnail: Thumbnail) -> str:
    pair = shown.pair
    differ = " differ" if pair.labels_agree is False else ""
    methods = " ".join(dict.fromkeys(row.method for row in (pair, *shown.also)))
    limit = limit_text(pair.method, threshold)
    # Where a threshold is, the bar runs from it to a perfect match.
    bar = _bar_svg("strength", _strength(pair, threshold)) if limit else ""
    return (
        f'<li class="pair{differ}" id="pair-{number}" data-methods="{methods}">\n'
        f'<h3><a href="#pair-{number}" aria-label="pair {number}">{number}</a> {escape(score_text(pair))}'
        f"{f'<span class=limit>{escape(limit)}</span>' if limit else ''}</h3>\n{bar}"
        '<div class="two">\n'
        f"{_figure('train', (pair.train_image, pair.train_label), thumbnail(pair.train_key))}"
        f"{_figure('test', (pair.test_image, pair.test_label), thumbnail(pair.test_key))}"
        f"</div>\n{_chips(shown)}</li>\n"
    )


def _figure(role: str, image: tuple[str, str | None], jpeg: bytes | None) -> str:
    path, label = image
    folder, slash, name = path.rpartition("/")
    alt = f"{role} image {visible(name)}" + (f", labelled {visible(label)}" if label is not None else "")
    if jpeg is None:
        picture = "no picture"
    else:
        picture = f'<img src="{picture_url(jpeg)}" alt="{escape(alt)}" decoding="async">'
    folder_html = escaped(folder + slash).replace("/", "/<wbr>")
    label_html = "" if label is None else f'<bdi class="label">{escaped(label)}</bdi>'
    return (
        f'<figure><div class="picture">{picture}</div>\n<figcaption>'
        f'<span class="side"><span class="role">{role}</span>{label_html}</span>'
        f'<bdi class="path">{folder_html}<b>{escaped(name)}</b></bdi></figcaption></figure>\n'
    )


def _chips(shown: ShownPair) -> str:
    rows = (shown.pair, *shown.also)
    chips = []
    if shown.pair.labels_agree is False:
        chips.append('<li class="alarm">≠ labels differ</li>')
    transforms = dict.fromkeys(row.transform for row in rows if row.transform not in ("", "identity"))
    chips += [f'<li class="turn">{escaped(turn.replace("_", " "))}</li>' for turn in transforms]
    chips += [f"<li>{row.method} {escape(_short_score(row))}</li>" for row in shown.also]
    return f'<ul class="chips">{"".join(chips)}</ul>\n' if chips else ""


def score_text(pair: LeakPair) -> str:
    """Say how close two images are, in the method's own unit."""
    if pair.method == "exact":
        return "identical"
    if pair.method == "perceptual" and pair.hamming_distance is not None:
        return f"{pair.hamming_distance} of 64 bits differ"
    return f"{'correlation' if pair.method == 'verified' else 'cosine'} {pair.similarity:.3f}"


def _short_score(pair: LeakPair) -> str:
    if pair.method == "perceptual" and pair.hamming_distance is not None:
        return counted(pair.hamming_distance, "bit")
    return f"{pair.similarity:.3f}"


def limit_text(method: str, threshold: float | None) -> str:
    """Say what the threshold is; '' where the method has none."""
    if threshold is None or method == "exact":
        return ""
    return f"at most {threshold:g}" if method == "perceptual" else f"at least {threshold:g}"


def _strength(pair: LeakPair, threshold: float | None) -> float:
    """Return where a pair lies between its threshold (0) and a perfect match (1)."""
    if threshold is None:
        return 1.0
    weakest = 1 - threshold / 64 if pair.method == "perceptual" else threshold
    return (pair.similarity - weakest) / (1 - weakest) if weakest < 1 else 1.0
