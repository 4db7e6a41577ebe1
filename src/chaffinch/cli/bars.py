"""Progress bars for a terminal; imported only where there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.text import Text


def _per_s(task: Task) -> float | None:
    """Return units a second from the beginning of the stage to its last move; None before the first.

    Stages move a shard at a time: a speed over the last seconds, as rich has it, is that of a burst.
    """
    moved_s = task.fields["moved_s"]
    return task.completed / moved_s if task.completed and moved_s else None


class _Rate(ProgressColumn):
    """Units done, of how many, and how fast."""

    def render(self, task: Task) -> Text:
        per_s, unit = _per_s(task), task.fields["unit"]
        total = f"/{task.total:,.0f}" if task.total else ""
        rate = f" {per_s:,.0f}/s" if per_s else ""
        return Text(f"{task.completed:,.0f}{total} {unit}{rate}", style="progress.data.speed")


class _Left(ProgressColumn):
    """Time left at that rate; dashes where nothing is known, or where it should be over already."""

    def render(self, task: Task) -> Text:
        per_s, left_s = _per_s(task), 0.0
        if task.total and per_s:
            waited_s = (task.elapsed or 0.0) - task.fields["moved_s"]
            left_s = (task.total - task.completed) / per_s - waited_s
        minutes, seconds = divmod(round(left_s), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"
        return Text(clock if left_s > 0 else "--:--", style="progress.remaining")


COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(bar_width=None),
    _Rate(),
    _Left(),
)
"""Of the one line that is drawn."""


class BarProgress:
    """Draws each stage as a bar."""

    def __init__(self, drawing: Progress) -> None:
        self._drawing = drawing
        self._task = drawing.add_task("starting", total=None, unit="", moved_s=0.0)

    def stage(self, name: str, *, total: int | None, unit: str) -> None:
        """Begin a stage in the one line that is drawn."""
        self._drawing.remove_task(self._task)
        self._task = self._drawing.add_task(name, total=total, unit=unit, moved_s=0.0)

    def advance(self, n: int) -> None:
        """Move the bar."""
        task = next(task for task in self._drawing.tasks if task.id == self._task)
        self._drawing.update(self._task, advance=n, moved_s=task.elapsed)

    def note(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._drawing.console.print(text, highlight=False, markup=False)


COMPILING = "compiling kernels; on this machine that happens once"
"""Nothing moves for ten seconds meanwhile."""


def _told_once(progress: BarProgress) -> Callable[[], None]:
    """Return what notes at its first call that kernels are compiled."""
    notes = [COMPILING]
    return lambda: progress.note(notes.pop()) if notes else None


def _watching_compiler(progress: BarProgress) -> AbstractContextManager[Any]:
    """Note it once if kernels are compiled rather than taken from the cache."""
    # Who has not loaded the compiler by now has nothing to compile, and loading it takes half a second.
    jit = sys.modules.get("chaffinch.jit")
    return nullcontext() if jit is None else jit.watched_compiling(_told_once(progress))


@contextmanager
def bars() -> Iterator[BarProgress]:
    """Yield a progress that draws on stderr and leaves nothing behind."""
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True, expand=True) as drawing:
        progress = BarProgress(drawing)
        with _watching_compiler(progress):
            yield progress
