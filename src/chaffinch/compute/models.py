"""The models that chaffinch knows: where they are, what they take, when two vectors mean one picture.

One table, `MODELS`. One of them comes with the package, in `weights/`. A file that the user brings is
recognised by its digest; `onnx.py` works out what an unknown one takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

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
    file: str | None = None
    """Name of the file in `weights/`; None where the package does not bring it."""


CHAFFINCH_S = ModelCard(
    name="chaffinch-s",
    good_at="labels, outliers and copies of photographs",
    dim=256,
    size_mb=4,
    licence="Apache-2.0",
    preprocessing=Preprocessing(side=192, scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    output="vector",
    semantic_threshold=0.945,
    sha256="c5e89b95ef72e9c98e35fb3a21f67ad3121f8c8010aed13c5bcf06d21dff0c1d",
    file="chaffinch-s.onnx",
)

MODELS = (
    CHAFFINCH_S,
    replace(
        CHAFFINCH_S,
        name="chaffinch-s-128",
        good_at="labels, twice as fast as chaffinch-s; weaker on photographs and outliers",
        preprocessing=replace(CHAFFINCH_S.preprocessing, side=128),
        semantic_threshold=0.93,
    ),
    ModelCard(
        name="dinov2-small",
        good_at="near duplicates, outliers, labels of fine classes",
        dim=384,
        size_mb=24,
        licence="Apache-2.0",
        preprocessing=Preprocessing(),
        output="last_hidden_state",
        semantic_threshold=None,
        hub=HubFile(
            repo="Xenova/dinov2-small",
            path="onnx/model_quantized.onnx",
            revision="c2bb04a51fab207c420665f1946016107bffc701",
            sha256="3afdc8bc63b50558d6e5770f5b799bb82455c2311183a2de43803f343a29d917",
        ),
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
            sha256="c68d3d9a200ddd2a8c8a5510b576d4c94d1ae383bf8b36dd8c084f94e1fb4d63",
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
reached it, and that one was a true copy. Those of chaffinch-s: one of 1.21 million reached them, oranges and
other oranges. The checksums of the hub's files are those that independent public projects pin for the same
revisions; nobody has fetched the files with this program yet."""


def packaged_file(card: ModelCard) -> Path | None:
    """Return where the package keeps a model's file; None if it does not bring it."""
    return Path(__file__).parent / "weights" / card.file if card.file else None


def model_named(name: str) -> ModelCard | None:
    """Return the model of that name; None if there is none."""
    return next((card for card in MODELS if card.name == name), None)


def model_with_digest(sha256: str) -> ModelCard | None:
    """Return the model whose file has this digest; None if it is not known."""
    return next(
        (card for card in MODELS if sha256 in (card.sha256, card.hub.sha256 if card.hub else None)), None
    )
