"""PyTorch models as embedders: any of timm or open_clip by name, or a TorchScript file.

On a graphics card the model runs in mixed precision, one batch at a time, while the other workers decode the
next ones; on a processor with torch's own threads. A file of `torch.save` or `torch.export` is not taken:
torch reads parts of both by unpickling, which runs whatever the file says. ONNX does not.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from chaffinch.compute.embedding import BATCH, Embed, Embedder, fingerprint_of
from chaffinch.compute.preprocessing import Preprocessing, assumption, declared
from chaffinch.errors import MissingExtraError, SourceError, UsageError
from chaffinch.storage.vectors import EmbedderInfo

PREFIX = "torch:"
"""What `--embedder` begins with for models of PyTorch."""

CUDA_BATCH = 64
"""Pictures a call on a graphics card."""

VERSION = 1
"""Raised whenever the same model would give other vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A model that is loaded, and what it takes."""

    module: Any
    """Gives vectors for float tensors of shape (B, 3, S, S)."""
    preprocessing: Preprocessing
    warnings: tuple[str, ...] = ()


def torch_embedder(spec: str) -> Embedder:
    """Open a model of PyTorch as an embedder.

    Args:
        spec: ``torch:timm/NAME``, ``torch:open_clip/NAME/PRETRAINED`` or ``torch:FILE.pt``.

    Raises:
        MissingExtraError: If torch, timm or open_clip is not installed.
        UsageError: If the library has no model of that name.
        SourceError: If the file is no TorchScript, or gives no vectors.
    """
    torch = _import("torch", "torch")
    rest = spec.removeprefix(PREFIX)
    library, _, name = rest.partition("/")
    loaders: dict[str, Callable[[Any, str], _Model]] = {"timm": _from_timm, "open_clip": _from_open_clip}
    model = loaders[library](torch, name) if name and library in loaders else _from_file(torch, Path(rest))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = model.module.eval().to(device)
    embed = _embed_with(torch, module, model.preprocessing, device)
    is_named = bool(name) and library in loaders
    info = EmbedderInfo(
        name=spec if is_named else f"{PREFIX}{Path(rest).stem}",
        dim=_dim_of(embed, model.preprocessing.side, spec),
        fingerprint=fingerprint_of(
            weights=_digest(torch, module), device=device, version=VERSION, **asdict(model.preprocessing)
        ),
        semantic_threshold=None,
        spec=spec if is_named else f"{PREFIX}{Path(rest).absolute()}",
    )
    batch = CUDA_BATCH if device == "cuda" else BATCH
    return Embedder(info, model.preprocessing.side, embed, batch=batch, warnings=model.warnings)


def _import(package: str, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(package, extra=extra, needed_for="--embedder torch:...") from error


def _from_timm(_: Any, name: str) -> _Model:
    timm = _import("timm", "torch")
    try:
        module = timm.create_model(name, pretrained=True, num_classes=0)
    except RuntimeError as error:
        raise UsageError(
            f"timm has no model {name!r}: {error}", hint="timm.list_models(pretrained=True)"
        ) from error
    config = timm.data.resolve_model_data_config(module)
    return _Model(
        module, Preprocessing(side=int(config["input_size"][-1]), mean=config["mean"], std=config["std"])
    )


def _from_open_clip(torch: Any, name: str) -> _Model:
    open_clip = _import("open_clip", "torch")
    architecture, _, pretrained = name.partition("/")
    try:
        clip, _, _ = open_clip.create_model_and_transforms(architecture, pretrained=pretrained or None)
    except RuntimeError as error:
        what = f"open_clip has no model {architecture!r} with weights {pretrained!r}: {error}"
        raise UsageError(what, hint="open_clip.list_pretrained()") from error
    visual = clip.visual
    side = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
    return _Model(visual, Preprocessing(side=int(side), mean=visual.image_mean, std=visual.image_std))


def _from_file(torch: Any, path: Path) -> _Model:
    if not path.is_file():
        raise SourceError(
            "is not there",
            where=str(path),
            hint="torch:timm/NAME, torch:open_clip/NAME/WEIGHTS or torch:FILE.pt",
        )
    try:
        with warnings.catch_warnings():
            # TorchScript is on its way out, but it is the one format of torch that is read without pickle.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise SourceError(
            f"is no TorchScript file: {str(error).strip().splitlines()[0]}",
            where=str(path),
            hint="export the model to ONNX and use onnx:FILE; pickled files are never loaded",
        ) from error
    assumed = Preprocessing()
    found = declared(path, assumed)
    return _Model(module, found or assumed, () if found else (assumption(path, assumed),))


def _digest(torch: Any, module: Any) -> str:
    """Return a digest of all weights, so that others embed the pictures anew."""
    digest = blake3()
    for name, tensor in module.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        # As bytes, because numpy has no name for some types of torch.
        digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return str(digest.hexdigest(length=8))


def _embed_with(torch: Any, module: Any, preprocessing: Preprocessing, device: str) -> Embed:
    mean = torch.tensor(preprocessing.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std, device=device).view(1, 3, 1, 1)
    # One batch at a time: the card is full with one, and torch's threads fill a processor.
    turn = threading.Lock()

    def embed(pictures: np.ndarray) -> np.ndarray:
        with turn, torch.inference_mode(), torch.autocast(device, enabled=device == "cuda"):
            pixels = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
            found = module((pixels.float() * preprocessing.scale - mean) / std)
            found = found[0] if isinstance(found, tuple | list) else found
            vectors: np.ndarray = found.float().cpu().numpy()
        return vectors if vectors.ndim != 3 else np.ascontiguousarray(vectors[:, 0])

    return embed


def _dim_of(embed: Embed, side: int, spec: str) -> int:
    """Return the length of a vector, found by embedding black pictures."""
    try:
        shape = embed(np.zeros((2, side, side, 3), np.uint8)).shape
    except (RuntimeError, TypeError, AttributeError) as error:
        what = str(error).strip().splitlines()[-1]
        raise SourceError(
            f"cannot embed pictures of {side} pixels: {what}", where=spec, hint="chaffinch models list"
        ) from error
    if len(shape) != 2 or shape[0] != 2:
        raise SourceError(f"gave shape {shape} for two pictures", where=spec, hint="it must give (B, D)")
    return int(shape[1])
