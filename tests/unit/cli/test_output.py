"""What reaches a terminal."""

from __future__ import annotations

import pytest

from chaffinch.cli.output import duration, harmless


def test_harmless__spells_out_what_would_drive_a_terminal() -> None:
    assert harmless("a\x1b[31mred\x1b]0;own\x07.jpg\r") == r"a\x1b[31mred\x1b]0;own\x07.jpg\x0d"
    assert harmless("two\nlines\tand a tab, Müller 猫") == "two\nlines\tand a tab, Müller 猫"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.25, "3.2 s"), (59.94, "59.9 s"), (245, "4 min 05 s"), (7800, "2 h 10 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
