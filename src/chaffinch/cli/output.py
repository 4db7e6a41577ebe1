"""What every verb shares: shared options, progress on stderr, tables and sentences on stdout."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from chaffinch.pipeline.progress import Progress

WorkspaceOption = Annotated[
    Path, typer.Option("-w", "--workspace", help="Workspace folder; everything the program knows is in it.")
]


class _Remarks:
    """How remarks on stderr are written in this run: as sentences, or as JSON lines."""

    as_json = False


_remarks = _Remarks()


def remarks_as_json(as_json: bool) -> bool:
    """Write all that goes to stderr from now on as JSON lines, or as sentences again."""
    _remarks.as_json = as_json
    return as_json


LogJsonOption = Annotated[
    bool,
    typer.Option(
        "--log-json",
        callback=remarks_as_json,
        help="Progress and remarks as JSON lines on stderr, for machines to read.",
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", min=0, help="Threads; 0 takes one per core.")]
DatasetOption = Annotated[
    str | None,
    typer.Option("--dataset", help="Name of the dataset; names the artifacts. Default: the folder's name."),
]

EmbedderOption = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        help="What makes vectors: a name of 'models list', onnx:FILE, vectors:FILE, descriptor; none for no "
        "vectors. Default: what made them before, else chaffinch-s.",
    ),
]

TEXT_WIDTH = 79
"""Columns of what is printed; names and paths that are longer are not cut."""

PLAIN_EVERY_S = 10.0
"""A log file gets a line of progress this often; the first after two seconds."""


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """Spell control characters out: a file name must not be able to drive the terminal."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def say(text: str = "") -> None:
    """Print a result on stdout."""
    sys.stdout.write(harmless(text) + "\n")


def hint(text: str, *, event: str = "hint") -> None:
    """Print a remark on stderr, behind the results so far; where JSON is asked for, as that event."""
    sys.stdout.flush()
    sys.stderr.write(
        (json.dumps({"event": event, "text": text}) if _remarks.as_json else harmless(text)) + "\n"
    )


def counted_name(n: int, plural: str) -> str:
    """Spell a number of things that have a name in the plural: ``1 group of copies``."""
    name = re.sub(r"s\b", "", plural, count=1) if n == 1 else plural
    return f"{n:,} {name}"


def say_beside(word: str, text: str, *, column: int) -> None:
    """Print a text from a column on, with a word before it; wrapped."""
    import textwrap

    lines = textwrap.wrap(text, TEXT_WIDTH - column, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        say(f"{'' if number else word:<{column}}{line}")


def hint_next(*commands: str) -> None:
    """Print on stderr what comes next, any of the commands; on several lines where one would be too long."""
    line = "next: " + "   or   ".join(commands)
    hint(line if len(line) <= TEXT_WIDTH else "next: " + "\n  or: ".join(commands))


def write_any_name() -> None:
    """Let stdout spell out what its encoding lacks, rather than stop at a file name in an ASCII locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def duration(seconds: float) -> str:
    """Spell a duration: ``3.2 s``, ``4 min 05 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class LineProgress:
    """Progress as lines on stderr: JSON for every event, or now and then a sentence."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._name, self._unit, self._total, self._done = "", "", 0, 0
        self._started = self._next = time.monotonic()

    def stage(self, name: str, *, total: int | None, unit: str) -> None:
        """Begin a stage."""
        self._name, self._unit, self._total, self._done = name, unit, total or 0, 0
        self._started = time.monotonic()
        self._next = self._started + 2
        # CPU seconds so far: from one stage to the next they tell what each took.
        self._event("stage", total=total, unit=unit, cpu_s=round(time.process_time(), 2))

    def advance(self, n: int) -> None:
        """Count, and print when it is time."""
        self._done += n
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = self._done / elapsed
        left_s = (self._total - self._done) / rate if self._total and rate else None
        self._event(
            "progress", done=self._done, total=self._total or None, per_s=round(rate, 1), left_s=left_s
        )
        if self._as_json or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PLAIN_EVERY_S
        of_total = f" of {self._total:,}" if self._total else ""
        left = f", {duration(left_s)} left" if left_s is not None else ""
        hint(f"{self._name}: {self._done:,}{of_total} {self._unit}, {rate:,.0f} {self._unit}/s{left}")

    def note(self, text: str) -> None:
        """Print a sentence."""
        self._event("note", text=text)
        if not self._as_json:
            hint(text)

    def _event(self, event: str, **values: Any) -> None:
        if self._as_json:
            left_s = values.get("left_s")
            rounded = {} if left_s is None else {"left_s": round(left_s, 1)}
            sys.stderr.write(json.dumps({"event": event, "stage": self._name, **values, **rounded}) + "\n")


@contextmanager
def progress_on_stderr(*, as_json: bool) -> Iterator[Progress]:
    """Yield a progress that suits stderr: bars on a terminal, else lines."""
    if as_json or not sys.stderr.isatty():
        yield LineProgress(as_json=as_json)
        return
    from chaffinch.cli.bars import bars

    with bars() as progress:
        yield progress
