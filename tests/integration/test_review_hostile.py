"""Names that are scripts, and clients that go away, stand still or send without end: all are harmless."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

SCRIPT = "<img src=x onerror=hacked=1>"
"""Runs when it is taken for markup; has no slash, so that folders and files can bear it as their name."""
READY = "html[data-ready]"


@pytest.fixture(scope="module")
def named_badly(
    commands: Any,
    tmp_path_factory: pytest.TempPathFactory,
    save_pictures: Callable[[Path, Mapping[str, int]], None],
) -> Path:
    """Return a workspace whose dataset, class and files are named with markup, with copies found in it."""
    folder = tmp_path_factory.mktemp("hostile")
    source = folder / f'\u2603"{SCRIPT}'
    names = {f'"{SCRIPT}/{n}{SCRIPT}.png': 1 for n in range(2)} | {"</script>".replace("/", "") + "/c.png": 3}
    save_pictures(source, names)
    commands.run("scan", source, "-w", folder / "ws")
    commands.run("find", "-w", folder / "ws", "--only", "duplicates")
    return folder / "ws"


@pytest.fixture
def bad_ws(named_badly: Path, tmp_path: Path) -> Path:
    """Return a copy of it that the test may change."""
    return Path(shutil.copytree(named_badly, tmp_path / "ws"))


def is_hacked(page: Any) -> bool:
    return bool(page.evaluate("'hacked' in window || document.querySelector('img[src=x]') !== null"))


def test_names__that_are_scripts_are_shown_as_text_live(
    page: Any, bad_ws: Path, serve: Callable[..., Any]
) -> None:
    url = serve(bad_ws, "--not-blind").url
    said = {
        "reviewer": f"Eve {SCRIPT}",
        "items": [{"sample_id": 0, "version": 0}],
        "action": "keep",
        "note": f"look: {SCRIPT}",
    }
    httpx.post(f"{url}/api/decisions", json=said).raise_for_status()
    said |= {"reviewer": "Bo", "items": [{"sample_id": 0, "version": 1}], "action": "remove"}
    httpx.post(f"{url}/api/decisions", json=said).raise_for_status()
    page.goto(url)
    page.wait_for_selector(READY)
    page.locator('[data-sample-id="0"]').click()
    page.get_by_text(f"look: {SCRIPT}").first.wait_for()
    for key in ("d", "Escape", "p", "Escape", "l", "Escape", "c", "Escape", "B", "Escape", "t"):
        page.keyboard.press(key)
        page.wait_for_timeout(150)
    page.get_by_text(f"Eve {SCRIPT}").first.wait_for()
    assert SCRIPT in page.content().replace("&lt;", "<").replace("&gt;", ">")
    assert not is_hacked(page)
    manifest = httpx.get(f"{url}/api/manifest.csv", timeout=60)
    assert manifest.status_code == 200 and SCRIPT in manifest.text


def test_names__that_are_scripts_are_shown_as_text_in_the_file(
    page: Any, bad_ws: Path, commands: Any, tmp_path: Path
) -> None:
    commands.run("review", "-w", bad_ws, "--static", tmp_path / "review.html")
    page.goto((tmp_path / "review.html").as_uri())
    page.wait_for_selector(READY)
    page.locator("[data-sample-id]").first.click()
    page.get_by_text(f'"{SCRIPT}').first.wait_for()
    assert not is_hacked(page)


# ---------------------------------------------------------------------------- clients that fail


def connected(url: str, request: bytes) -> socket.socket:
    """Send the beginning of a request, or all of it, and read nothing."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.sendall(request)
    return client


def n_sockets(pid: int) -> int:
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())
    return sum(link.startswith("socket:") for link in links)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


NEWS = b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_news__a_reader_who_goes_away_is_let_go(ws: Path, serve: Callable[..., Any]) -> None:
    server = serve(ws)
    readers = [connected(server.url, NEWS) for _ in range(20)]
    for reader in readers:
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
    most = n_sockets(server.process.pid)
    for reader in readers:
        reader.close()
    wait_until(lambda: n_sockets(server.process.pid) <= most - 20)
    assert httpx.get(f"{server.url}/api/samples").json()["total"] == 9


def test_server__goes_on_beside_clients_that_stand_still(ws: Path, serve: Callable[..., Any]) -> None:
    server = serve(ws)
    write = b"POST /api/decisions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    begun = [b"", b"GET /api/sam", write, write + b"Content-Length: 1000\r\n\r\n{", NEWS]
    with ExitStack() as still:
        for _ in range(40):
            for request in begun:
                still.enter_context(closing(connected(server.url, request)))
        started = time.monotonic()
        decision = {"reviewer": "Ana", "items": [{"sample_id": 1, "version": 0}], "action": "keep"}
        assert httpx.post(f"{server.url}/api/decisions", json=decision, timeout=30).status_code == 200
        for path in ("/", "/api/meta", "/api/columns/0", "/api/thumbs/1", "/api/images/1"):
            assert httpx.get(f"{server.url}{path}", timeout=30).status_code == 200
        assert time.monotonic() - started < 20
    server.stop()
    assert server.process.returncode == 130, "ended by Ctrl+C, not by force"


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"Content-Length: 99999999999\r\n", b"413"), (b"Transfer-Encoding: chunked\r\n", b"411")],
)
def test_write__without_end_is_refused_before_it_is_read(
    ws: Path, serve: Callable[..., Any], length: bytes, status: bytes
) -> None:
    head = b"POST /api/decisions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with closing(connected(serve(ws).url, head + length + b"\r\n")) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 " + status)
