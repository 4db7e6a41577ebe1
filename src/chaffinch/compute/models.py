"""The models that chaffinch knows: where they are, what they take, when two vectors mean one picture.

One table, `MODELS`. A file that the user brings is recognised by its digest; `onnx.py` works out what an
unknown one takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaffinch.compute.preprocessing import Preprocessing
from chaffinch.records import HubFile

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""The same of CLIP's training pictures (Radford et al., Learning Transferable Visual Models From Natural
Language Supervision, 2021; the numbers of its published preprocessing)."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of one model."""

    name: str
    """What `--embedder` takes."""
    good_at: str
    """In a few words."""
    dim: int
    """Length of a vector."""
    size_mb: int
    """Size of the file, about."""
    licence: str
    """Of the weights."""
    preprocessing: Preprocessing
    """What it takes."""
    output: str
    """Name of the output that holds the vectors; of one of three dimensions, the first token counts."""
    semantic_threshold: float | None
    """Smallest cosine at which two pictures are near duplicates; None where it was never measured."""
    hub: HubFile | None = None
    """Where it can be downloaded; None where the user brings it."""
    sha256: str | None = None
    """Digest of the file, by which it is recognised; None where nobody has noted it."""


MODELS = (
    ModelCard(
        name="dinov2-small",
        good_at="near duplicates, outliers, labels of fine classes",
        dim=384,
        size_mb=23,
        licence="Apache-2.0",
        preprocessing=Preprocessing(),
        output="last_hidden_state",
        semantic_threshold=None,
        hub=HubFile(repo="Xenova/dinov2-small", path="onnx/model_quantized.onnx", revision="main"),
    ),
    ModelCard(
        name="clip-vit-b32",
        good_at="what a picture shows, across styles; weaker on near duplicates",
        dim=512,
        size_mb=352,
        licence="MIT",
        preprocessing=Preprocessing(mean=CLIP_MEAN, std=CLIP_STD),
        output="image_embeds",
        semantic_threshold=None,
        hub=HubFile(
            repo="Qdrant/clip-ViT-B-32-vision",
            path="model.onnx",
            revision="a636590e595dbbd798647c9dd4550d5652fba969",
        ),
    ),
    ModelCard(
        name="mobilenet-v2",
        good_at="ImageNet-like classes; small and fast",
        dim=1280,
        size_mb=4,
        licence="Apache-2.0",
        preprocessing=Preprocessing(scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        output="embedding",
        semantic_threshold=0.90,
        sha256="1e5ad29a9fec4fbb222a1f3eb4d1d08c76cf75a5b8e854680ff74754cb8376de",
    ),
)
"""Every model that has a name. The threshold of mobilenet-v2: one of 2.35 million pairs of photographs
reached it, and that one was a true copy."""


def model_named(name: str) -> ModelCard | None:
    """Return the model of that name; None if there is none."""
    return next((card for card in MODELS if card.name == name), None)


def model_with_digest(sha256: str) -> ModelCard | None:
    """Return the model whose file has this digest; None if it is not known."""
    return next((card for card in MODELS if card.sha256 == sha256), None)
