"""`chaffinch models`: which models are known, which are there, how to get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import LogJsonOption, hint, progress_on_stderr, say, say_beside

if TYPE_CHECKING:
    from chaffinch.pipeline.models import ModelState

WIDTH = 17
"""Columns of a model's name."""

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

    say(f"{'name':<{WIDTH}}{'numbers':>7} {'MB':>5}  {'threshold':<9} {'licence':<11} where")
    for state in list_models():
        card = state.card
        threshold = "-" if card.semantic_threshold is None else f"{card.semantic_threshold:.3f}"
        size = f"{card.size_mb:,}"
        row = f"{card.dim:>7} {size:>5}  {threshold:<9} {card.licence:<11} {_where(state)}"
        say(f"{card.name:<{WIDTH}}{row}")
        say_beside("", f"good at {card.good_at}", column=WIDTH)
        if card.hub:
            say_beside("", f"from {card.hub.repo}", column=WIDTH)
    hint("get one with: chaffinch models get NAME")
    hint("or use no model at all: --embedder descriptor")


def _where(state: ModelState) -> str:
    """Say in a few words where a model is; `models get` names the file."""
    card = state.card
    if state.path is None:
        return "on the hub" if card.hub else "bring the file: onnx:FILE"
    return "comes with the package" if card.file else "in the cache"


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
    from chaffinch.compute.models import model_named, packaged_file
    from chaffinch.pipeline.models import get_model

    card = model_named(name)
    packaged = packaged_file(card) if card else None
    if packaged is not None:
        say(str(packaged))
        hint(f"{name} comes with the package; there is nothing to get")
        return
    with progress_on_stderr(as_json=log_json) as progress:
        path = get_model(name, progress=progress)
    say(str(path))
    hint(f"next: chaffinch scan SOURCE -w WS --embedder {name}")
