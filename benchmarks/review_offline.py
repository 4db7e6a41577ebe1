"""Open the offline page of a manifest with 5,000 flagged images in chromium: size, time until ready, keys.

    .venv/bin/python benchmarks/review_offline.py

The export is made up over real photographs, each of them under several names, so that every image has a
picture of its own on the page. The page is opened from file://. The figures are those of
benchmarks/review_app.py.
"""

from __future__ import annotations

import csv
import shutil
import sys
from itertools import cycle, islice
from pathlib import Path

from playwright.sync_api import sync_playwright

from review_app import measured
from runs import machine, photographs, run, scratch_folder, versions, write_result

N_IMAGES = 5000
ISSUES = ("mislabel", "blur", "outlier", "dark")
SCRIPT = Path(__file__).parents[1] / "vl_tagging_workflow.py"


def write_export(path: Path, n_images: int) -> None:
    """Write an export of so many findings, each about an image of its own."""
    folder = path.parent / "pictures"
    folder.mkdir()
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["image_id", "image_path", "label", "issue_type", "confidence", "suggested_label"])
        for number, photograph in enumerate(islice(cycle(photographs()), n_images)):
            picture = folder / f"{number:05}{photograph.suffix}"
            picture.symlink_to(photograph)
            confidence = (number * 7919 % 1000) / 1000
            issue = ISSUES[number % len(ISSUES)]
            rows.writerow([number, picture, number % 100, issue, confidence, number * 31 % 100])


def main() -> None:
    facts = machine()
    with scratch_folder() as scratch, sync_playwright() as playwright:
        write_export(scratch / "export.csv", N_IMAGES)
        options = ["--vl_export", scratch / "export.csv", "--output", scratch / "m.csv", "--generate_html"]
        cost = run([sys.executable, SCRIPT, *options])
        page_file = scratch / "review_interface.html"
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-precise-memory-info"]
        )
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        pages = [measured(page, page_file.as_uri(), N_IMAGES)]
        size_mb = round(page_file.stat().st_size / 2**20, 1)
        browser.close()
    write_result(
        "review_offline",
        {
            "n_images": N_IMAGES,
            "machine": facts,
            "versions": versions("chaffinch", "playwright"),
            "offline_file": {
                "size_mb": size_mb,
                "cpu_s": round(cost.cpu_s, 1),
                "peak_mb": round(cost.peak_mb),
            },
            "pages": pages,
        },
    )


if __name__ == "__main__":
    main()
