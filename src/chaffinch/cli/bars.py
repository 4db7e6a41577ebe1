"""Progress bars for a terminal; imported only where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Units done, of how many, and how fast."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields["unit"]
        total = f"/{task.total:,.0f}" if task.total else ""
        rate = f" {speed:,.0f}/s" if speed else ""
        return Text(f"{task.completed:,.0f}{total} {unit}{rate}", style="progress.data.speed")


class BarProgress:
    """Draws each stage as a bar."""

    def __init__(self, drawing: Progress) -> None:
        self._drawing = drawing
        self._task = drawing.add_task("starting", total=None, unit="")

    def stage(self, name: str, *, total: int | None, unit: str) -> None:
        """Begin a stage in the one line that is drawn."""
        self._drawing.remove_task(self._task)
        self._task = self._drawing.add_task(name, total=total, unit=unit)

    def advance(self, n: int) -> None:
        """Move the bar."""
        self._drawing.advance(self._task, n)

    def note(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._drawing.console.print(text, highlight=False, markup=False)


@contextmanager
def bars() -> Iterator[BarProgress]:
    """Yield a progress that draws on stderr and leaves nothing behind."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        _Rate(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as drawing:
        yield BarProgress(drawing)
