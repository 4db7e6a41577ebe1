"""Open the review page over 1.28 million images in chromium: first page, key to DOM, key to painted.

    .venv/bin/python benchmarks/review_app.py                     # 1.28 M + 50 k images, some minutes
    .venv/bin/python benchmarks/review_app.py --train 50000 --test 5000

The workspace is that of benchmarks/resolve_scale.py: one image in eight has a finding, and there are no
pictures (the server answers 404 for each, which costs the page a request all the same). The server runs as a
process; chromium has no GPU, so painting is in software. `first page` is the time until the first tiles are
there, `key to DOM` from the key event until script, layout and style that it caused are done, `key to
painted` until the frame after. The offline file holds the 5,000 images most worth looking at.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from leak_scale import write_workspace
from resolve_scale import Planted, publish_findings
from runs import CHAFFINCH, machine, run, scratch_folder, versions, write_result

N_KEYS = 200
REVIEW = (CHAFFINCH, "review")

TIME_KEYS = """async (n) => {
  const dom = [], painted = [];
  for (let i = 0; i < n; i++) {
    const key = i % 3 === 0 ? "x" : i % 3 === 1 ? "ArrowRight" : "1";
    const start = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    // The framework draws in a microtask; reading a size then makes the browser lay the page out.
    await Promise.resolve(); await new Promise((done) => setTimeout(done));
    document.body.offsetHeight;
    dom.push(performance.now() - start);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    painted.push(performance.now() - start);
  }
  const at = (list, q) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))];
  return {
    dom_p50: at(dom, .5), dom_p95: at(dom, .95),
    painted_p50: at(painted, .5), painted_p95: at(painted, .95),
  };
}"""


def measured(page: Page, url: str, what: str) -> dict[str, Any]:
    """Open a page and press keys; returns the figures."""
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("[data-sample-id]", timeout=120_000)
    first_page_s = time.perf_counter() - started
    page.wait_for_selector("html[data-ready]", timeout=300_000)
    ready_s = time.perf_counter() - started
    keys = page.evaluate(TIME_KEYS, N_KEYS)
    nodes = page.evaluate("document.querySelectorAll('*').length")
    heap = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 2**20 : 0")
    return {
        "page": what,
        "first_page_s": round(first_page_s, 2),
        "all_loaded_s": round(ready_s, 2),
        "key_to_dom_ms_p50": round(keys["dom_p50"], 1),
        "key_to_dom_ms_p95": round(keys["dom_p95"], 1),
        "key_to_painted_ms_p50": round(keys["painted_p50"], 1),
        "key_to_painted_ms_p95": round(keys["painted_p95"], 1),
        "dom_nodes": nodes,
        "js_heap_mb": round(heap),
    }


def serve(workspace: Path) -> tuple[subprocess.Popen[str], str, float]:
    """Start the server; returns it, its address, and the seconds until it listened."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*map(str, REVIEW), "-w", str(workspace), "--no-open"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    return process, found[0], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=1_280_000)
    parser.add_argument("--test", type=int, default=50_000)
    options = parser.parse_args()
    facts = machine()
    with scratch_folder() as scratch, sync_playwright() as playwright:
        workspace = scratch / "ws"
        planted = Planted(options.train, options.test)
        write_workspace(workspace, planted)
        publish_findings(workspace, planted)
        static = run([*REVIEW, "-w", workspace, "--static", scratch / "review.html"])
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-precise-memory-info"]
        )
        server, address, listening_s = serve(workspace)
        try:
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            pages = [measured(page, address, f"live, {options.train + options.test:,} images")]
            file = (scratch / "review.html").as_uri()
            pages.append(measured(page, file, "offline file, 5,000 images"))
            used = os.popen(f"ps -o rss= -p {server.pid}").read()
        finally:
            server.kill()
            server.wait()
    write_result(
        "review_app",
        {
            "n_images": options.train + options.test,
            "machine": facts,
            "versions": versions("chaffinch", "fastapi", "uvicorn", "playwright"),
            "server": {
                "listening_s": round(listening_s, 1),
                "resident_mb": round(int(used) / 1024),
            },
            "offline_file": {"cpu_s": round(static.cpu_s, 1), "peak_mb": round(static.peak_mb)},
            "pages": pages,
        },
    )


if __name__ == "__main__":
    main()
