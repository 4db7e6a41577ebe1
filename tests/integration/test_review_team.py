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
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any], wait_for: Any
) -> None:
    url = serve(ws).url
    ana = enter(new_page, url, "Ana")
    order = shown(ana)
    ana.locator(f'[data-sample-id="{order[6]}"]').click()
    bo = enter(new_page, url, "Bo")
    held = bo.locator(".tile:has(.held)")
    ids = "tiles => tiles.map(tile => tile.dataset.sampleId)"
    wait_for(lambda: sorted(held.evaluate_all(ids)) == sorted(order[6:]))


def test_blind__the_news_tell_nobody_what_others_said(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any]
) -> None:
    url = serve(ws).url
    ana, bo = enter(new_page, url, "Ana"), enter(new_page, url, "Bo")
    bo.evaluate(LISTEN)
    ana.locator('[data-sample-id="2"]').click()
    ana.keyboard.press("x")
    seen = bo.evaluate("() => window.decided")
    assert (seen["sample_id"], seen["version"], seen["action"]) == (2, 1, "none")


def test_overlap__one_done_by_another_is_last_one_for_several_waits(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any], table_rows: Any, wait_for: Any
) -> None:
    server = serve(ws, "--overlap", "0")
    ana = enter(new_page, server.url, "Ana")
    order = shown(ana)
    ana.locator(f'[data-sample-id="{order[0]}"]').click()
    ana.keyboard.press("x")
    ana.get_by_text("1 decided, 8 left").wait_for()
    wait_for(lambda: len(table_rows("decisions", ws)) == 1)
    ana.close()
    bo = enter(new_page, server.url, "Bo")
    assert shown(bo) == [*order[1:], order[0]]
    bo.get_by_text("1 decided, 8 left").wait_for()
    bo.close()
    server.stop()

    server = serve(ws, "--overlap", "1")
    bo = enter(new_page, server.url, "Bo")
    assert shown(bo) == order
    bo.get_by_text("0 decided, 9 left").wait_for()
    bo.keyboard.press("k")
    bo.get_by_text("1 decided, 8 left").wait_for()
    wait_for(lambda: len(table_rows("decisions", ws)) == 2)
    bo.close()
    server.stop()

    cy = enter(new_page, serve(ws).url, "Cy")
    assert shown(cy) == [*order[1:], order[0]], "the share is remembered, and two have spoken"


def decide(url: str, reviewer: str, sample_id: int, action: str, *, version: int) -> None:
    items = [{"sample_id": sample_id, "version": version}]
    body = {"reviewer": reviewer, "items": items, "action": action}
    httpx.post(f"{url}/api/decisions", json=body).raise_for_status()


def test_team__an_adjudicator_settles_what_the_majority_says(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any], table_rows: Any
) -> None:
    url = serve(ws, "--adjudicator", "Guy").url
    for version, (name, action) in enumerate([("Ana", "remove"), ("Bo", "remove"), ("Cy", "keep")]):
        decide(url, name, 2, action, version=version)
        decide(url, name, 3, "keep", version=version)
    bo, guy = enter(new_page, url, "Di"), enter(new_page, url, "Guy")
    for page in (bo, guy):
        page.keyboard.press("t")
    guy.get_by_test_id("disputes").wait_for()
    bo.get_by_text("1 to be settled; each is shown once you have decided about it").wait_for()
    assert bo.get_by_test_id("accept-all").count() == 0
    guy.get_by_text("Ana: remove, Bo: remove, Cy: keep").wait_for()
    guy.get_by_role("button", name="accept", exact=True).click()
    for page in (guy, bo):
        page.get_by_text("all settled: 1").wait_for()
    assert [(r["reviewer"], r["action"]) for r in table_rows("decisions", ws)][-1] == ("Guy", "remove")
    guy.keyboard.press("u")
    guy.get_by_test_id("accept-all").wait_for()


def test_export__a_blind_reviewer_gets_their_own_decisions(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any]
) -> None:
    url = serve(ws, "--adjudicator", "Guy").url
    decide(url, "Ana", 2, "remove", version=0)
    decide(url, "Bo", 3, "keep", version=0)
    saved: dict[str, tuple[str, int]] = {}
    for name in ("Bo", "Guy"):
        page = enter(new_page, url, name)
        with page.expect_download() as download:
            page.get_by_test_id("export").click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert ("Ana" in text) == (name == "Guy")
        saved[name] = (download.value.suggested_filename, len(text.splitlines()) - 1)
        if name == "Bo":
            page.get_by_text("exported: your own decisions").wait_for()
    dataset = httpx.get(f"{url}/api/meta").json()["dataset"]
    assert saved == {
        "Bo": (f"{dataset}_own_decisions_manifest.csv", 1),
        "Guy": (f"{dataset}_final_cleaning_manifest.csv", 9),
    }


def test_gold__is_shown_to_all_and_judges_them(
    new_page: Callable[[], Any], ws: Path, serve: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "gold.csv").write_text("image_id,user_action\ndog/2.png,keep\n")
    url = serve(ws, "--overlap", "0", "--gold", tmp_path / "gold.csv", "--adjudicator", "Guy").url
    order = shown(enter(new_page, url, "Ana"))
    assert order.index("8") < order.index("6"), "among those with a finding, though nothing was found in it"
    decide(url, "Ana", 8, "remove", version=0)
    decide(url, "Bo", 8, "keep", version=1)
    cy = enter(new_page, url, "Cy")
    cy.get_by_text("0 decided, 9 left").wait_for()
    guy = enter(new_page, url, "Guy")
    for page in (cy, guy):
        page.keyboard.press("t")
        page.locator("section", has_text="Reviewers").locator("tbody tr").first.wait_for()
    cells = [
        [
            row.split("\t")[4:5]
            for row in page.locator("section", has_text="Reviewers").locator("tbody tr").all_inner_texts()
        ]
        for page in (cy, guy)
    ]
    assert cells == [[[], []], [["0 % of 1 (0 % to 79 %)"], ["100 % of 1 (21 % to 100 %)"]]]


LISTEN = """() => new Promise((listening) => {
    const events = new EventSource("/api/events?reviewer=Bo")
    window.decided = new Promise((decided) => {
        // The first news are what is held by whom: from then on nothing is missed.
        events.onmessage = (event) => {
            const { items } = JSON.parse(event.data)
            if (items.length > 0) decided(items[0])
            listening(true)
        }
    })
})"""
"""Follows the news of a blind reviewer; `window.decided` will be the first decision told."""
