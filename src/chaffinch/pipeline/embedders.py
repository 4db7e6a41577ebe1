"""From what a user writes behind `--embedder` to vectors."""

from __future__ import annotations

import difflib
from pathlib import Path

from chaffinch.compute.descriptor import NAME as DESCRIPTOR
from chaffinch.compute.descriptor import descriptor_embedder
from chaffinch.compute.embedding import Embedder
from chaffinch.compute.models import MODELS, ModelCard, model_named
from chaffinch.compute.onnx import onnx_embedder
from chaffinch.compute.torch_embedder import PREFIX as TORCH
from chaffinch.compute.torch_embedder import torch_embedder
from chaffinch.errors import UsageError
from chaffinch.formats.vector_file import VectorFile, open_vectors
from chaffinch.pipeline.embed import EmbedReport, embed_rest
from chaffinch.pipeline.models import model_file
from chaffinch.pipeline.own_vectors import PREFIX, attach_vectors
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.settings import DEFAULT_EMBEDDER, NO_EMBEDDER, ScanSettings
from chaffinch.storage.files import remove_temporary_files
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.vectors import embedder_info

SPELLINGS = "descriptor, onnx:FILE, torch:timm/NAME, vectors:FILE"
"""What `--embedder` takes, for messages."""


def chosen_embedder(root: Path, asked: str | None) -> str | None:
    """Return what makes the vectors of a scan; None for nothing.

    Args:
        root: The workspace; it need not be there yet.
        asked: What the user named; None takes what made the workspace's vectors last, so that new images get
            vectors of the same kind, else the model that comes with the package.
    """
    if asked is not None:
        return None if asked == NO_EMBEDDER else asked
    folder = WorkspaceFolder(root)
    info = embedder_info(folder.current()) if folder.is_started() else None
    if info is None:
        return DEFAULT_EMBEDDER
    # Functions and files of vectors were given once and cannot be asked again.
    return info.spec if info.spec and not info.spec.startswith(PREFIX) else None


def open_vector_maker(spec: str) -> Embedder | VectorFile:
    """Open what `spec` names: an embedder, or vectors that are there already.

    Raises:
        UsageError: If nothing is called that.
        SourceError: If the file cannot serve.
    """
    return open_vectors(Path(spec[len(PREFIX) :])) if spec.startswith(PREFIX) else open_embedder(spec)


def embed_workspace(
    root: Path,
    maker: Embedder | VectorFile,
    *,
    settings: ScanSettings | None = None,
    progress: Progress | None = None,
) -> EmbedReport:
    """Give every image of a scanned workspace a vector; the source is not listed again.

    Args:
        root: The workspace.
        maker: What makes the vectors, or holds them.
        settings: Threads, images per part.
        progress: Who watches.

    Raises:
        WorkspaceError: If no scan has ended yet, or part of the work failed.
        SourceError: If no vector of a file fits an image.
        LockedError: If another process writes to the workspace.
    """
    folder = WorkspaceFolder(root)
    folder.published()
    with writer_lock(root):
        remove_temporary_files(root)
        _, report = give_vectors(
            folder,
            folder.published(),
            maker,
            settings=settings or ScanSettings(),
            progress=progress or Silent(),
        )
    return report


def give_vectors(
    folder: WorkspaceFolder,
    generation: Generation,
    maker: Embedder | VectorFile,
    *,
    settings: ScanSettings,
    progress: Progress,
) -> tuple[Generation, EmbedReport]:
    """Publish a vector for every sample that can have one; the caller holds the lock."""
    if isinstance(maker, VectorFile):
        return attach_vectors(folder, generation, maker, progress=progress)
    return embed_rest(folder, generation, maker, settings=settings, progress=progress)


def open_embedder(spec: str) -> Embedder:
    """Open the embedder that `spec` names; loads its weights.

    Args:
        spec: ``descriptor``, ``onnx:FILE``, ``torch:...``, a known model's name, or a file whose name ends
            in ``.onnx``.

    Raises:
        UsageError: If nothing is called that, or the model is not in the cache.
        SourceError: If the file cannot serve.
    """
    if spec == DESCRIPTOR:
        return descriptor_embedder()
    kind, colon, rest = spec.partition(":")
    if kind == "onnx" and colon:
        return onnx_embedder(Path(rest))
    if spec.startswith(TORCH):
        return torch_embedder(spec)
    if spec.endswith(".onnx"):
        return onnx_embedder(Path(spec))
    card = model_named(spec)
    if card is not None:
        return _open_model(card)
    names = [card.name for card in MODELS]
    close = difflib.get_close_matches(spec, [*names, DESCRIPTOR, NO_EMBEDDER], 1)
    likely = f"did you mean {close[0]!r}? Else take" if close else "take"
    raise UsageError(
        f"no embedder is called {spec!r}", hint=f"{likely} {SPELLINGS}, or one of {', '.join(names)}"
    )


def _open_model(card: ModelCard) -> Embedder:
    """Open a known model from the package or the cache; a scan downloads nothing by itself."""
    path = model_file(card)
    if path is None:
        how = f"chaffinch models get {card.name}" if card.hub else "name its file: --embedder onnx:FILE"
        raise UsageError(f"the model {card.name} is not here yet", hint=how)
    return onnx_embedder(path, card=card, spec=card.name)
