"""Drawings that stand among the photographs of the demo as outliers; each unlike the others."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont

Size = tuple[int, int]


def _page(size: Size) -> Image.Image:
    """Return a page of text."""
    image = Image.new("RGB", size, (252, 252, 248))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size[1] / 16)
    for line in range(12):
        text = "the quick brown fox jumps over the lazy dog"[line:] * 2
        draw.text((size[0] * 0.06, size[1] * (0.05 + 0.075 * line)), text, fill=(20, 20, 20), font=font)
    return image


def _bars(size: Size) -> Image.Image:
    """Return the colour bars of a test picture."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    colours = ("white", "yellow", "cyan", "lime", "magenta", "red", "blue", "black")
    for place, colour in enumerate(colours):
        left, right = (size[0] * part / len(colours) for part in (place, place + 1))
        draw.rectangle((left, 0, right, size[1]), fill=colour)
    return image


def _smiley(size: Size) -> Image.Image:
    """Return a cartoon face."""
    image = Image.new("RGB", size, (90, 200, 250))
    draw = ImageDraw.Draw(image)
    side, (middle, centre) = min(size) / 2.4, (size[0] / 2, size[1] / 2)
    draw.ellipse((middle - side, centre - side, middle + side, centre + side), fill=(255, 220, 0))
    for eye in (-0.4, 0.4):
        left, top = middle + eye * side - side / 8, centre - side / 3
        draw.ellipse((left, top, left + side / 4, top + side / 4), fill="black")
    mouth = (middle - side / 2, centre - side / 3, middle + side / 2, centre + side / 2)
    draw.arc(mouth, 20, 160, fill="black", width=max(2, round(side / 12)))
    return image


def _chessboard(size: Size) -> Image.Image:
    """Return a chessboard."""
    image = Image.new("RGB", size, (238, 238, 210))
    draw = ImageDraw.Draw(image)
    for cell in range(64):
        row, column = divmod(cell, 8)
        if (row + column) % 2:
            corners = [column * size[0] / 8, row * size[1] / 8]
            draw.rectangle(
                (*corners, corners[0] + size[0] / 8, corners[1] + size[1] / 8), fill=(118, 150, 86)
            )
    return image


def _chart(size: Size) -> Image.Image:
    """Return a line chart."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    heights = (0.8, 0.62, 0.7, 0.35, 0.5, 0.22, 0.3, 0.1)
    points = [(size[0] * (0.1 + 0.11 * i), size[1] * (0.1 + 0.8 * h)) for i, h in enumerate(heights)]
    draw.line(
        [(size[0] * 0.08, 0), (size[0] * 0.08, size[1] * 0.92), (size[0], size[1] * 0.92)], fill="black"
    )
    draw.line(points, fill=(31, 119, 180), width=max(2, size[0] // 60))
    return image


DRAWINGS: tuple[Callable[[Size], Image.Image], ...] = (_page, _bars, _smiley, _chessboard, _chart)
"""Each makes a picture of width x height pixels."""
