"""CHANGES.md: what a release changed and why, for people. Figures in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """What CHANGES.md says."""

    dataset: str
    """Name of the dataset."""
    n_samples: int
    """Samples before."""
    n_removed: int
    """Samples that go."""
    n_relabelled: int
    """Samples that get another label."""
    removed_by: Mapping[str, int]
    """Samples removed by reason; one that has several counts for each."""
    relabelled_by: Mapping[str, int]
    """Samples relabelled by who decided it."""
    classes: Sequence[tuple[str, int, int]]
    """Label, samples before, samples after."""
    remarks: Mapping[str, Sequence[str]]
    """Sentence to the samples that it is about."""
    policies: Sequence[str]
    """Name and version of each policy that was applied."""
    decisions: tuple[int, str]
    """Number of decisions, and the hash of the last one."""


def changes_text(counts: ChangeCounts) -> str:
    """Return the text of CHANGES.md."""
    left = counts.n_samples - counts.n_removed
    blocks = [
        f"# Changes to {counts.dataset}",
        _table(
            ("images", "number"),
            [
                ("before", counts.n_samples),
                ("removed", counts.n_removed),
                ("relabelled", counts.n_relabelled),
                ("left", left),
            ],
        ),
        "## Removed by reason\n\nAn image that goes for several reasons counts for each.",
        _table(("reason", "images"), _ranked(counts.removed_by)),
        "## Relabelled by who decided it",
        _table(("decided by", "images"), _ranked(counts.relabelled_by)),
        "## Class balance",
        _table(
            ("class", "before", "after", "change"), [(c, b, a, f"{a - b:+,}") for c, b, a in counts.classes]
        ),
    ]
    for sentence, samples in counts.remarks.items():
        if samples:
            blocks += [f"## {len(samples):,} {sentence}", "\n".join(f"- {_cell(s)}" for s in samples)]
    n_decisions, head = counts.decisions
    blocks += [
        "## Where this comes from",
        f"{n_decisions:,} decisions, in decisions.csv; the hash of the last is `{head}`.",
        "\n".join(f"- policy {_cell(name)}" for name in counts.policies) or "No policy was applied.",
    ]
    return "\n\n".join(blocks) + "\n"


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _table(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    if not rows:
        return "None."
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(
        f"| {' | '.join(_cell(f'{x:,}' if isinstance(x, int) else x) for x in line)} |" for line in lines
    )


def _cell(text: str) -> str:
    """Return a text in one line that Markdown shows as it is."""
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", re.sub(r"\s*[\r\n]\s*", " ", text))
