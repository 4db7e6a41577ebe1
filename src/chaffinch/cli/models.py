"""`chaffinch models`: which models are known, which are there, how to get them."""

from __future__ import annotations

from typing import Annotated

import typer

from chaffinch.cli.output import LogJsonOption, hint, progress_on_stderr, say

models_app = typer.Typer(
    name="models",
    help="Models that make vectors: list them, or get one. Such as: chaffinch models get dinov2-small",
    no_args_is_help=True,
)


@models_app.command("list")
def list_() -> None:
    """List the known models; asks no server.

    Examples:

        chaffinch models list
    """
    from chaffinch.pipeline.models import list_models

    say(f"{'name':<16} {'numbers':>7} {'MB':>5}  {'threshold':<9} {'licence':<11} where")
    for state in list_models():
        card = state.card
        threshold = "-" if card.semantic_threshold is None else f"{card.semantic_threshold:.3f}"
        where = state.path or (f"on the hub: {card.hub.repo}" if card.hub else "bring the file: onnx:FILE")
        size = f"{card.size_mb:,}"
        say(f"{card.name:<16} {card.dim:>7} {size:>5}  {threshold:<9} {card.licence:<11} {where}")
        say(f"{'':<16} good at {card.good_at}")
    hint("get one with: chaffinch models get NAME   or use no model at all: --embedder descriptor")


@models_app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="One of those that 'models list' prints.")],
    log_json: LogJsonOption = False,
) -> None:
    """Download a model into the cache of Hugging Face, verified; goes on after a broken connection.

    HF_ENDPOINT names another hub, HF_HUB_OFFLINE=1 forbids to ask, HF_HOME moves the cache.

    Examples:

        chaffinch models get dinov2-small
    """
    from chaffinch.pipeline.models import get_model

    with progress_on_stderr(as_json=log_json) as progress:
        path = get_model(name, progress=progress)
    say(str(path))
    hint(f"next: chaffinch scan SOURCE -w WS --embedder {name}")
