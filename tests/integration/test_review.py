"""The review page in a real browser: offline from one file, live from a server, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

READY = "html[data-ready]"

Page = Any
"""A playwright page; playwright need not be installed."""
Server = Any
"""A running `chaffinch review`, `conftest.Server`."""


def decisions(
    table_rows: Callable[[str, Path], list[dict[str, Any]]], ws: Path
) -> list[tuple[str, str, str]]:
    return [(row["key"], row["action"], row["reviewer"]) for row in table_rows("decisions", ws)]


def test_static__decided_reloaded_exported_collected(
    page: Page, ws: Path, commands: Any, table_rows: Any, tmp_path: Path
) -> None:
    done = commands.run("review", "-w", ws, "--static", tmp_path / "review.html")
    assert "review.html: 6 images" in done.stdout
    page.goto((tmp_path / "review.html").as_uri())
    page.wait_for_selector(READY)
    tiles = page.locator("[data-sample-id]")
    assert tiles.count() == 6
    page.get_by_test_id("reviewer").fill("Saeed")
    first = tiles.nth(1)
    sample_id = first.get_attribute("data-sample-id")
    first.click()
    page.keyboard.press("x")
    marked = page.locator(f'[data-sample-id="{sample_id}"]')
    assert marked.get_attribute("data-action") == "remove"
    page.keyboard.press("k")
    page.keyboard.press("u")
    page.reload()
    page.wait_for_selector(READY)
    assert marked.get_attribute("data-action") == "remove"
    assert page.locator("[data-action=keep]:visible").count() <= 1, "only the button that offers it"
    with page.expect_download() as download:
        page.get_by_test_id("export").click()
    exported = tmp_path / "exported.jsonl"
    download.value.save_as(exported)
    head, *lines = [json.loads(line) for line in exported.read_text().splitlines()]
    assert head["reviewer"] == "Saeed" and len(lines) == 3

    assert "3 decisions saved" in commands.run("review", "-w", ws, "--collect", exported).stdout
    assert (
        "0 decisions saved, 3 there already" in commands.run("review", "-w", ws, "--collect", exported).stdout
    )
    rows = {row["sample_id"]: row for row in table_rows("decisions", ws) if row["action"] == "remove"}
    assert list(rows) == [int(sample_id or -1)] and rows[int(sample_id or -1)]["reviewer"] == "Saeed"
    commands.run("audit", "-w", ws)


def test_static__never_overwrites_another_page(ws: Path, commands: Any, tmp_path: Path) -> None:
    other = tmp_path / "review.html"
    other.write_text("<html>somebody's page</html>")
    done = commands.run("review", "-w", ws, "--static", other, status=2)
    assert "is kept" in done.stderr and other.read_text() == "<html>somebody's page</html>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "row 1: is no JSON object"),
        ('{"format": "other"}', "does not begin with the head"),
        (
            '{"format": "chaffinch decisions", "version": 1, "reviewer": "Ana"}\n{"key": "a"}',
            "row 2 column 'event_id'",
        ),
    ],
)
def test_collect__says_which_line(ws: Path, commands: Any, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    assert message in commands.run("review", "-w", ws, "--collect", tmp_path / "x.jsonl", status=1).stderr


def test_live__keys_are_saved_and_others_are_seen(
    page: Page, ws: Path, serve: Callable[..., Server], table_rows: Any
) -> None:
    server = serve(ws, "--not-blind")
    page.goto(server.url)
    page.wait_for_selector(READY)
    page.get_by_test_id("reviewer").fill("Ana")
    page.locator('[data-sample-id="2"]').click()
    page.keyboard.press("x")
    for _ in range(100):
        if decisions(table_rows, ws):
            break
        page.wait_for_timeout(100)
    assert decisions(table_rows, ws) == [("all/cat/2.png", "remove", "Ana")]
    httpx.post(
        f"{server.url}/api/decisions",
        json={"reviewer": "Bo", "items": [{"sample_id": 4, "version": 0}], "action": "keep"},
    ).raise_for_status()
    page.locator('[data-sample-id="4"][data-action="keep"]').wait_for(timeout=10_000)
    page.keyboard.press("u")
    page.locator('[data-sample-id="2"][data-action="none"]').wait_for()
    server.stop()
    assert len(decisions(table_rows, ws)) == 3


def test_live__single_pair_and_help(page: Page, ws: Path, serve: Callable[..., Server]) -> None:
    page.goto(serve(ws).url)
    page.wait_for_selector(READY)
    page.locator('[data-sample-id="3"]').click()
    page.keyboard.press(" ")
    page.locator('.stage[data-sample-id="3"]').wait_for()
    page.keyboard.press("p")
    page.get_by_text("side by side").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.keyboard.press("Escape")
    page.locator(".grid").wait_for()
