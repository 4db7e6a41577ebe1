"""`chaffinch find`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.leaks import parse_methods
from chaffinch.cli.output import (
    LogJsonOption,
    WorkspaceOption,
    counted_name,
    duration,
    hint,
    hint_next,
    progress_on_stderr,
    say,
    say_beside,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaffinch.pipeline.find import FindReport

STEP_WIDTH = 12
"""Columns of a step's name."""


def find(
    *,
    workspace: WorkspaceOption,
    only: Annotated[
        str,
        typer.Option(
            help="Comma list of steps: duplicates, quality, mislabels, outliers, clusters, map. Default: all."
        ),
    ] = "",
    methods: Annotated[
        str,
        typer.Option(
            help="Comma list of exact, perceptual, verified, semantic: how copies are found. "
            "What these methods find takes the place of all copies found before."
        ),
    ] = "exact,perceptual,verified",
    phash_threshold: Annotated[int, typer.Option(help="Largest Hamming distance in bits, 0..16.")] = 5,
    semantic_threshold: Annotated[
        float | None, typer.Option(help="Smallest cosine, 0..1. Default: what fits the embedder.")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="Whose vectors to use. Default: those made last.")
    ] = None,
    pred_probs: Annotated[
        Path | None,
        typer.Option(
            help="Out-of-sample probabilities of your model (.npy, CSV, Parquet), to judge labels by instead."
        ),
    ] = None,
    log_json: LogJsonOption = False,
) -> None:
    """Find what is wrong within a dataset: copies, bad quality, wrong labels, outliers; and what is alike.

    The step clusters fills the columns `uniqueness` and `cluster_id` of the table `samples`, the step map
    says where images lie on the map of the review page. Nothing is removed: findings are rows of the tables
    `issues` and `pairs`. A step that lacks something says so, with the command that brings it.

    Examples:

        chaffinch find -w ws

        chaffinch find -w ws --only duplicates,quality

        chaffinch find -w ws --only mislabels,outliers

        chaffinch find -w ws --only mislabels --pred-probs probs.npy
    """
    from chaffinch.pipeline.find import find as run_find
    from chaffinch.settings import FindSettings, LeakSettings

    settings = FindSettings(
        only=tuple(part.strip() for part in only.split(",") if part.strip()),
        pairs=LeakSettings(
            methods=parse_methods(methods),
            phash_threshold=phash_threshold,
            semantic_threshold=semantic_threshold,
        ),
        embedder=embedder,
        pred_probs=None if pred_probs is None else str(pred_probs),
    )
    with progress_on_stderr(as_json=log_json) as progress:
        reports = run_find(workspace, settings=settings, progress=progress)
    print_found(reports, workspace)
    cpu_s, wall_s = sum(r.cpu_s for r in reports), sum(r.wall_s for r in reports)
    say(f"done in {duration(wall_s)} ({duration(cpu_s)} of CPU)")
    hint_next(f"chaffinch issues -w {workspace}", f"chaffinch table pairs -w {workspace} --to pairs.csv")


def print_found(reports: Sequence[FindReport], workspace: Path) -> None:
    """Print what each step of `find` found; what steps lack goes to stderr, each command once."""
    commands: dict[str, None] = {}
    for done in reports:
        report = done.report
        if report is None:
            say_beside(done.step, "up to date", column=STEP_WIDTH)
            continue
        counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in report.n_flagged.items()]
        counts += [counted_name(count, name) for name, count in report.figures.items()]
        if counts:
            say_beside(done.step, "; ".join(counts), column=STEP_WIDTH)
        if report.left_out is not None:
            say_beside(done.step, f"left out: {report.left_out}", column=STEP_WIDTH)
        if report.command is not None:
            commands[report.command] = None
    for command in commands:
        hint(f"hint: {_filled_in(command, workspace)}")


def _filled_in(command: str, workspace: Path) -> str:
    """Return a command with the source of the workspace, and the model that comes along."""
    from chaffinch.pipeline.status import spelled_source
    from chaffinch.settings import DEFAULT_EMBEDDER
    from chaffinch.storage.folder import WorkspaceFolder

    source = spelled_source(WorkspaceFolder(workspace).published().source)
    command = command.replace("chaffinch scan SOURCE ", f"chaffinch scan {source} ", 1)
    return re.sub("NAME$", DEFAULT_EMBEDDER, command)
