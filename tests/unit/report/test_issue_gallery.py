"""The page of findings: what it shows, that it stands alone, and that no text of a file breaks out."""

from __future__ import annotations

from pathlib import Path

from chaffinch.report.issue_gallery import IssueSection, ShownImage, ShownIssue, write_issue_gallery

EVIL = '<script>alert("x")</script>\u202e'


def page(tmp_path: Path, *sections: IssueSection) -> str:
    write_issue_gallery(tmp_path / "i.html", sections, dataset=EVIL, n_images=1234)
    return (tmp_path / "i.html").read_text(encoding="utf-8")


def test_page__shows_the_flagged_image_and_what_speaks_for_it(tmp_path: Path) -> None:
    images = (
        ShownImage("flagged", "train/cat/1.jpg", "cat", b"jpeg"),
        ShownImage("speaks for it", "train/dog/2.jpg", "dog", b"jpeg"),
        ShownImage("speaks against", "train/cat/3.jpg", "cat", None),
    )
    shown = ShownIssue(images, 0.875, "dog", "Looks like 'dog'.")
    text = page(tmp_path, IssueSection("mislabel", "label", 30, (shown,)))
    assert "30 images · the 1 surest shown" in text
    assert '<bdi>cat</bdi> <span class="arrow">→</span> <bdi class="suggested">dog?</bdi>' in text
    assert '<span class="limit">0.88</span>' in text
    assert text.count("data:image/jpeg;base64,") == 2
    assert "no picture" in text
    assert "Looks like &#x27;dog&#x27;." in text


def test_page__texts_are_escaped_and_nothing_runs(tmp_path: Path) -> None:
    image = ShownImage("flagged", EVIL, EVIL, None)
    shown = ShownIssue((image,), None, EVIL, EVIL)
    text = page(tmp_path, IssueSection("blur", "quality", 1, (shown,)))
    assert "<script" not in text
    assert "\u202e" not in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")


def test_page__nothing_found(tmp_path: Path) -> None:
    assert "Nothing was found</strong> among 1,234 images." in page(tmp_path)
