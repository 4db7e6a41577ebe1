"""Thumbnails read back: the JPEG that a scan keeps, as pixels."""

from __future__ import annotations

import numpy as np
import simplejpeg


def decode_thumbnail(data: bytes) -> np.ndarray:
    """Return a stored thumbnail as uint8 RGB, shape (height, width, 3); gray ones have equal channels."""
    pixels: np.ndarray = simplejpeg.decode_jpeg(data, "RGB")
    return pixels
