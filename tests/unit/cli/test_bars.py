"""The line that a terminal shows while a stage runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from chaffinch.cli.bars import COLUMNS, COMPILING, BarProgress, bars
from chaffinch.jit import kernel


class Clock:
    """A clock that tests set."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def drawing(clock: Clock) -> Progress:
    return Progress(*COLUMNS, console=Console(file=io.StringIO()), get_time=clock)


def shown(drawing: Progress) -> tuple[str, str]:
    """Return what the columns of counts and of time left say."""
    rate, left = (column(drawing.tasks[-1]) for column in COLUMNS[-2:])
    return str(rate), str(left)


def test_bars__rate_and_time_left_are_over_the_whole_stage(drawing: Progress, clock: Clock) -> None:
    progress = BarProgress(drawing)
    progress.stage("scanning", total=3000, unit="images")
    assert shown(drawing) == ("0/3,000 images", "--:--")
    clock.now_s += 2
    for _ in range(2):  # two workers end their shards at nearly the same moment
        clock.now_s += 0.005
        progress.advance(500)
    assert shown(drawing) == ("1,000/3,000 images 498/s", "00:04")
    clock.now_s += 1
    assert shown(drawing) == ("1,000/3,000 images 498/s", "00:03")
    clock.now_s += 10
    assert shown(drawing)[1] == "--:--"


def test_bars__a_long_stage_and_one_without_total(drawing: Progress, clock: Clock) -> None:
    progress = BarProgress(drawing)
    progress.stage("embedding", total=100_000, unit="images")
    clock.now_s += 10
    progress.advance(100)
    assert shown(drawing) == ("100/100,000 images 10/s", "2:46:30")
    progress.stage("listing", total=None, unit="images")
    clock.now_s += 2
    progress.advance(30)
    assert shown(drawing) == ("30 images 15/s", "--:--")


def double(number: int) -> int:
    return 2 * number


def test_bars__say_once_that_kernels_are_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    for n_notes in (1, 0):  # the second finds what the first has compiled
        with bars():
            compiled = kernel(double)
            compiled(1)
            compiled(1)
        assert capsys.readouterr().err.count(COMPILING) == n_notes
