"""The page that shows how a semantic threshold was chosen: the curve, and the figures in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chaffinch.detect.calibration import Calibration
from chaffinch.identity import slug
from chaffinch.report.html_page import asset, escaped, page_end, page_start
from chaffinch.storage.files import atomic_path

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 16, 44
N_STEPS = 160
"""Points of a curve."""
LOWEST = 0.3
"""Where the axis begins at the latest."""


def write_calibration_page(folder: Path, found: Calibration, *, embedder: str) -> Path:
    """Write ``calibration_<embedder>.html`` into a folder, which is made; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"calibration_{slug(embedder)}.html"
    with atomic_path(path) as temporary:
        temporary.write_text(_page(found, embedder), encoding="utf-8")
    return path


def _page(found: Calibration, embedder: str) -> str:
    title = f"Semantic threshold of {embedder}"
    kinds = "".join(
        f"<tr><th scope=row>{escaped(kind)}</th><td>{len(found.copies[kind]):,}</td>"
        f"<td>{recall:.3f}</td></tr>\n"
        for kind, recall in found.recall_by_kind().items()
    )
    return (
        page_start(title, styles=[asset("calibration_page.css")], script="", named={})
        + f"<main><h1>{escaped(title)}</h1>\n<p>{_verdict(found)}</p>\n{_figure(found)}\n"
        "<table><caption>Copies that reach the threshold</caption>\n<thead><tr><th scope=col>kind</th>"
        f"<th scope=col>copies</th><th scope=col>share</th></tr></thead>\n<tbody>{kinds}</tbody></table>\n"
        f"<p>{_CAUTION}</p></main>\n" + page_end("")
    )


_CAUTION = (
    "Precision: the share of copies among all that is as near, if each image had one copy. Strangers are the "
    "nearest images that are not known to be copies; some may be copies that nothing has found yet, so look "
    "at the nearest ones before trusting a low precision."
)


def _verdict(found: Calibration) -> str:
    return (
        f"A cosine of <strong>{found.threshold:.3f}</strong> or more means a copy: {found.recall():.1%} of "
        f"the made copies reach it, and {found.false_share():.2%} of {len(found.strangers):,} images have a "
        f"stranger as near (allowed: {found.max_false_share:.2%})."
    )


def _figure(found: Calibration) -> str:
    every = np.concatenate([*found.copies.values(), found.strangers])
    start = min(LOWEST, float(np.floor(every.min() * 10) / 10), found.threshold - 0.05)
    grid = np.linspace(start, 1, N_STEPS)
    curves = {
        "recall": [found.recall(t) for t in grid.tolist()],
        "precision": [found.precision(t) for t in grid.tolist()],
        "strangers": [found.false_share(t) for t in grid.tolist()],
    }
    lines = "".join(
        f'<polyline class="{name}" points="{_points(grid, shares, start)}"/>'
        for name, shares in curves.items()
    )
    at = _x(found.threshold, start)
    words = ", ".join(f"{name} {shares[0]:.2f} to {shares[-1]:.2f}" for name, shares in curves.items())
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Shares by threshold: {words}">'
        f"{_axes(start)}{lines}"
        f'<line class="chosen" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="chosen" x="{at - 4:.1f}" y="{TOP + 10}" text-anchor="end">{found.threshold:.3f}</text>'
        "</svg><ul class=legend><li class=recall>copies found (recall)</li><li class=precision>precision</li>"
        "<li class=strangers>images with a stranger as near</li></ul>"
    )


def _axes(start: float) -> str:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _y(share)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    for tick in np.arange(np.ceil(start * 10) / 10, 1.001, 0.1).tolist():
        x = _x(tick, start)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:.1f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">threshold (cosine)</text>')
    return "".join(parts)


def _points(grid: np.ndarray, shares: Sequence[float], start: float) -> str:
    return " ".join(f"{_x(t, start):.1f},{_y(s):.1f}" for t, s in zip(grid.tolist(), shares, strict=True))


def _x(threshold: float, start: float) -> float:
    return LEFT + (threshold - start) / (1 - start) * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)
