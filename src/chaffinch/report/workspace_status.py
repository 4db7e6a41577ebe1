"""The state of a workspace in words and figures: as lines for a terminal, as HTML for a notebook."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chaffinch.report.html_page import asset, escaped

INDENT, WIDTH = 11, 79
"""Columns of the word before each fact, and of the whole line."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known of a workspace."""

    about: str
    """One word."""
    text: str
    """What is known."""


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """The state of a workspace."""

    facts: tuple[Fact, ...]
    """In the order of the steps; a step may have several."""
    next_command: str
    """What would come next."""
    samples: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of samples by split and outcome."""
    issues: Mapping[str, int] = field(default_factory=dict)
    """Number of issues by type."""

    @property
    def lines(self) -> list[str]:
        """Return a line for each fact; several for a list that is longer than 80 columns."""
        return [line for fact in self.facts for line in _lines(fact)]


def _lines(fact: Fact) -> list[str]:
    # Only between the parts of a list: "7 blur" stays together, and a path stays whole.
    text = re.sub(r"(?<![,;:]) ", "\xa0", fact.text)
    folded = textwrap.wrap(text, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False) or [""]
    words = [fact.about, *[""] * len(folded)]
    return [f"{word:<{INDENT}}{line}".replace("\xa0", " ") for word, line in zip(words, folded, strict=False)]


def status_html(status: WorkspaceStatus) -> str:
    """Return a status as a piece of HTML that takes the colours of the page around it.

    Every text is escaped; nothing is loaded and no script runs.
    """
    drawn = {"samples": _samples_table(status), "issues": _issue_bars(status)}
    rows = [f"<dt>{name}</dt><dd>{html}</dd>" for name, html in drawn.items() if html]
    told = [fact for fact in status.facts if fact.about not in ("dataset", "scan", "issues") or not rows]
    by_word: dict[str, list[str]] = {}
    for fact in told:
        by_word.setdefault(fact.about, []).append(escaped(fact.text))
    rows += [f"<dt>{escaped(word)}</dt><dd>{'<br>'.join(texts)}</dd>" for word, texts in by_word.items()]
    dataset = next((fact.text for fact in status.facts if fact.about == "dataset"), "workspace")
    n = sum(status.samples.values())
    return (
        f'<div class="chaffinch-status"><style>{asset("workspace_status.css")}</style>'
        f"<strong>{escaped(dataset)}</strong>{f' {n:,} images' if n else ''}"
        f"<dl>{''.join(rows)}</dl>next: <code>{escaped(status.next_command)}</code></div>"
    )


def _samples_table(status: WorkspaceStatus) -> str:
    """Return samples by split, one column an outcome."""
    splits = sorted({split for split, _ in status.samples})
    outcomes = sorted({outcome for _, outcome in status.samples}, key=lambda o: (o != "ok", o))
    if not splits:
        return ""
    head = "".join(f"<th>{escaped(outcome)}</th>" for outcome in outcomes)
    lines = (
        f"<tr><th>{escaped(split)}</th>"
        + "".join(f"<td>{status.samples.get((split, outcome), 0):,}</td>" for outcome in outcomes)
        + "</tr>"
        for split in splits
    )
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _issue_bars(status: WorkspaceStatus) -> str:
    most = max(status.issues.values(), default=0)
    return "".join(_bar(name, count, most) for name, count in _most_first(status.issues))


def _most_first(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    yield from sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _bar(name: str, count: int, most: int) -> str:
    width = max(0.5, 100 * count / most)
    return (
        f'<span class="issue"><span>{escaped(name.replace("_", " "))}</span>'
        f'<span class="bar"><i style="width:{width:.1f}%"></i></span><span>{count:,}</span></span>'
    )
