"""What every dataset format offers: a streamed plan of images, and their bytes on request.

A `Source` lists images without decoding or reading them, in the same order every time, and streams their
bytes shard by shard. New format: one module with a class that has these members, one line in
`formats/opening.py`, a planted case in `tests/unit/formats/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from chaffinch.records import ClassEntry, ObjectRef, SampleRef

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .webp .tif .tiff .ppm .pgm .pbm .pnm .jp2 .j2k .ico .tga"
    " .avif .heic .heif .jxl .svg".split()
)
"""Endings, in lower case, that make a file a sample; whether it decodes is for `compute` to say."""


class Source(Protocol):
    """One or more splits of a dataset, read in place."""

    dataset: str
    """Name of the dataset, a slug."""
    ignored: Counter[str]
    """Files passed over so far, by reason (`hidden`, `not an image`, ...); complete once `refs` has ended."""
    examples: dict[str, str]
    """One path passed over for each reason in `ignored`."""

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images, in the same order every time; keys are unique."""
        ...

    def classes(self) -> list[ClassEntry]:
        """Return the class table that the format itself declares; empty where it declares none."""
        return []

    def objects(self) -> Iterator[ObjectRef]:
        """Stream the annotated boxes; empty where the format has none."""
        return iter(())
