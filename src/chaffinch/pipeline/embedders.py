"""From what a user writes behind `--embedder` to an embedder that is ready."""

from __future__ import annotations

from pathlib import Path

from chaffinch.compute.descriptor import NAME as DESCRIPTOR
from chaffinch.compute.descriptor import descriptor_embedder
from chaffinch.compute.embedding import Embedder
from chaffinch.compute.models import MODELS
from chaffinch.compute.onnx import onnx_embedder
from chaffinch.errors import UsageError

SPELLINGS = "descriptor, onnx:FILE"
"""What `--embedder` takes, for messages."""


def open_embedder(spec: str) -> Embedder:
    """Open the embedder that `spec` names; loads its weights.

    Args:
        spec: ``descriptor``, ``onnx:FILE``, or a file whose name ends in ``.onnx``.

    Raises:
        UsageError: If nothing is called that.
        SourceError: If the file cannot serve.
    """
    if spec == DESCRIPTOR:
        return descriptor_embedder()
    kind, colon, rest = spec.partition(":")
    if kind == "onnx" and colon:
        return onnx_embedder(Path(rest))
    if spec.endswith(".onnx"):
        return onnx_embedder(Path(spec))
    raise UsageError(
        f"no embedder is called {spec!r}",
        hint=f"take {SPELLINGS}, or one of {', '.join(card.name for card in MODELS)}",
    )
