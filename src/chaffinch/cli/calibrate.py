"""`chaffinch calibrate`: fit a model's semantic threshold to the user's own pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from chaffinch.cli.output import LogJsonOption, WorkspaceOption, hint, progress_on_stderr, say


def calibrate(
    *,
    workspace: WorkspaceOption,
    embedder: Annotated[
        str | None, typer.Option(help="Whose threshold to set. Default: of the vectors made last.")
    ] = None,
    max_false_share: Annotated[
        float, typer.Option(help="Largest share of images that may have a stranger as near, 0..1.")
    ] = 0.002,
    images: Annotated[int, typer.Option(help="Images of which copies are made.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Of the samples and the changes.")] = 0,
    log_json: LogJsonOption = False,
) -> None:
    """Set the cosine from which two vectors mean one picture, from copies made of your own images.

    Copies (recompressed, resized, cropped, recoloured, mirrored, framed, overlaid) say how near copies are,
    the nearest strangers how near others come. The threshold is kept in the workspace and used by --methods
    semantic; the curve is drawn on a page in reports/.

    Example:

        chaffinch calibrate -w ws --max-false-share 0.001
    """
    from chaffinch.pipeline.calibrate import calibrate as run_calibrate

    with progress_on_stderr(as_json=log_json) as progress:
        found, page = run_calibrate(
            workspace,
            embedder=embedder,
            max_false_share=max_false_share,
            n_copied=images,
            seed=seed,
            progress=progress,
        )
    say(f"semantic threshold: cosine {found.threshold:.3f}")
    say(f"copies found: {found.recall():.1%}")
    for kind, recall in found.recall_by_kind().items():
        say(f"  {kind:<14}{recall:>7.1%} of {len(found.copies[kind]):,}")
    say(f"images with a stranger as near: {found.false_share():.2%} of {len(found.strangers):,}")
    say(f"precision, if each image had one copy: {found.precision():.3f}")
    hint(f"wrote {page}")
    hint(f"next: chaffinch leaks -w {workspace} --between train val --methods semantic")
