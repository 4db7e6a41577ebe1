"""Take the pictures of the review page that the documentation shows, in chromium over the demo's dataset.

    .venv/bin/python tools/review_pictures.py [FOLDER]

writes docs/images/review-*.png anew, or into another folder. Needs chromium, playwright and scikit-image.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from scipy import ndimage

from chaffinch.demo.build import IMAGES_FOLDER, build_demo_dataset
from chaffinch.demo.truth import WRONG_LABEL, DemoTruth
from chaffinch.pipeline.find import find
from chaffinch.pipeline.import_export import import_exports
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.serve.run import review_server
from chaffinch.settings import DEFAULT_EMBEDDER, ScanSettings

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WINDOW = {"width": 1280, "height": 760}
MAX_BYTES = 300_000
COLOURS = (256, 128, 96, 64, 48, 32)
SMALLEST_COIN = 0.005
"""Share of the picture."""


def main(to: Path) -> None:
    """Write all pictures."""
    to = to.resolve()
    # Paths are shown as they were written: short, from inside the folder.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        truth, coins = made_workspace(Path())
        with served(Path("ws")) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport=WINDOW, color_scheme=scheme)
                page = context.new_page()
                page.goto(address)
                page.wait_for_selector("html[data-ready]")
                page.get_by_role("button", name="got it").click()
                for name, take in views(page, truth, coins, scheme):
                    take()
                    page.wait_for_timeout(1500)
                    (to / f"review-{name}.png").write_bytes(small(page.screenshot()))
            browser.close()


def views(page: Page, truth: DemoTruth, coins: str, scheme: str) -> Iterator[tuple[str, Any]]:
    """Yield what is to be seen, and how to get there."""
    press = page.keyboard.press

    def at(name: str, key: str) -> None:
        press("Escape")
        page.get_by_test_id("search").fill(name)
        press("Enter")
        page.wait_for_timeout(800)
        page.get_by_test_id("search").blur()
        press(key)

    def found(kind: str, key: str) -> None:
        page.get_by_role("button", name="show all").click()
        page.get_by_test_id("search").fill("")
        page.locator("fieldset", has_text="Found").first.locator("label", has_text=kind).click()
        press(key)
        press("Home")

    def show_map() -> None:
        page.get_by_role("button", name="show all").click()
        press("m")
        page.get_by_label("colour by").select_option("finding")

    yield scheme, lambda: at(truth.of_kind(WRONG_LABEL)[1].path, "l")
    yield f"boxes-{scheme}", lambda: at(coins, " ")
    if scheme == "light":
        yield "pair", lambda: at(truth.of_kind("cropped")[3].path, "p")
        yield "group", lambda: at(truth.of_kind("resized")[3].path, "d")
        yield "grid", lambda: found("duplicate", "Escape")
        yield "batch", lambda: press("B")
    else:
        yield "map", show_map


def made_workspace(folder: Path) -> tuple[DemoTruth, str]:
    """Build and search the demo's dataset; put boxes on the coins of one picture, and return its name."""
    truth = build_demo_dataset(folder / "data")
    images, planted = folder / "data" / IMAGES_FOLDER, {plant.path for plant in truth.plants}
    scan(folder / "ws", SourceSpec(locations=(str(images),), dataset="demo"),
         settings=ScanSettings(embedder=DEFAULT_EMBEDDER))  # fmt: skip
    find(folder / "ws")
    sound = sorted(set(map(str, (p.relative_to(images) for p in images.glob("train/coins/*")))) - planted)
    boxes = {path: coin_boxes(images / path) for path in sound}
    path = max(sound, key=lambda name: len(boxes[name]))
    items = [
        {"media_id": "1", "media_type": "image", "file_name": Path(path).name, "file_path": path,
         "metadata_items": [box(n, *place) for n, place in enumerate(boxes[path])]}
    ]  # fmt: skip
    export = {"info": {"schema_version": "1.1", "dataset": "demo"}, "media_items": items}
    (folder / "boxes.json").write_text(json.dumps(export))
    import_exports(folder / "ws", [folder / "boxes.json"], tool="visual-layer")
    return truth, path


def coin_boxes(path: Path) -> list[tuple[int, int, int, int]]:
    """Return left, top, width and height of what is bright in a picture."""
    gray = ndimage.gaussian_filter(np.asarray(Image.open(path).convert("L"), dtype=np.float32), 4)
    labels, _ = ndimage.label(gray > gray.mean() + 0.3 * gray.std())
    found = [
        (xs.start, ys.start, xs.stop - xs.start, ys.stop - ys.start)
        for ys, xs in ndimage.find_objects(labels)
    ]
    return [place for place in found if place[2] * place[3] > SMALLEST_COIN * gray.size]


def box(number: int, *place: int) -> dict[str, Any]:
    """Return a box of an export; something is found about the first two."""
    issues = [
        {"issue_type": "mislabels", "confidence": 0.91, "suggested_label": "button"},
        {"issue_type": "outliers", "confidence": 0.74},
    ]
    inner = [{"type": "issue", "properties": issue} for issue in issues[number : number + 1]]
    fields = {"original_id": f"b{number}", "category_name": "coin", "bbox": place, "metadata_items": inner}
    return {"type": "object_label", "properties": fields}


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Run the server of a workspace."""
    ready = review_server(root, host="127.0.0.1", port=0)
    thread = threading.Thread(target=ready.server.run, daemon=True)
    thread.start()
    while not ready.server.started:
        time.sleep(0.01)
    try:
        yield ready.address
    finally:
        ready.server.should_exit = True
        thread.join()


def small(png: bytes) -> bytes:
    """Return a picture that the documentation can hold, of fewer colours if need be."""
    if len(png) < MAX_BYTES:
        return png
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for n_colours in COLOURS:
        out = io.BytesIO()
        # Of its methods this one keeps colours of which there is little, as of a word.
        picture.quantize(n_colours, method=Image.Quantize.MAXCOVERAGE).save(out, "PNG", optimize=True)
        if out.tell() < MAX_BYTES:
            break
    return out.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
