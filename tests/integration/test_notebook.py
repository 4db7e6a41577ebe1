"""A workspace in a notebook: what it shows of itself, and the review page in a frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from chaffinch.serve import background
from chaffinch.workspace import Workspace

PARTS = {"duplicate", "samples", "issues", "decisions", "next: chaffinch"}


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Return a folder and the address under which this machine serves it, as a notebook is."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path / "notebook"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_review__serves_in_the_background_until_closed(ws: Path, wait_for: Any) -> None:
    before = set(threading.enumerate())
    review = Workspace(ws).review(is_shown=False)
    assert review.is_open and repr(review) == f"<review at {review.url}>"
    assert httpx.get(review.url).text.startswith("<!")
    body = {"reviewer": "Ana", "items": [{"sample_id": 2, "version": 0}], "action": "keep"}
    httpx.post(f"{review.url}api/decisions", json=body).raise_for_status()
    assert Workspace(ws).table("decisions")["reviewer"].tolist() == ["Ana"]
    review.close()
    review.close()
    # The pool that answered requests is told to end when the loop has ended.
    wait_for(lambda: set(threading.enumerate()) <= before)
    assert repr(review) == f"<review at {review.url}, closed>" and "closed" in review._repr_html_()
    with pytest.raises(httpx.ConnectError):
        httpx.get(review.url)


def test_review__two_at_once_and_a_with(ws: Path) -> None:
    with Workspace(ws).review(is_shown=False) as first, Workspace(ws).review(is_shown=False) as second:
        assert first.url != second.url
        assert httpx.get(f"{second.url}api/samples").json()["total"] == 9
    assert not first.is_open and not second.is_open


@pytest.mark.parametrize(("is_notebook", "n_opened"), [(True, 0), (False, 1)])
def test_review__opens_the_browser_outside_notebooks(
    ws: Path, monkeypatch: pytest.MonkeyPatch, *, is_notebook: bool, n_opened: int
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(background.webbrowser, "open", opened.append)
    if is_notebook:
        monkeypatch.setitem(background.sys.modules, "ipykernel", background)
    with Workspace(ws).review() as review:
        assert opened == [review.url] * n_opened


def test_review__in_a_frame_of_a_notebook(page: Any, ws: Path, notebook: tuple[Path, str]) -> None:
    folder, url = notebook
    with Workspace(ws).review(is_shown=False) as review:
        (folder / "cell.html").write_text(
            f'<!DOCTYPE html><link rel="icon" href="data:">{review._repr_html_()}'
        )
        page.goto(f"{url}/cell.html")
        frame = page.frame_locator("iframe")
        frame.locator("html[data-ready]").wait_for()
        frame.get_by_test_id("reviewer").fill("Ana")
        frame.locator('[data-sample-id="2"]').click()
        page.keyboard.press("x")
        frame.locator('[data-sample-id="2"][data-action="remove"]').wait_for()
        page.goto("about:blank")
    assert len(Workspace(ws).table("decisions")) == 1


def test_repr_html__is_readable_on_light_and_dark(page: Any, ws: Path, notebook: tuple[Path, str]) -> None:
    folder, url = notebook
    html = Workspace(ws)._repr_html_()
    (folder / "cell.html").write_text(
        f'<!DOCTYPE html><meta charset=utf-8><link rel="icon" href="data:">{html}'
    )
    page.goto(f"{url}/cell.html")
    shown = page.locator(".chaffinch-status")
    assert all(part in shown.inner_text() for part in PARTS)
    for text in ("rgb(230, 230, 230)", "rgb(20, 20, 20)"):
        page.evaluate(f"document.body.style.color = '{text}'")
        assert page.locator(".chaffinch-status dd").first.evaluate("e => getComputedStyle(e).color") == text
