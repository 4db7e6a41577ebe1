"""A workspace with every kind of finding planted, opened in a browser from a server and from a file.

The workspace and its offline page are made once; each test has a copy of the former and a browser profile of
its own, so that what one test decides no other sees.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaffinch.demo.build import IMAGES_FOLDER, build_demo_dataset
from chaffinch.demo.truth import DemoTruth
from chaffinch.pipeline.find import find
from chaffinch.pipeline.import_export import import_exports
from chaffinch.pipeline.review_file import review_page, write_review_file
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.serve.run import review_server
from chaffinch.settings import DEFAULT_EMBEDDER, ScanSettings
from chaffinch.storage.export import read_exported

READY = "html[data-ready]"
N_CROWD = 40
WAIT_S = 15


@dataclass(frozen=True, slots=True)
class Planted:
    """The workspace that all tests begin with."""

    root: Path
    page: Path
    """The same as one file for a double click."""
    truth: DemoTruth
    ids: dict[str, int]
    """Sample id by key."""
    issues: list[dict[str, Any]]

    def id_of(self, kind: str, number: int = 0) -> int:
        """Return the sample id of one of the planted files of a kind."""
        return self.ids[self.truth.of_kind(kind)[number].path]

    def group_of(self, sample_id: int) -> set[int]:
        """Return the members of the duplicate group that an image is in."""
        duplicates = [row for row in self.issues if row["issue_type"] == "duplicate"]
        (group,) = {row["group_id"] for row in duplicates if row["sample_id"] == sample_id}
        return {row["sample_id"] for row in duplicates if row["group_id"] == group}

    def found(self, *kinds: str) -> set[int]:
        """Return the images of which as a whole one of some types was found."""
        return {r["sample_id"] for r in self.issues if r["issue_type"] in kinds and r["object_id"] is None}


def _box(number: int, label: str, bbox: Sequence[float], *issues: dict[str, Any]) -> dict[str, Any]:
    fields = {"original_id": f"b{number}", "category_name": label, "bbox": list(bbox)}
    return {"type": "object_label", "properties": {**fields, "metadata_items": list(issues)}}


def _issue(kind: str, confidence: float, suggested: str | None = None) -> dict[str, Any]:
    fields = {"issue_type": kind, "confidence": confidence, "suggested_label": suggested}
    return {"type": "issue", "properties": fields}


def _boxes_export(truth: DemoTruth) -> dict[str, Any]:
    """Return an export with boxes on a copy, on its original, on a wrong label, and many on a drawing."""
    copy, wrong = truth.of_kind("duplicate_exact")[0], truth.of_kind("wrong_label")[0]
    many = [_box(n, "leaf", [4 * n, 5 * (n % 7), 20, 12]) for n in range(N_CROWD)]
    boxes = {
        copy.path: [
            _box(0, "ear", [10, 20, 60, 40], _issue("mislabels", 0.91, "nose")),
            _box(1, "eye", [80, 30, 30, 90]),
        ],
        copy.original: [_box(0, "ear", [10, 20, 60, 40])],
        wrong.path: [_box(0, "rim", [5, 5, 50, 50], _issue("outliers", 0.8))],
        truth.of_kind("outlier")[0].path: many,
    }
    items = [
        {
            "media_id": path,
            "media_type": "image",
            "file_name": Path(str(path)).name,
            "file_path": path,
            "metadata_items": metas,
        }
        for path, metas in boxes.items()
    ]
    return {"info": {"schema_version": "1.1", "dataset": "demo"}, "media_items": items}


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, shell_for: Any) -> Planted:
    """Build, scan and search the demo's dataset, and take in boxes of another tool. Read only."""
    folder = tmp_path_factory.mktemp("planted")
    truth = build_demo_dataset(folder / "data")
    images, root = folder / "data" / IMAGES_FOLDER, folder / "ws"
    spec = SourceSpec(locations=(str(images),), dataset="demo")
    scan(root, spec, settings=ScanSettings(embedder=DEFAULT_EMBEDDER))
    find(root)
    shell_for(root)("leaks", "--between", "train", "val")
    (folder / "boxes.json").write_text(json.dumps(_boxes_export(truth)))
    import_exports(root, [folder / "boxes.json"], tool="visual-layer")
    list(write_review_file(root, folder / "review.html", page=review_page()))
    ids = {row["key"]: row["sample_id"] for row in read_exported(root, "samples").to_pylist()}
    issues = read_exported(root, "issues").to_pylist()
    return Planted(root, folder / "review.html", truth, ids, issues)


@pytest.fixture
def own_ws(planted: Planted, tmp_path: Path) -> Path:
    """Return a copy of the planted workspace in which nobody has decided."""
    # Files of a generation are never written again, so that links do.
    return Path(shutil.copytree(planted.root, tmp_path / "ws", copy_function=os.link))


@pytest.fixture
def live(own_ws: Path) -> Iterator[Callable[..., str]]:
    """Return what starts the server of the own workspace in this process and returns its address."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(**options: Any) -> str:
        ready = review_server(own_ws, host="127.0.0.1", port=0, **options)
        thread = threading.Thread(target=ready.server.run)
        thread.start()
        running.append((ready.server, thread))
        while not ready.server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return ready.address

    yield start
    for server, thread in running:
        server.should_exit = server.force_exit = True
        thread.join(timeout=30)


class Reviewer:
    """A person at the page."""

    def __init__(self, page: Any, address: str, name: str = "Ana") -> None:
        self.page = page
        self.address = address
        page.set_default_timeout(1000 * WAIT_S)
        page.goto(address)
        page.wait_for_selector(READY)
        if page.get_by_test_id("reviewer").count():
            page.get_by_test_id("reviewer").fill(name)
            page.get_by_test_id("reviewer").blur()

    @property
    def is_live(self) -> bool:
        return self.address.startswith("http")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def see(self, css: str, **options: Any) -> Any:
        """Wait for something and return it."""
        found = self.page.locator(css).first
        found.wait_for(**options)
        return found

    def until(self, script: str) -> None:
        """Wait until a script is true in the page; the page's own policy forbids waiting inside it."""
        deadline = time.monotonic() + WAIT_S
        while not self.page.evaluate(script):
            assert time.monotonic() < deadline, script
            self.page.wait_for_timeout(20)

    def place(self) -> int:
        """Return where the cursor is in the grid, from 1."""
        return int(self.page.locator(".tile.cursor").get_attribute("aria-posinset"))

    def at(self, place: int) -> None:
        """Wait until the cursor of the grid is at a place."""
        self.see(f'.tile.cursor[aria-posinset="{place}"]')

    def sample(self, place: int) -> int:
        """Return the sample at a place of the grid that is on view."""
        return int(self.page.locator(f'.tile[aria-posinset="{place}"]').get_attribute("data-sample-id"))

    def says(self, sample_id: int, action: str) -> None:
        """Wait until the page shows an action of a sample."""
        self.see(f'[data-sample-id="{sample_id}"][data-action="{action}"]')

    def go_to(self, name: str) -> None:
        """Search for a name, so that the cursor is on the first image that has it."""
        self.page.get_by_test_id("search").fill(name)
        self.press("Enter")
        self.page.get_by_test_id("search").blur()
        self.see(f'[data-testid="search"][data-answered={json.dumps(name)}]')
        self.until(f"document.querySelector('.info dl')?.textContent.includes({json.dumps(name)})")

    def n_shown(self) -> int:
        """Return how many images the filter lets through."""
        said = re.search(r"([\d,]+) shown", self.page.locator(".bar").inner_text())
        assert said
        return int(said[1].replace(",", ""))

    def toast(self, words: str) -> None:
        """Wait for a message that holds some words."""
        self.page.locator(".toast", has_text=words).wait_for()


@pytest.fixture(params=["file", pytest.param("live", marks=pytest.mark.slow)])
def ana(request: pytest.FixtureRequest, planted: Planted) -> Reviewer:
    """Return a reviewer before the page: once opened from a file, once from a server."""
    # The server comes first, so that the pages are closed before it stops.
    address = planted.page.as_uri() if request.param == "file" else request.getfixturevalue("live")()
    return Reviewer(request.getfixturevalue("new_page")(), address)


@pytest.fixture
def ana_live(live: Callable[..., str], new_page: Callable[[], Any]) -> Reviewer:
    """Return a reviewer before the page of a server."""
    return Reviewer(new_page(), live())


@pytest.fixture
def another(new_page: Callable[[], Any]) -> Callable[..., Reviewer]:
    """Return what puts somebody else before the page of a server."""
    return lambda beside, name="Bo": Reviewer(new_page(), beside.address, name)
