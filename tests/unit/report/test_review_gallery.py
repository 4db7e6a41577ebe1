"""The review page stands alone, escapes everything, and gives back what people decided on it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from chaffinch.formats.manifest_csv import COLUMNS, read_manifest
from chaffinch.pipeline import review_page
from chaffinch.pipeline.review_page import thumbnails, write_review_page
from chaffinch.report.review_gallery import dataset_of

HOSTILE = '"><script>alert(1)</script>\u202egpj\n.jpg'
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def row(number: int, **texts: str) -> dict[str, str]:
    empty = dict.fromkeys(COLUMNS, "")
    base = {
        "image_id": str(number),
        "image_path": f"pictures/{number}.png",
        "dataset": "birds",
        "label": "cat",
    }
    flags = {"vl_flag_type": "blur", "vl_confidence": "0.9", "user_action": "none"}
    return {**empty, **base, **flags, **texts}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (number * 80, 30, 30)).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path


def test_page__stands_alone_and_escapes_everything(pictures: Path) -> None:
    rows = [row(0), row(1, image_path=HOSTILE, label="<b>", vl_reason="</template><img src=x>"), row(5)]
    (page,) = write_review_page(pictures / "r.html", rows, dataset="<i>birds", roots=(pictures,))
    text = page.read_text(encoding="utf-8")
    assert text.count('<img src="data:image/jpeg;base64,') == 1
    assert text.count("<script") == 1
    assert text.count("</template>") == 3
    assert "default-src &#x27;none&#x27;; img-src data:" in text
    body = text.partition("<body>")[2].partition("<script>")[0]
    assert not re.search(r"\s(?:style|href|on[a-z]+)=", body)
    assert "alert(1)" in body
    assert "<b>" not in body
    assert "2 of the images have no picture here" in text
    assert dataset_of(page) == "<i>birds"


def test_page__leaves_out_what_is_neither_flagged_nor_decided(pictures: Path) -> None:
    rows = [row(0), row(1, vl_flag_type=""), row(2, vl_flag_type="", user_action="keep")]
    (page,) = write_review_page(pictures / "r.html", rows, dataset="d", roots=())
    assert re.findall(r'<template data-image_id="(\d+)"', page.read_text()) == ["0", "2"]


def test_page__of_another_dataset_is_kept(pictures: Path) -> None:
    (first,) = write_review_page(pictures / "r.html", [row(0)], dataset="birds", roots=())
    assert write_review_page(pictures / "r.html", [row(1)], dataset="birds", roots=()) == [first]
    with pytest.warns(UserWarning, match="is the page of another dataset"):
        (other,) = write_review_page(pictures / "r.html", [row(0)], dataset="My Coco", roots=())
    assert other.name == "r_my_coco.html"
    assert dataset_of(first) == "birds"


def test_page__many_images_make_numbered_files(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_page, "MAX_IMAGES", 2)
    pages = write_review_page(pictures / "r.html", [row(n) for n in range(5)], dataset="d", roots=())
    assert [page.name for page in pages] == ["r.html", "r_2.html", "r_3.html"]
    assert "(file 3 of 3)" in pages[2].read_text()


def test_thumbnails__of_what_is_at_hand_and_decodes(pictures: Path) -> None:
    (pictures / "pictures" / "broken.png").write_bytes(b"no picture")
    names = ["pictures/0.png", "pictures/broken.png", "gone.png", "http://x/y.png", "", "a" * 5000]
    found = thumbnails([*names, str(pictures / "pictures" / "1.png")], [pictures])
    assert sorted(found) == sorted(["pictures/0.png", str(pictures / "pictures" / "1.png")])
    assert found["pictures/0.png"].startswith(b"\xff\xd8")


@pytest.mark.slow
def test_page__decisions_made_in_a_browser_come_back(pictures: Path) -> None:
    if CHROMIUM is None:
        if os.environ.get("CHAFFINCH_REQUIRE_CHROMIUM"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    rows = [row(0), row(1, vl_suggested_label="dog"), row(2, image_path=HOSTILE), row(3, vl_flag_type="dark")]
    (page,) = write_review_page(pictures / "r.html", rows, dataset="d", roots=(pictures,), n_per_page=3)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(accept_downloads=True).new_page()
        complaints: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(page.as_uri())
        assert tab.locator(".card").count() == 3
        assert tab.inner_text("#range") == "1\u20133 of 4"
        tab.locator(".card").first.focus()
        for key in ("x", "ArrowRight", "r", "ArrowRight", "k", "u", "n"):
            tab.keyboard.press(key)
        assert tab.inner_text("#range") == "4\u20134 of 4"
        tab.locator(".card .note").fill('=dark, "really"')
        tab.locator(".card summary").click()
        tab.locator('.card input[value="outlier_valid"]').check()
        tab.reload()
        assert tab.locator(".card").first.get_attribute("data-action") == "remove"
        tab.select_option("#type", "dark")
        assert tab.inner_text("#range") == "1\u20131 of 1"
        tab.click("#save")
        assert "Type your name" in tab.inner_text(".told")
        tab.fill("#reviewer", "Ana L\u00fc")
        with tab.expect_download() as download:
            tab.click("#save")
        download.value.save_as(pictures / "decisions.csv")
        browser.close()
    assert complaints == []
    lines = list(read_manifest(pictures / "decisions.csv"))
    assert [(line.image_id, line.decision.action, line.reviewer_name) for line in lines] == [
        ("0", "remove", "Ana L\u00fc"),
        ("1", "relabel", "Ana L\u00fc"),
        ("3", "none", "Ana L\u00fc"),
    ]
    assert lines[2].decision.tags == ("outlier_valid",)
    assert lines[2].decision.notes == '=dark, "really"'
    assert all(line.is_edited for line in lines)
