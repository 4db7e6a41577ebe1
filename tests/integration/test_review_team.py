"""Several reviewers on one server, each in a browser of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

READY = "html[data-ready]"


def enter(new_page: Callable[[], Any], url: str, name: str) -> Any:
    """Open the page as somebody who says their name."""
    page = new_page()
    page.add_init_script(f"localStorage.setItem('chaffinch.reviewer', '{name}')")
    page.goto(url)
    page.wait_for_selector(READY)
    return page


def shown(page: Any) -> list[str]:
    """Return the samples on view, in their order."""
    tiles = page.locator(".tile").evaluate_all(
        "tiles => tiles.map(tile => [Number(tile.ariaPosInSet), tile.dataset.sampleId])"
    )
    return [sample_id for _, sample_id in sorted(tiles)]


def test_leases__what_another_looks_at_is_marked_and_skipped(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any]
) -> None:
    url = serve(ws).url
    bo = enter(new_page, url, "Bo")
    first, second, third, *_ = shown(bo)
    ana = enter(new_page, url, "Ana")
    names = httpx.get(f"{url}/api/samples").json()["items"]
    ana.get_by_test_id("search").fill(names[int(second)]["image_path"])
    ana.get_by_test_id("search").press("Enter")
    mark = bo.locator(f'[data-sample-id="{second}"] .held')
    mark.wait_for()
    assert bo.locator(".held").all_inner_texts() == ["Ana"]
    bo.locator(f'[data-sample-id="{first}"]').click()
    bo.keyboard.press("k")
    assert bo.locator(".tile.cursor").get_attribute("data-sample-id") == third
    ana.close()
    mark.wait_for(state="detached")


def test_leases__those_ahead_of_the_cursor_are_held_too(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any]
) -> None:
    url = serve(ws).url
    ana, bo = enter(new_page, url, "Ana"), enter(new_page, url, "Bo")
    order = shown(ana)
    ana.locator(f'[data-sample-id="{order[6]}"]').click()
    bo.locator(f'[data-sample-id="{order[1]}"] .held').wait_for(state="detached")
    held = bo.locator(".tile:has(.held)").evaluate_all("tiles => tiles.map(tile => tile.dataset.sampleId)")
    assert sorted(held) == sorted(order[6:])


def test_blind__the_news_tell_nobody_what_others_said(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any]
) -> None:
    url = serve(ws).url
    ana, bo = enter(new_page, url, "Ana"), enter(new_page, url, "Bo")
    ana.locator('[data-sample-id="2"]').click()
    ana.keyboard.press("x")
    seen = bo.evaluate(NEXT_DECISION)
    assert (seen["sample_id"], seen["version"], seen["action"]) == (2, 1, "none")


def test_overlap__one_done_by_another_is_last_one_for_several_waits(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any]
) -> None:
    server = serve(ws, "--overlap", "0")
    ana = enter(new_page, server.url, "Ana")
    order = shown(ana)
    ana.locator(f'[data-sample-id="{order[0]}"]').click()
    ana.keyboard.press("x")
    ana.get_by_text("1 decided, 8 left").wait_for()
    ana.close()
    bo = enter(new_page, server.url, "Bo")
    assert shown(bo) == [*order[1:], order[0]]
    bo.get_by_text("0 decided, 8 left").wait_for()
    bo.close()
    server.stop()

    server = serve(ws, "--overlap", "1")
    bo = enter(new_page, server.url, "Bo")
    assert shown(bo) == order
    bo.get_by_text("0 decided, 9 left").wait_for()
    bo.keyboard.press("k")
    bo.get_by_text("1 decided, 8 left").wait_for()
    server.stop()

    cy = enter(new_page, serve(ws).url, "Cy")
    assert shown(cy) == [*order[1:], order[0]], "the share is remembered, and two have spoken"


NEXT_DECISION = """() => new Promise((resolve) => {
    const events = new EventSource("/api/events?reviewer=Bo")
    events.onmessage = (event) => {
        const { items } = JSON.parse(event.data)
        if (items.length > 0) resolve(items[0])
    }
})"""
