"""One shard: the bytes of some hundred images to their measurements, one image in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from chaffinch.compute.embedding import ShardVectors
from chaffinch.compute.measure import measure
from chaffinch.records import Fetched, Measurement
from chaffinch.settings import MeasureSettings


def measure_shard(
    fetched: Iterable[Fetched], settings: MeasureSettings, *, vectors: ShardVectors | None = None
) -> list[Measurement]:
    """Measure every image of a shard; images that could not be read keep the outcome of reading.

    Args:
        fetched: The images of the shard in order, with their bytes; pulled one by one.
        settings: What to measure.
        vectors: Takes the pictures of the same decode to be embedded; the caller finishes it.

    Returns:
        One measurement per image, in the same order.

    Cost: one decoded image of memory, and about 7 KB per measurement.
    """
    measurements: list[Measurement] = []
    for row, item in enumerate(fetched):
        measurements.append(_measure_fetched(item, settings, row=row, vectors=vectors))
        if vectors is not None:
            vectors.embed_full()
    return measurements


def _measure_fetched(
    item: Fetched, settings: MeasureSettings, *, row: int, vectors: ShardVectors | None
) -> Measurement:
    if item.data is None:
        size_bytes = item.ref.size_bytes if item.ref.size_bytes >= 0 else None
        return Measurement(item.outcome, item.error or "no bytes were read", size_bytes=size_bytes)
    on_shown = None if vectors is None else partial(vectors.add, row)
    return measure(item.data, settings, suffix=item.ref.suffix, on_shown=on_shown)
