"""One image, a pair, a group, a doubted label, confused classes: each view by its keys and buttons."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow

SCALED = "scale(1.5)"


def transforms(ana: Any) -> list[str]:
    """Return how the pictures of the stage are moved and grown."""
    found: list[str] = ana.page.locator(".zoom img").evaluate_all("all => all.map(i => i.style.transform)")
    return found


# ------------------------------------------------------------------------------------------------- one image


def test_single__keys_zoom_and_the_place_stays(ana: Any) -> None:
    first, second = ana.sample(1), ana.sample(2)
    ana.press(" ")
    ana.see(f'.stage[data-sample-id="{first}"]')
    ana.press("+")
    ana.until(f"document.querySelector('.zoom img').style.transform.includes('{SCALED}')")
    (before,) = transforms(ana)
    ana.press("x")
    ana.see(f'.stage[data-sample-id="{second}"]')
    assert transforms(ana) == [before], "zoom and place stay from image to image"
    ana.see('.strip button[data-action="remove"] .mark.remove')
    ana.press("ArrowLeft")
    ana.see(f'.stage[data-sample-id="{first}"][data-action="remove"]')
    ana.press("=", "-", "-")
    ana.until("document.querySelector('.zoom img').style.transform.includes('scale(1)')")
    ana.press(" ")
    ana.see(".grid")
    ana.says(first, "remove")


def test_single__wheel_drag_and_strip(ana: Any) -> None:
    ana.page.locator(".tile").first.dblclick()
    picture = ana.see(".zoom")
    picture.hover()
    ana.page.mouse.wheel(0, -400)
    ana.until("!document.querySelector('.zoom img').style.transform.includes('scale(1)')")
    (before,) = transforms(ana)
    box = picture.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    ana.page.mouse.move(x, y)
    ana.page.mouse.down()
    ana.page.mouse.move(x + 30, y - 20, steps=3)
    ana.page.mouse.up()
    moved = "t => { const m = new DOMMatrix(t); return [m.e, m.f] }"
    was, now = (ana.page.evaluate(moved, text) for text in (before, *transforms(ana)))
    assert [round(b - a) for a, b in zip(was, now, strict=True)] == [30, -20]
    ana.page.get_by_role("button", name="whole image").click()
    ana.until("document.querySelector('.zoom img').style.transform.includes('scale(1)')")
    ana.page.get_by_role("button", name="image 3", exact=True).click()
    ana.page.get_by_text("3 of ").first.wait_for()
    ana.press("Escape")
    ana.at(3)


# ---------------------------------------------------------------------------------------------------- a pair


def test_pair__side_by_side_blink_and_difference(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("duplicate_exact")[0].path)
    ana.press("p")
    ana.until("document.querySelectorAll('.zoom').length === 2")
    ana.page.locator(".zoom").nth(1).hover()
    ana.page.mouse.wheel(0, -300)
    ana.until("!document.querySelector('.zoom img').style.transform.includes('scale(1)')")
    first, second = transforms(ana)
    assert first == second, "both are zoomed as one"
    ana.page.get_by_role("button", name="blink").click()
    for alt in ("the right image", "the left image", "the right image"):
        ana.page.get_by_alt_text(alt).wait_for()
    ana.page.get_by_role("button", name="difference").click()
    ana.see(".zoom .over")
    assert ana.page.locator(".zoom .over").evaluate("e => getComputedStyle(e).mixBlendMode") == "difference"
    picture, words = (ana.page.locator(css).bounding_box() for css in (".zoom", ".zoomed figcaption"))
    assert words["y"] >= picture["y"] + picture["height"], "words hide nothing of the picture"
    ana.page.get_by_role("button", name="side by side").click()
    ana.until("document.querySelectorAll('.zoom').length === 2")
    ana.press("p")
    ana.see(".grid")


def test_pair__is_decided_as_one_and_the_next_comes(ana: Any, planted: Any) -> None:
    ana.page.get_by_label("order").select_option("group")
    ana.at(1)
    first = ana.sample(1)
    ana.press("p")
    ana.see(f'[data-testid="left"][data-sample-id="{first}"]')
    ana.press("+")
    partner = int(ana.see('[data-testid="right"]').get_attribute("data-sample-id"))
    assert partner in planted.group_of(first) - {first}
    ana.page.get_by_role("button", name="whole image").first.wait_for()
    ana.page.get_by_role("button", name="keep right").click()
    ana.until(f"document.querySelector('.stage').dataset.sampleId !== '{first}'")
    shown = {
        int(ana.see(f'[data-testid="{side}"]').get_attribute("data-sample-id")) for side in ("left", "right")
    }
    assert shown != {first, partner}, "the pair does not come back swapped"
    assert all("scale(1)" in text for text in transforms(ana)), "a new pair starts whole"
    ana.press("Home")
    ana.see(f'[data-testid="left"][data-sample-id="{first}"][data-action="remove"] .mark.remove')
    ana.see(f'[data-testid="right"][data-sample-id="{partner}"][data-action="keep"] .mark.keep')
    ana.page.get_by_text("2 decided").wait_for()
    ana.page.get_by_role("button", name="difference").click()
    ana.page.locator("figcaption", has_text="left: remove; right: keep").wait_for()
    ana.press("u")
    ana.page.get_by_text("0 decided").wait_for()


def test_pair__enter_keeps_the_proposed_one(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("duplicate_exact")[0].path)
    ana.press("p")
    stays = ana.page.locator(".half", has_text="proposed to stay")
    stays.wait_for()
    kept = int(stays.get_attribute("data-sample-id"))
    (gone,) = planted.group_of(kept) - {kept}
    ana.press("Enter")
    ana.toast("one kept; no open pair below")
    ana.says(kept, "keep")
    ana.says(gone, "remove")


# --------------------------------------------------------------------------------------------------- a group


def test_group__enter_keeps_the_proposed_one(ana: Any, planted: Any) -> None:
    ana.page.get_by_label("order").select_option("group")
    ana.at(1)
    group = planted.group_of(ana.sample(1))
    ana.press("d")
    ana.until(f"document.querySelectorAll('.member').length === {len(group)}")
    proposed = int(ana.page.locator(".member", has_text="proposed").first.get_attribute("data-sample-id"))
    assert proposed in group
    ana.press("Enter")
    ana.toast("one kept, removed")
    ana.press("Escape", "Home")
    ana.see(".grid")
    for sample_id in group:
        ana.says(sample_id, "keep" if sample_id == proposed else "remove")
    ana.page.locator(".toast").get_by_role("button", name="undo").click()
    for sample_id in group:
        ana.says(sample_id, "none")


def test_group__the_last_one_cannot_be_removed(ana: Any, planted: Any) -> None:
    copy = planted.truth.of_kind("duplicate_exact")[1]
    group = planted.group_of(planted.ids[copy.path])
    ana.go_to(copy.path)
    ana.press("d")
    for sample_id in sorted(group)[:-1]:
        member = ana.see(f'.member[data-sample-id="{sample_id}"]')
        member.get_by_role("button", name="remove", exact=True).click()
        ana.see(f'.member[data-sample-id="{sample_id}"][data-action="remove"]')
    last = ana.see(f'.member[data-sample-id="{max(group)}"]')
    assert last.get_by_role("button", name="remove", exact=True).is_disabled()
    ana.page.get_by_text("1 stay").wait_for()
    last.get_by_role("button", name="keep this one").click()
    ana.see(f'.member[data-sample-id="{max(group)}"][data-action="keep"]')
    ana.page.get_by_role("button", name="next group (g)").click()
    ana.toast("no more groups below")
    ana.press("d")
    ana.see(".grid")


# ------------------------------------------------------------------------------------------- doubted labels


def test_label__given_against_suggested_with_those_that_argue(ana: Any, planted: Any) -> None:
    wrong = planted.truth.of_kind("wrong_label")[0]
    sample_id = planted.ids[wrong.path]
    ana.go_to(wrong.path)
    ana.press("l")
    ana.see(f'.stage[data-sample-id="{sample_id}"]')
    given, suggested = ana.page.get_by_label("given label"), ana.page.get_by_label("suggested label")
    assert given.locator("b").inner_text() == wrong.given_label
    assert suggested.locator("b").inner_text() == wrong.true_label
    assert suggested.locator("figure").count() >= 1
    ana.press("Enter")
    ana.see(f'.stage[data-sample-id="{sample_id}"][data-action="relabel"]')
    ana.page.get_by_role("button", name=f"stays {wrong.given_label}").click()
    ana.see(f'.stage[data-sample-id="{sample_id}"][data-action="keep"]')
    ana.press("u", "u")
    ana.see(f'.stage[data-sample-id="{sample_id}"][data-action="none"]')
    ana.press("l")
    ana.see(".grid")


def test_label__of_an_image_that_nobody_doubts_leads_to_those_doubted(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("blur")[0].path)
    ana.page.get_by_test_id("search").fill("")
    ana.page.get_by_test_id("search").blur()
    blurred = planted.id_of("blur")
    ana.press("l")
    button = ana.page.get_by_role("button", name="show the doubted labels alone")
    button.or_(ana.page.locator(f'.stage[data-sample-id="{blurred}"]')).wait_for()
    button.click()
    ana.see(".stage")
    assert ana.n_shown() == len(planted.found("mislabel"))


def test_classes__a_pair_of_classes_shows_its_images(ana: Any, planted: Any) -> None:
    labels = {(row["sample_id"], row["suggested_label"]) for row in planted.issues if row["suggested_label"]}
    ana.press("c")
    line = ana.see("table.classes tbody tr")
    given, suggested, n = (line.locator("td").nth(place).inner_text() for place in range(3))
    assert suggested in {label for _, label in labels} and given != suggested
    line.get_by_role("button", name="show").click()
    ana.see(".grid")
    assert ana.n_shown() == int(n)
    assert f"{given}, perhaps {suggested}" in str(ana.page.locator(".tile").first.get_attribute("aria-label"))
    ana.press("c", "c")
    ana.see(".grid")
