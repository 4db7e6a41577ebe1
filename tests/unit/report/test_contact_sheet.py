from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.records import LEAK_TYPES, LeakPair
from chaffinch.report import contact_sheet
from chaffinch.report.contact_sheet import (
    contact_sheet_path,
    how_many_text,
    limit_text,
    score_text,
    write_contact_sheet,
)
from chaffinch.report.leak_sample import MethodSection, choose_pairs
from chaffinch.report.leak_summary import LeakMethod, LeakSide, LeakSummary, LeftOut
from chaffinch.report.leak_tally import LeakTally

PICTURE = b"\xff\xd8 a picture \xff\xd9"
HOSTILE = "\"><script>alert(1)</script>'\u202egpj\n.jpg"


def leak(method: str, train: str, test: str, *, distance: int | None = None, labels: str = "cat") -> LeakPair:
    similarity = 1.0 if method == "exact" else 0.93
    return LeakPair(
        train_image=f"data/train/{train}",
        test_image=f"data/val/{test}",
        method=method,
        similarity=similarity if distance is None else 1 - distance / 64,
        leak_type=LEAK_TYPES[method],
        hamming_distance=distance,
        transform="rotate_90" if method == "verified" else "",
        train_label="cat",
        test_label=labels,
        labels_agree=labels == "cat",
        train_key=f"train/{train}",
        test_key=f"val/{test}",
        train_uri="",
        test_uri="",
    )


ROWS = [
    leak("exact", "1.jpg", "a.jpg"),
    leak("perceptual", "1.jpg", "a.jpg", distance=0),
    leak("perceptual", "2.jpg", "b.jpg", distance=4),
    leak("perceptual", "3.jpg", "c.jpg", distance=2, labels="dog & <b>"),
    leak("verified", "3.jpg", "c.jpg", labels="dog & <b>"),
    leak("verified", "4.jpg", HOSTILE),
]
THRESHOLDS = {"exact": None, "perceptual": 5, "verified": 0.9, "semantic": 0.95}


def summary_of(rows: list[LeakPair]) -> LeakSummary:
    tally = LeakTally()
    for row in rows:
        tally.add(row)
    methods = dict.fromkeys(row.method for row in rows) or ["exact"]
    return LeakSummary(
        dataset="<i>birds</i>",
        report="leaks.csv",
        train=LeakSide("data/train", {"ok": 10}, tally.n_train_images),
        test=LeakSide("data/val", {"ok": 7, "broken": 1}, tally.n_test_images),
        methods=[LeakMethod(m, THRESHOLDS[m], tally.of_method(m)) for m in methods],
        n_labels_agree=tally.n_test_labels_agree,
        n_labels_differ=tally.n_test_labels_differ,
        classes=(),
        inputs_fingerprint="abc",
        wall_s=1,
        cpu_s=1,
        left_out=[LeftOut("semantic", "there is no model", "chaffinch models get NAME")],
    )


class Page(HTMLParser):
    """Tags, attributes and texts of a page; checks that tags close in order."""

    VOID = frozenset({"meta", "img", "input", "wbr", "rect"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def sheet(tmp_path: Path, rows: list[LeakPair], *, limit: int = 500) -> Page:
    path = tmp_path / "leaks.html"
    sections = choose_pairs(rows, limit=limit)
    write_contact_sheet(path, sections, summary=summary_of(rows), thumbnail=lambda key: PICTURE)
    return Page(path)


# ---------------------------------------------------------------------------------------------- which pairs


def test_choose_pairs__each_pair_once_with_what_others_say() -> None:
    exact, perceptual, verified = choose_pairs(ROWS, limit=10)
    assert (exact.n_pairs, exact.n_earlier) == (1, 0)
    assert [row.method for row in exact.shown[0].also] == ["perceptual"]
    assert (perceptual.n_pairs, perceptual.n_earlier, perceptual.n_new) == (3, 1, 2)
    assert [s.pair.train_key for s in perceptual.shown] == ["train/3.jpg", "train/2.jpg"]
    assert [row.method for row in perceptual.shown[0].also] == ["verified"]
    assert [s.pair.train_key for s in verified.shown] == ["train/4.jpg"]
    assert choose_pairs([], limit=10) == []


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True, max_size=40), st.integers(1, 30)
)
def test_choose_pairs__drawn_whatever_the_order(ids: list[tuple[int, int]], limit: int) -> None:
    rows = [leak("perceptual", str(a), str(b), distance=(a + b) % 3 * 2) for a, b in ids]
    forward, backward = choose_pairs(rows, limit=limit), choose_pairs(rows[::-1], limit=limit)
    assert forward == backward
    if rows:
        (section,) = forward
        assert len(section.shown) == min(limit, len(rows)) and section.n_pairs == len(rows)
        similarities = [s.pair.similarity for s in section.shown]
        assert similarities == sorted(similarities, reverse=True)


def test_choose_pairs__keys_do_not_run_together() -> None:
    rows = [leak("exact", "1", "1"), replace(leak("perceptual", "x", "x", distance=0), train_key="train/1v")]
    rows[1] = replace(rows[1], test_key="al/1")
    assert [section.n_earlier for section in choose_pairs(rows, limit=5)] == [0, 0]


# ------------------------------------------------------------------------------------------------- the page


def test_write__what_stands_on_it(tmp_path: Path) -> None:
    page = sheet(tmp_path, ROWS)
    text = " ".join(" ".join(page.texts).split())
    assert "4 of 8 test images ( 50.0 % ) also appear in train." in text
    assert "Train-test leaks in <i>birds</i>" in text
    assert "pHash distance at most 5 of 64 bits · 3 pairs, 1 of them found by a method above" in text
    assert "2 of 64 bits differ at most 5" in text and "correlation 0.930 at least 0.9" in text
    assert "semantic was left out: there is no model. To get it: chaffinch models get NAME" in text
    assert "1 image could not be read" in text
    assert "rotate 90" in text and "≠ labels differ" in text and "dog & <b>" in text
    pairs = [attrs for attrs in page.of("li") if "pair" in (attrs.get("class") or "").split()]
    assert [p["data-methods"] for p in pairs] == [
        "exact perceptual",
        "perceptual verified",
        "perceptual",
        "verified",
    ]
    assert [p["class"] for p in pairs] == ["pair", "pair differ", "pair", "pair"]


def test_write__pictures_are_inside_and_described(tmp_path: Path) -> None:
    images = sheet(tmp_path, ROWS).of("img")
    assert len(images) == 8
    data = "data:image/jpeg;base64," + base64.b64encode(PICTURE).decode()
    assert {image["src"] for image in images} == {data}
    assert images[0]["alt"] == "train image 1.jpg, labelled cat"


def test_write__hostile_names_stay_text(tmp_path: Path) -> None:
    page = sheet(tmp_path, ROWS)
    assert len(page.of("script")) == 1 and not page.of("i")
    assert "\u202e" not in "".join(page.texts)
    # The part behind the last slash of the name is its file name.
    assert "script>'\\u202egpj\\n.jpg" in page.texts
    # No attribute but those written here: none that runs code, none that styles, none that loads.
    names = {name for _, attrs in page.tags for name in attrs}
    assert not {name for name in names if name.startswith("on") or name == "style"}
    urls = [attrs.get(key) for _, attrs in page.tags for key in ("src", "href") if key in attrs]
    assert all(url and url.startswith(("#", "data:image/jpeg;base64,")) for url in urls)


def test_write__policy_allows_just_its_own_style_and_script(tmp_path: Path) -> None:
    page = sheet(tmp_path, ROWS)
    text = (tmp_path / "leaks.html").read_text()
    (policy,) = [m["content"] for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_write__bounded_and_says_so(tmp_path: Path) -> None:
    rows = [leak("perceptual", f"{n}.jpg", "a.jpg", distance=2) for n in range(9)]
    page = sheet(tmp_path, rows, limit=4)
    assert len(page.of("img")) == 8
    assert "9 pairs; 4 of 9 shown, drawn evenly; most similar first" in " ".join(page.texts)


def test_write__no_leak(tmp_path: Path) -> None:
    page = sheet(tmp_path, [])
    assert "No leak found" in page.texts and not page.of("script") and not page.of("img")


def test_write__no_picture(tmp_path: Path) -> None:
    path = tmp_path / "leaks.html"
    sections = choose_pairs(ROWS[:1])
    write_contact_sheet(path, sections, summary=summary_of(ROWS[:1]), thumbnail=lambda key: None)
    assert Page(path).texts.count("no picture") == 2


def test_write__same_rows_same_bytes(tmp_path: Path) -> None:
    sheet(tmp_path, ROWS)
    before = (tmp_path / "leaks.html").read_bytes()
    sheet(tmp_path, ROWS)
    assert (tmp_path / "leaks.html").read_bytes() == before


def test_texts() -> None:
    assert contact_sheet_path(Path("m/x.leaks.csv")) == Path("m/x.leaks.html")
    assert contact_sheet_path(Path("odd.html")) == Path("odd.html.html"), "never the report itself"
    assert score_text(ROWS[0]) == "identical" and score_text(ROWS[2]) == "4 of 64 bits differ"
    assert score_text(leak("semantic", "a", "b")) == "cosine 0.930"
    assert [limit_text(m, THRESHOLDS[m]) for m in THRESHOLDS] == [
        "",
        "at most 5",
        "at least 0.9",
        "at least 0.95",
    ]
    assert how_many_text(MethodSection("exact", 1, 0, ())) == "1 pair; 0 of 1 shown, drawn evenly"


def test_strength__from_threshold_to_perfect() -> None:
    strengths = [contact_sheet._strength(leak("perceptual", "a", "b", distance=d), 5) for d in (0, 5)]
    assert strengths == [1.0, 0.0]
    assert contact_sheet._strength(leak("verified", "a", "b"), 0.86) == pytest.approx(0.5)
    assert contact_sheet._strength(leak("perceptual", "a", "b", distance=0), 0) == 1.0


@pytest.mark.slow
def test_browser__runs_filters_and_fits(tmp_path: Path, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    sheet(tmp_path, ROWS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 390, "height": 800})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto((tmp_path / "leaks.html").as_uri())
        assert page.inner_text("output") == "4 of 4 pairs"
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.select_option("select", "verified")
        assert page.inner_text("output") == "2 of 4 pairs"
        assert page.locator("#exact").is_hidden() and page.locator("#pair-2").is_visible()
        page.check("input")
        assert page.inner_text("output") == "1 of 4 pairs"
        browser.close()
    assert complaints == []
