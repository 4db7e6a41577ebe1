"""Open the review page over ImageNet's 1,281,167 images in chromium: first page, key to DOM, key to painted.

    .venv/bin/python benchmarks/review_app.py                     # a quarter of an hour, 3 GB of memory
    .venv/bin/python benchmarks/review_app.py --rows 50000 --huge 0

The workspace is that of benchmarks/resolve_scale.py, with the decisions of the default policy in its log: one
image in eight has a finding, and there are no pictures (the server answers 404 for each, which costs the page
a request all the same). The server runs as a process; chromium has no GPU, so painting is in software. `first
page` is the time until the first tiles are there, `key to DOM` from the key event until script, layout and
style that it caused are done, `key to painted` until the frame after.

Then what single requests cost the server, CPU and clock, at that size and at ten million rows (`--huge`):
`others waited` is the longest answer to a reader who asks for a page of the list all the while. A decision of
200,000 images and its undo must leave each image as it was.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Page, sync_playwright

from leak_scale import write_workspace
from resolve_scale import Planted, publish_findings
from runs import CHAFFINCH, machine, run, scratch_folder, versions, write_result

N_ROWS, N_TEST = 1_281_167, 50_000
N_HUGE = 10_000_000
N_KEYS = 300
N_MANY = 200_000
"""Images of one large decision."""
FIRST_ROW = 1000
TARGET = {
    "first_page_s": 2,
    "key_to_dom_ms_p95": 20,
    "key_to_painted_ms_p95": 100,
    "dom_nodes": 1000,
    "others_waited_s": 3,
}
TICKS = os.sysconf("SC_CLK_TCK")

# A message comes as soon as the script is done; a timer within timers waits four milliseconds more.
TIME_KEYS = """async (n) => {
  const dom = [], painted = [];
  const soon = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done();
    channel.port2.postMessage(0);
  });
  for (let i = 0; i < n; i++) {
    const key = i % 3 === 0 ? "x" : i % 3 === 1 ? "ArrowRight" : "1";
    const start = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    // The framework draws in a microtask; reading a size then makes the browser lay the page out.
    await Promise.resolve(); await soon();
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

TIME_FILTER = """async (name) => {
  const start = performance.now();
  [...document.querySelectorAll(".facet label")].find((one) => one.textContent.startsWith(name)).click();
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - start;
}"""


def measured(page: Page, url: str, n_rows: int) -> dict[str, Any]:
    """Open a page, press keys and set filters; returns the figures."""
    # Nothing is decided before the page knows by whom.
    page.add_init_script("localStorage.setItem('chaffinch.reviewer', 'Ana')")
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("[data-sample-id]", timeout=120_000)
    first_page_s = time.perf_counter() - started
    page.wait_for_selector("html[data-ready]", timeout=300_000)
    ready_s = time.perf_counter() - started
    keys = page.evaluate(TIME_KEYS, N_KEYS)
    nodes = page.evaluate("document.querySelectorAll('*').length")
    heap = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 2**20 : 0")
    filters = [page.evaluate(TIME_FILTER, name) for name in ("not decided", "blur", "not decided", "blur")]
    return {
        "n_images": n_rows,
        "first_page_s": round(first_page_s, 2),
        "all_loaded_s": round(ready_s, 2),
        "key_to_dom_ms_p50": round(keys["dom_p50"], 1),
        "key_to_dom_ms_p95": round(keys["dom_p95"], 1),
        "key_to_painted_ms_p50": round(keys["painted_p50"], 1),
        "key_to_painted_ms_p95": round(keys["painted_p95"], 1),
        "filter_to_painted_ms_max": round(max(filters)),
        "dom_nodes": nodes,
        "js_heap_mb": round(heap),
        "load": round(os.getloadavg()[0], 1),
    }


class Server:
    """A running `chaffinch review`."""

    def __init__(self, workspace: Path) -> None:
        started = time.perf_counter()
        command = [str(CHAFFINCH), "review", "-w", str(workspace), "--no-open"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        found = re.search(r"http://\S+", self._process.stdout.readline())
        assert found is not None
        self.address = found[0]
        self.http = httpx.Client(base_url=self.address, timeout=300)
        while True:
            try:
                self.http.get("/api/samples", params={"limit": 1})
                break
            except httpx.TransportError:
                time.sleep(0.05)
        self.listening_s = time.perf_counter() - started

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self) -> int:
        """Return the largest resident memory so far, MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024

    def close(self) -> None:
        self.http.close()
        self._process.kill()
        self._process.communicate()


@contextmanager
def serving(workspace: Path) -> Iterator[Server]:
    server = Server(workspace)
    try:
        yield server
    finally:
        server.close()


def longest_wait(address: str, work: Callable[[], None]) -> float:
    """Return the seconds of the slowest answer that a reader gets while something is done."""
    done, waited = threading.Event(), [0.0]

    def read() -> None:
        with httpx.Client(base_url=address, timeout=300) as http:
            while not done.is_set():
                started = time.perf_counter()
                http.get("/api/samples", params={"limit": 1, "offset": 5}).raise_for_status()
                waited.append(time.perf_counter() - started)
                time.sleep(0.02)

    reader = threading.Thread(target=read)
    reader.start()
    work()
    done.set()
    reader.join()
    return max(waited)


def said(server: Server) -> np.ndarray:
    """Return action and tags of the first part, as the page gets them."""
    meta = server.http.get("/api/meta").json()
    body = server.http.get("/api/columns/0").content
    n, offset, found = min(meta["n"], meta["part_rows"]), 0, []
    for column in meta["columns"]:
        kind = np.dtype(column["dtype"])
        if column["name"] in ("action", "tags"):
            found.append(np.frombuffer(body, kind, n, offset))
        offset += -(-n * kind.itemsize // 8) * 8
    return np.stack([values.astype(np.int64) for values in found])


def requests_measured(server: Server, n_rows: int) -> tuple[list[dict[str, Any]], bool]:
    """Return what requests cost, and whether an undo left each image as it was."""
    http, rows = server.http, []
    before, n_many = said(server), min(N_MANY, n_rows - FIRST_ROW)
    ids = range(FIRST_ROW, FIRST_ROW + n_many)
    found = http.get("/api/samples", params={"limit": 0}).json()["total"]
    assert found == n_rows
    versions_of: dict[int, int] = {}
    for start in range(0, n_many, 1000):
        page = http.get("/api/samples", params={"offset": ids[start], "limit": min(1000, n_many - start)})
        versions_of |= {item["sample_id"]: item["version"] for item in page.json()["items"]}

    def decide(some: range, name: str) -> None:
        items = [{"sample_id": i, "version": versions_of.get(i, 0)} for i in some]
        events = [f"{name}-{i:012d}-of-the-benchmark" for i in some]
        body = {"reviewer": "Ana", "items": items, "action": "keep", "event_ids": events, "batch_id": name}
        http.post("/api/decisions", json=body).raise_for_status()

    works: dict[str, Callable[[], object]] = {
        "the last part of the columns": lambda: http.get(f"/api/columns/{(n_rows - 1) >> 17}"),
        "details of 50": lambda: http.get("/api/details", params={"ids": ",".join(map(str, ids[:50]))}),
        "search without a hit": lambda: http.get("/api/search", params={"q": "no such name"}),
        "a decision about 1": lambda: decide(range(3, 4), "benchmark-one"),
        f"a decision about {n_many:,}": lambda: decide(ids, "benchmark-many"),
        "the first part after it": lambda: http.get("/api/columns/0"),
        "its undo": lambda: http.post("/api/undo", json={"reviewer": "Ana", "batch_id": "benchmark-many"}),
    }
    for name, work in works.items():
        cpu, started = server.cpu_s(), time.perf_counter()
        waited = longest_wait(server.address, lambda work=work: check(work()))  # type: ignore[misc]
        wall = time.perf_counter() - started
        rows.append(
            {
                "n_images": n_rows,
                "request": name,
                "cpu_s": round(server.cpu_s() - cpu, 2),
                "wall_s": round(wall, 2),
                "others_waited_s": round(waited, 2),
            }
        )
    after = said(server)
    after[:, 3] = before[:, 3]
    return rows, bool((after == before).all())


def check(answer: object) -> None:
    if isinstance(answer, httpx.Response):
        answer.raise_for_status()


def workspace_of(folder: Path, n_rows: int) -> Path:
    """Make the workspace: findings in one image of eight, decisions of the default policy in the log."""
    n_test = min(N_TEST, n_rows // 10)
    planted = Planted(n_rows - n_test, n_test)
    write_workspace(folder, planted)
    publish_findings(folder, planted)
    run([CHAFFINCH, "policy", "apply", "-w", folder])
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=N_ROWS)
    parser.add_argument(
        "--huge", type=int, default=N_HUGE, help="rows of the second workspace; 0 leaves it out"
    )
    options = parser.parse_args()
    facts = machine()
    pages, requests, servers, is_exact = [], [], [], []
    with scratch_folder() as scratch:
        for n_rows in filter(None, (options.rows, options.huge)):
            workspace = workspace_of(scratch / str(n_rows), n_rows)
            with serving(workspace) as server:
                if n_rows == options.rows:
                    pages.append(in_browser(server.address, n_rows))
                costs, undone = requests_measured(server, n_rows)
                requests += costs
                is_exact.append(undone)
                servers.append(
                    {
                        "n_images": n_rows,
                        "listening_s": round(server.listening_s, 1),
                        "peak_mb": server.peak_mb(),
                    }
                )
            shutil.rmtree(workspace)
    write_result(
        "review_app",
        {
            "n_images": options.rows,
            "painting": "in software, without a GPU",
            "undo_is_exact": all(is_exact),
            "target": TARGET,
            "machine": facts,
            "versions": versions("chaffinch", "fastapi", "uvicorn", "playwright"),
            "pages": pages,
            "servers": servers,
            "requests": requests,
        },
    )


def in_browser(address: str, n_rows: int) -> dict[str, Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-precise-memory-info"]
        )
        return measured(browser.new_page(viewport={"width": 1920, "height": 1080}), address, n_rows)


if __name__ == "__main__":
    main()
