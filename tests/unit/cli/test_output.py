"""What reaches a terminal."""

from __future__ import annotations

import pytest

from chaffinch.cli.output import counted_name, duration, harmless
from chaffinch.report.visible_text import counted


def test_harmless__spells_out_what_would_drive_a_terminal() -> None:
    assert harmless("a\x1b[31mred\x1b]0;own\x07.jpg\r") == r"a\x1b[31mred\x1b]0;own\x07.jpg\x0d"
    assert harmless("two\nlines\tand a tab, Müller 猫") == "two\nlines\tand a tab, Müller 猫"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.25, "3.2 s"), (59.94, "59.9 s"), (245, "4 min 05 s"), (7800, "2 h 10 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counted__one_thing_is_named_in_the_singular() -> None:
    assert [counted(n, "image") for n in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]
    figures = ["clusters", "images in them", "groups of duplicates", "confused pairs of classes"]
    assert [counted_name(1, name) for name in figures] == [
        "1 cluster", "1 image in them", "1 group of duplicates", "1 confused pair of classes"
    ]  # fmt: skip
    assert counted_name(2, "groups of duplicates") == "2 groups of duplicates"
