"""Draw the log of a run: what the held-back photographs say, over the steps."""

from __future__ import annotations

import csv
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 320, 44
LINES = (("probe_cosine", "#1f6feb", "cosine to the teacher"), ("probe_recall", "#b35900", "copies found"))
"""Columns drawn, all between 0 and 1, with colour and name."""
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


def _place(step: float, value: float, last_step: float) -> str:
    x = MARGIN + (WIDTH - 2 * MARGIN) * step / max(1.0, last_step)
    y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value
    return f"{x:.1f},{y:.1f}"


def write_curve(log: Path, image: Path) -> None:
    """Write the SVG of a run's log.

    Args:
        log: CSV with a column `step` and those of `LINES`.
        image: Where the drawing goes.
    """
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    last_step = float(rows[-1]["step"])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for value in GRID:
        start, end = _place(0, value, 1), _place(1, value, 1)
        (x, y), (end_x, _) = start.split(","), end.split(",")
        parts.append(f'<path d="M{x},{y}H{end_x}" stroke="#ddd"/><text x="8" y="{y}">{value}</text>')
    for index, (column, colour, name) in enumerate(LINES):
        points = " ".join(_place(float(row["step"]), float(row[column]), last_step) for row in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{MARGIN + index * 220}" y="20" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{MARGIN}" y="{HEIGHT - 12}">steps 0 to {last_step:.0f}</text></svg>')
    image.write_text("\n".join(parts) + "\n", encoding="utf-8")
