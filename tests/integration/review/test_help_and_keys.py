"""The list of keys, keys of one's own, and the theme."""

from __future__ import annotations

from typing import Any

import pytest


def test_help__lists_every_key_once(ana: Any) -> None:
    ana.press("?")
    lines = ana.page.locator(".keys li")
    lines.first.wait_for()
    keys = ana.page.locator(".keys kbd").all_inner_texts()
    assert len(keys) == len(set(keys)), "no key has two meanings"
    assert {
        "k",
        "x",
        "r",
        "Enter",
        "1",
        "0",
        "u",
        "space",
        "p",
        "d",
        "l",
        "c",
        "B",
        "m",
        "o",
        ".",
        "/",
        "?",
    } <= {*keys}
    assert all(line.strip() for line in ana.page.locator(".keys .says").all_inner_texts())
    ana.press("?")
    ana.page.get_by_role("dialog").wait_for(state="hidden")
    ana.page.get_by_role("button", name="keys", exact=True).click()
    ana.page.get_by_role("dialog").get_by_role("button", name="close").click()
    ana.page.get_by_role("dialog").wait_for(state="hidden")


def test_keys__of_ones_own_are_kept(ana: Any) -> None:
    first, second = ana.sample(1), ana.sample(2)
    ana.press("?")
    line = ana.page.locator(".keys li").filter(has=ana.page.get_by_text("remove", exact=True))
    line.get_by_role("button").click()
    ana.page.get_by_text("press a key").wait_for()
    ana.press("y")
    assert line.locator("kbd").all_inner_texts() == ["y"]
    ana.press("Escape", "x")
    ana.at(1)
    ana.press("y")
    ana.says(first, "remove")
    ana.page.reload()
    ana.page.wait_for_selector("html[data-ready]")
    ana.page.locator(f'[data-sample-id="{second}"]').click()
    ana.press("y")
    ana.says(second, "remove")
    ana.press("?")
    ana.page.get_by_role("button", name="keys as they came").click()
    assert line.locator("kbd").all_inner_texts() == ["x"]


def test_keys__one_in_use_is_refused_in_words(ana: Any) -> None:
    dialog = ana.page.get_by_role("dialog")
    ana.press("?")
    dialog.get_by_role("heading", name="Keys").wait_for()
    dialog.get_by_text("Click a key to change it").wait_for()
    assert dialog.get_by_role("button", name="close").is_visible()
    line = ana.page.locator(".keys li").filter(has=ana.page.get_by_text("remove", exact=True))
    line.get_by_role("button").click()
    ana.press("Control", "k")
    dialog.get_by_text("k is already: keep").wait_for()
    assert line.locator("kbd").all_inner_texts() == ["x"]
    ana.press("Escape", "k")
    ana.says(ana.sample(1), "keep")


def test_keys__the_list_opens_at_close(ana: Any) -> None:
    first = ana.sample(1)
    ana.press("?")
    ana.until("document.activeElement.innerText === 'close'")
    ana.press("Enter")
    ana.page.get_by_role("dialog").wait_for(state="hidden")
    ana.press("x")
    ana.says(first, "remove")
    assert ana.page.evaluate("localStorage.getItem('chaffinch.keys')") is None, "no key was set"


def test_keys__remembered_with_two_meanings_are_repaired(ana: Any) -> None:
    ana.page.evaluate("""localStorage.setItem('chaffinch.keys', '{"remove": ["k"]}')""")
    ana.page.reload()
    ana.page.wait_for_selector("html[data-ready]")
    first = ana.sample(1)
    ana.press("k")
    ana.says(first, "keep")


def hold(ana: Any, key: str, times: int = 6) -> None:
    for _ in range(times):
        ana.page.keyboard.down(key)
    ana.page.keyboard.up(key)


def test_keys__held_down_decide_one_image_and_go_on_moving(ana: Any) -> None:
    hold(ana, "x")
    ana.at(2)
    ana.page.get_by_text("1 decided").wait_for()
    hold(ana, "ArrowRight")
    ana.at(8)
    hold(ana, "u")
    ana.at(1)
    ana.page.get_by_text("0 decided").wait_for()
    keep = ana.page.locator(".info").get_by_role("button", name="keep", exact=True)
    keep.focus()
    hold(ana, "Enter")
    ana.page.get_by_text("1 decided").wait_for()
    ana.at(2)


def test_theme__follows_the_browser(ana: Any) -> None:
    colours = []
    for scheme in ("light", "dark"):
        ana.page.emulate_media(color_scheme=scheme)
        colours.append(ana.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert colours == ["rgb(246, 247, 249)", "rgb(20, 22, 26)"]


def test_team__is_said_to_need_a_server(ana: Any) -> None:
    ana.press("t")
    if ana.is_live:
        ana.page.get_by_role("heading", name="Agreement", exact=True).wait_for()
        ana.press("t")
    else:
        ana.toast("the team is there on a running server")
    ana.see(".grid")


def test_hint__is_there_until_it_is_read_or_something_was_decided(ana: Any) -> None:
    hint = ana.page.get_by_test_id("hint")
    hint.wait_for()
    assert hint.locator("kbd").all_inner_texts() == ["k", "x", "r", "?"]
    ana.press("k")
    assert hint.is_visible(), "nothing moves with the first decision"
    ana.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    ana.page.reload()
    ana.page.wait_for_selector("html[data-ready]")
    assert hint.count() == 0


def test_hint__is_not_shown_again_once_read(ana: Any) -> None:
    ana.page.get_by_role("button", name="got it").click()
    ana.page.get_by_test_id("hint").wait_for(state="detached")
    ana.page.reload()
    ana.page.wait_for_selector("html[data-ready]")
    assert ana.page.get_by_test_id("hint").count() == 0


@pytest.mark.parametrize("width", [1280, 1440])
def test_bar__adds_up_and_does_not_grow_with_the_pace(ana: Any, width: int) -> None:
    ana.page.set_viewport_size({"width": width, "height": 900})
    n = ana.n_shown()
    decided = ana.page.get_by_test_id("decided")
    assert decided.inner_text() == f"0 decided, {n} left"
    before = ana.page.locator(".bar").bounding_box()
    assert before["height"] < 60, "one line"
    ana.press(*"kkkkkk")
    assert decided.inner_text() == f"6 decided, {n - 6} left"
    ana.page.evaluate("(() => { const now = Date.now; Date.now = () => now() + 60000; })()")
    ana.page.get_by_text("min left").wait_for()
    assert ana.page.locator(".bar").bounding_box() == before
