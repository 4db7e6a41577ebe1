"""The table of the README: what matters most of benchmarks/results/*.json, beside other programs.

    make docs

It stands between ``<!-- results: headline -->`` and ``<!-- end: headline -->``; the rest is in
docs/performance.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "README.md"

BLOCK = re.compile(r"(<!-- results: headline -->\n).*?(<!-- end: headline -->)", re.DOTALL)


def result(name: str) -> Any:
    """Return what a benchmark measured."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def whole_run() -> tuple[str, str, str, str]:
    """CPU time from images to lists."""
    found = result("whole_run_apart")
    cost = {row["program"]: f"{row['cpu_ms_per_image']:.1f}" for row in found["programs"]}
    return (
        f"from {found['n_images']:,} pictures to findings, decisions and lists: CPU ms an image",
        f"{cost['chaffinch clean']}; {cost['chaffinch clean, 128 pixels']} with `--embedder chaffinch-s-128`",
        f"fastdup {cost['fastdup']}, cleanvision {cost['cleanvision']}, each a part of it",
        "whole_run.py",
    )


def copies() -> tuple[str, str, str, str]:
    """Altered copies found in the half that nothing was tuned on."""
    rows = {row["method"]: row for row in result("leaks")["photographs_holdout"]}

    def spelled(row: Mapping[str, Any]) -> str:
        n_wrong = row["wrong_pairs_with_copies"] + row["wrong_pairs_among_strangers"]
        return f"{row['recall'].split(' (')[0]}, {n_wrong} wrong"

    theirs = {"fastdup": "fastdup, default .9", "imagededup": "imagededup, pHash <= 10"}
    return (
        "planted copies in 24 kinds of disguise: recall, wrong pairs",
        spelled(rows["verified with chaffinch-s"]),
        "; ".join(f"{name} {spelled(rows[method])}" for name, method in theirs.items()),
        "quality/leaks.py",
    )


def mislabels() -> tuple[str, str, str, str]:
    """Ranking of wrong labels, the mean over three datasets and six kinds of noise."""
    row = next(row for row in result("mislabels")["average_precision"] if row["data"] == "mean")
    theirs = {
        "cleanlab": "cleanlab self_confidence",
        "SimiFeat": "SimiFeat vote",
        "fastdup": "fastdup label_score",
    }
    return (
        "planted wrong labels, same vectors, mean of three datasets and six noises: average precision",
        row["chaffinch"],
        ", ".join(f"{name} {row[column]}" for name, column in theirs.items()),
        "quality/mislabels.py",
    )


def memory() -> tuple[str, str, str, str]:
    """Peak of a scan at ImageNet size."""
    (peak,) = (
        row["peak_mb_at_1281167_images"] for row in result("memory")["growth"] if row["scan"] == "first"
    )
    return (
        "scan of 1,281,167 images: peak memory, MB, extrapolated from 200,000",
        f"{peak:,}",
        "",
        "memory.py",
    )


def review_page() -> tuple[str, str, str, str]:
    """Speed of the page under the fingers."""
    (page,) = result("review_app")["pages"]
    return (
        f"review page over {page['n_images']:,} images: first picture; key to screen, 95 %",
        f"{page['first_page_s']} s; {page['key_to_painted_ms_p95']:.0f} ms",
        "",
        "review_app.py",
    )


def render(page: str) -> str:
    """Return the page with the table written anew."""
    lines = ["| | chaffinch | others | script |", "|---|---|---|---|"]
    for what, ours, others, script in (whole_run(), copies(), mislabels(), memory(), review_page()):
        lines.append(f"| {what} | {ours} | {others} | [{script}](benchmarks/{script}) |")
    table = "\n".join(["", *lines, "", ""])
    return BLOCK.sub(lambda found: found[1] + table + found[2], page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
