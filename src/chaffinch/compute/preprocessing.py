"""How a picture becomes the input of a model, and where that is written down.

Hugging Face keeps a ``preprocessor_config.json`` with every vision model; beside a model's file it is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from chaffinch.errors import SourceError

CONFIG = "preprocessor_config.json"

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's training pixels, RGB on 0..1; most models are trained with them."""

DEFAULT_SIDE = 224
"""Side of the pictures for a model that takes any, pixels."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture of 0..255 becomes the input of a model: (pixel * scale - mean) / std, in RGB."""

    side: int = DEFAULT_SIDE
    """Height and width, pixels."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of batch, channels, height and width."""
    scale: float = 1 / 255
    """Factor before the mean is taken off."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    """Taken off each channel."""
    std: tuple[float, float, float] = IMAGENET_STD
    """Each channel is divided by."""

    def unscaled(self) -> Preprocessing:
        """Return the same for a model that takes pixels of 0..255 as they are."""
        return replace(self, scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def declared(path: Path, assumed: Preprocessing, *, is_side_fixed: bool = False) -> Preprocessing | None:
    """Return what the config beside a model's file says; None if there is none.

    Args:
        path: The model.
        assumed: What holds where the config says nothing.
        is_side_fixed: The model takes pictures of `assumed.side` alone, whatever the config says.

    Raises:
        SourceError: If it cannot be read or holds what it should not.
    """
    config = path.with_name(CONFIG)
    try:
        value = json.loads(config.read_text(encoding="utf-8"))
        return _with_config(assumed, dict(value), is_side_fixed=is_side_fixed)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(
            f"cannot be read: {error}", where=str(config), hint=f"{CONFIG} must be as Hugging Face writes it"
        ) from error


def assumption(path: Path, assumed: Preprocessing) -> str:
    """Return the sentence that tells what was assumed about a model of which nobody says anything."""
    return (
        f"{path.name} is not a known model and has no {CONFIG} beside it: assumed {assumed.side} x "
        f"{assumed.side} RGB, {assumed.layout}, 0..1 with the mean and deviation of ImageNet"
    )


def _with_config(assumed: Preprocessing, config: dict[str, Any], *, is_side_fixed: bool) -> Preprocessing:
    """Apply a config; what it leaves out is rescaled and normalised as usual."""
    side = config.get("crop_size") or config.get("size") or assumed.side
    if isinstance(side, dict):
        side = side.get("height") or side.get("shortest_edge") or assumed.side
    found = assumed if is_side_fixed else replace(assumed, side=int(side))
    found = replace(found, scale=float(config.get("rescale_factor", found.scale)))
    if not config.get("do_rescale", True):
        found = replace(found, scale=1.0)
    if not config.get("do_normalize", True):
        return replace(found, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    mean = _three_numbers(config.get("image_mean", found.mean))
    return replace(found, mean=mean, std=_three_numbers(config.get("image_std", found.std)))


def _three_numbers(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
