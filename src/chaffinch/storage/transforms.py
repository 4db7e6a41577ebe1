"""The words for how one picture comes out of another, and the same read backwards."""

from __future__ import annotations

_BACKWARDS = {
    "rotate_90": "rotate_270",
    "crop": "wider_crop",
    "border": "border_removed",
    "gray": "colour",
}
_INVERSE = {**_BACKWARDS, **{there: back for back, there in _BACKWARDS.items()}}


def inverse_transform(words: str) -> str:
    """Say how a comes out of b, given how b comes out of a.

    ``rotate_90+crop`` gives ``rotate_270+wider_crop``.

    Words without an opposite (flips, `identity`, '') are their own.
    """
    return "+".join(_INVERSE.get(word, word) for word in words.split("+"))
