"""ONNX models as embedders: the picture in, one of the outputs as the vector.

A model of `models.MODELS` is recognised by its digest. Of any other the preprocessing is taken from a
``preprocessor_config.json`` beside it (the file that Hugging Face keeps with every vision model), and what
that does not say is worked out from the graph and said in a warning.

One session serves all threads: each call runs on the thread that makes it, so there are as many as there are
workers, and the weights are in memory once.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.compute.embedding import BATCH, Embed, Embedder, fingerprint_of
from chaffinch.compute.models import ModelCard, model_with_digest
from chaffinch.compute.preprocessing import DEFAULT_SIDE, Preprocessing, assumption, declared
from chaffinch.errors import SourceError
from chaffinch.storage.vectors import EmbedderInfo

VERSION = 1
"""Raised whenever the same file would give other vectors, so that pictures are embedded anew."""

PREFERRED_OUTPUTS = ("embedding", "image_embeds", "pooler_output")
"""Outputs that are vectors of whole pictures wherever they occur, best first."""

INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}

_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])", re.DOTALL)
"""What stands before the name of a file with weights, as protobuf writes it; ends with the name's length."""

_TRY_ANOTHER = "take another model: chaffinch models list"


def onnx_embedder(path: Path, *, card: ModelCard | None = None, spec: str = "") -> Embedder:
    """Open an ONNX file as an embedder.

    Args:
        path: The file.
        card: What is known of it; None looks its digest up in the table of models.
        spec: What the user calls it; '' spells ``onnx:FILE``.

    Raises:
        SourceError: If the file is no model, not the one that `card` describes, or none that takes pictures
            and gives vectors.

    Cost: reads the file twice; the weights stay in memory, once for all threads.
    """
    digest = _sha256(path)
    if card and card.sha256 not in (None, digest):
        raise SourceError(
            f"is not the model {card.name}: its SHA-256 is {digest}, expected {card.sha256}",
            where=str(path),
            hint="install chaffinch again, or name another model: chaffinch models list",
        )
    session = _session(path)
    card = card or model_with_digest(digest)
    inlet, warnings = _the_input(session, path), list[str]()
    preprocessing = card.preprocessing if card else _worked_out(inlet, path, warnings)
    output = _the_output(session, path, card.output if card else None)
    embed = _embed_with(session, inlet, output.name, preprocessing)
    batch = inlet.shape[0] if isinstance(inlet.shape[0], int) else BATCH
    if isinstance(inlet.shape[0], int):
        embed = _filled_up(embed, batch)
    probe = np.zeros((1, preprocessing.side, preprocessing.side, 3), np.uint8)
    info = EmbedderInfo(
        name=card.name if card else f"onnx:{path.stem}",
        dim=_dim_of(embed, probe, path),
        fingerprint=fingerprint_of(
            sha256=digest, output=output.name, version=VERSION, **asdict(preprocessing)
        ),
        semantic_threshold=card.semantic_threshold if card else None,
        spec=spec or f"onnx:{path.absolute()}",
    )
    return Embedder(info, preprocessing.side, embed, batch=batch, warnings=tuple(warnings))


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a model, of its weights too where they lie in files of their own beside it."""
    try:
        content = path.read_bytes()
        digest = hashlib.sha256(content)
        places = {content[m.end() : m.end() + m[1][0]] for m in _LOCATION.finditer(content)}
        for place in sorted(places):
            with (path.parent / os.fsdecode(place)).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise SourceError(
            f"cannot be read: {error.strerror or error}",
            where=str(error.filename or path),
            hint="--embedder onnx:FILE",
        ) from error
    return digest.hexdigest()


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; its warnings about graphs help nobody here
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        what = str(error).splitlines()[0]
        raise SourceError(f"is no model that onnxruntime can load: {what}", where=str(path)) from error


def _failures() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises: a class for each kind of failure, with none of its own above them."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return (RuntimeError, *(getattr(state, name) for name in (*names, "RuntimeException")))


def _the_input(session: Any, path: Path) -> Any:
    """Return the one input, which takes pictures."""
    inputs = session.get_inputs()
    is_usable = len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in INPUT_TYPES
    if not is_usable:
        raise SourceError(
            f"does not take pictures alone: its inputs are {_spelled(inputs)}",
            where=str(path),
            hint=f"an embedder has one input of four dimensions, floats or uint8; {_TRY_ANOTHER}",
        )
    return inputs[0]


def _the_output(session: Any, path: Path, name: str | None) -> Any:
    """Return the output of that name; else the likeliest one to hold a vector for each picture."""
    outputs = session.get_outputs()
    by_name = {out.name: out for out in outputs if "float" in out.type and len(out.shape) in (2, 3)}
    flat = [n for n, out in by_name.items() if len(out.shape) == 2 and "logit" not in n]
    for candidate in (name, *PREFERRED_OUTPUTS, *flat, *by_name):
        if candidate in by_name:
            return by_name[candidate]
    raise SourceError(
        f"gives no vectors: its outputs are {_spelled(outputs)}",
        where=str(path),
        hint=f"an embedder has an output of two dimensions, or three with a first token; {_TRY_ANOTHER}",
    )


def _spelled(nodes: Any) -> str:
    return ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes) or "none"


def _worked_out(inlet: Any, path: Path, warnings: list[str]) -> Preprocessing:
    """Return the preprocessing of an unknown model; adds what was assumed to `warnings`."""
    is_nhwc = inlet.shape[3] == 3 and inlet.shape[1] != 3
    height, width = inlet.shape[1:3] if is_nhwc else inlet.shape[2:4]
    side = height if isinstance(height, int) else DEFAULT_SIDE
    channels = inlet.shape[3] if is_nhwc else inlet.shape[1]
    fixed = [size for size in (width, channels) if isinstance(size, int)]
    if not set(fixed) <= {side, 3}:
        raise SourceError(
            f"takes pictures of shape {inlet.shape}", where=str(path), hint="an embedder takes RGB squares"
        )
    assumed = Preprocessing(side=side, layout="NHWC" if is_nhwc else "NCHW")
    if inlet.type == "tensor(uint8)":
        return assumed.unscaled()
    found = declared(path, assumed, is_side_fixed=isinstance(height, int))
    if found is None:
        warnings.append(assumption(path, assumed))
    return found or assumed


def _embed_with(session: Any, inlet: Any, output: str, preprocessing: Preprocessing) -> Embed:
    dtype = INPUT_TYPES[inlet.type]
    factor = np.float32(preprocessing.scale) / np.array(preprocessing.std, np.float32)
    shift = np.array(preprocessing.mean, np.float32) / np.array(preprocessing.std, np.float32)
    axes = (0, 3, 1, 2) if preprocessing.layout == "NCHW" else (0, 1, 2, 3)
    shape = (1, 3, 1, 1) if preprocessing.layout == "NCHW" else (1, 1, 1, 3)
    factor, shift = factor.reshape(shape), shift.reshape(shape)
    is_as_it_is = bool((factor == 1).all() and (shift == 0).all())

    def embed(pictures: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(pictures.transpose(axes))
        if dtype is not np.uint8:
            values = (values if is_as_it_is else values * factor - shift).astype(dtype, copy=False)
        vectors: np.ndarray = session.run([output], {inlet.name: values})[0]
        return vectors if vectors.ndim == 2 else np.ascontiguousarray(vectors[:, 0])

    return embed


def _filled_up(embed: Embed, batch: int) -> Embed:
    """Return an `embed` for a model that takes batches of one size alone."""

    def embed_filled(pictures: np.ndarray) -> np.ndarray:
        missing = batch - len(pictures)
        full = np.concatenate([pictures, np.zeros((missing, *pictures.shape[1:]), np.uint8)])
        return embed(full)[: len(pictures)]

    return embed_filled


def _dim_of(embed: Embed, probe: np.ndarray, path: Path) -> int:
    """Return the length of a vector, found by embedding one black picture."""
    try:
        shape = embed(probe).shape
    except _failures() as error:
        what = str(error).splitlines()[0]
        raise SourceError(f"cannot embed a picture: {what}", where=str(path), hint=_TRY_ANOTHER) from error
    if len(shape) != 2 or shape[0] != 1:
        raise SourceError(f"gave shape {shape} for one picture", where=str(path), hint=_TRY_ANOTHER)
    return int(shape[1])
