"""Boxes over the picture: where they lie, what they say, and going through them."""

from __future__ import annotations

from typing import Any

import pytest

PLACE = """rect => {
  const image = rect.closest('.zoom, .picture').querySelector('img');
  const frame = image.getBoundingClientRect();
  // The picture lies in its frame as object-fit: contain puts it.
  const scale = Math.min(frame.width / image.naturalWidth, frame.height / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const [left, top] = [frame.x + (frame.width - width) / 2, frame.y + (frame.height - height) / 2];
  const box = rect.getBoundingClientRect();
  return [(box.x - left) / width, (box.y - top) / height, box.width / width, box.height / height];
}"""


def test_boxes__lie_where_they_were_drawn_at_any_zoom(ana: Any, planted: Any) -> None:
    copy = planted.truth.of_kind("duplicate_exact")[0]
    ana.go_to(copy.path)
    ana.press(" ")
    rects = ana.page.locator(".zoom rect")
    rects.first.wait_for()
    pixels = ana.page.locator(".info dd", has_text="×").inner_text().split(" × ")
    width, height = (int(text) for text in pixels)
    wanted = {(10, 20, 60, 40), (80, 30, 30, 90)}
    for keys in ((), ("+", "+"), ("-",)):
        ana.press(*keys)
        ana.page.wait_for_timeout(100)
        for place in rects.evaluate_all(f"all => all.map({PLACE})"):
            near = min(
                max(
                    abs(a - b)
                    for a, b in zip(place, (x / width, y / height, w / width, h / height), strict=True)
                )
                for x, y, w, h in wanted
            )
            assert near < 0.01, (place, keys)
    assert rects.count() == 2


def test_boxes__words_of_the_flagged_and_keys_through_them(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("duplicate_exact")[0].path)
    ana.press(" ")
    words = ana.page.locator(".zoom .box-words:not(.on-top)")
    words.nth(1).wait_for()
    assert words.all_inner_texts() == ["!ear: mislabel 0.91 → nose", "eye"]
    assert (
        ana.page.locator(".zoom rect.flagged").evaluate("r => getComputedStyle(r).strokeDasharray") != "none"
    )
    pointed = ana.page.locator(".zoom .box-words.on-top")
    for key, text in ((".", "!ear: mislabel 0.91 → nose"), (".", "eye"), (",", "!ear: mislabel 0.91 → nose")):
        ana.press(key)
        pointed.get_by_text(text.removeprefix("!")).wait_for()
    ana.page.locator(".zoom [role=status]", has_text="ear: mislabel").wait_for(state="attached")
    ana.page.locator(".zoom rect.plain").hover()
    pointed.get_by_text("eye", exact=True).wait_for()
    ana.press("o")
    ana.page.locator(".zoom rect").first.wait_for(state="detached")
    ana.toast("boxes are hidden")
    ana.press(".")
    ana.page.locator(".zoom rect").first.wait_for()
    listed = ana.page.locator(".box-list > li > button")
    assert listed.all_inner_texts() == ["! ear: mislabel 0.91 → nose", "eye"]
    listed.nth(1).focus()
    pointed.get_by_text("eye", exact=True).wait_for()
    assert "Visual Layer flags mislabels" in ana.page.locator(".box-list").inner_text()
    ana.page.get_by_test_id("boxes-button").click()
    ana.page.locator(".zoom rect").first.wait_for(state="detached")


@pytest.mark.parametrize(("key", "frame"), [("p", ".zoom"), ("d", ".picture")])
def test_boxes__on_both_of_a_pair_and_on_members(ana: Any, planted: Any, key: str, frame: str) -> None:
    ana.go_to(planted.truth.of_kind("duplicate_exact")[0].path)
    ana.press(key)
    ana.until(f"document.querySelectorAll('{frame} .fit').length === 2")
    assert ana.page.locator(f"{frame} rect.flagged").count() == 1


def test_boxes__of_many_only_those_pointed_at_have_words(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("outlier")[0].path)
    ana.press(" ")
    ana.until("document.querySelectorAll('.zoom rect').length === 40")
    assert ana.page.locator(".box-words").count() == 0
    ana.press(".")
    assert ana.see(".box-words").inner_text() == "leaf"
    ana.page.get_by_role("button", name="list 28 more").click()
    assert ana.page.locator(".box-list > li").count() == 40
    assert ana.page.evaluate("document.querySelectorAll('*').length") <= 1000


def test_boxes__label_view_and_images_without_any(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("wrong_label")[0].path)
    ana.press("l")
    ana.see(".zoom rect.flagged")
    ana.press("Escape")
    ana.go_to(planted.truth.of_kind("blur")[0].path)
    ana.press(".")
    ana.toast("this image has no boxes")
