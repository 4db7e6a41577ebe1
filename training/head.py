"""Train the projection alone, on what an exported trunk says: minutes instead of hours.

    python -m training.head training/chaffinch-s-head.toml

Takes an ONNX file of `training.export`, 8-bit or not, embeds the stored crops in two views at the side length
that the file will be used at, and fits the projection to the losses of `training.train`, in batches of
hundreds. What quantising did to the features is thereby taken into account. Writes the file anew with the new
projection.
"""

from __future__ import annotations

import argparse
import logging
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training import losses
from training.network import N_FEATURES
from training.projection import Projection, fit_projection
from training.schedule import rate_at
from training.stored_crops import StoredCrops
from training.views import plain_view, strong_view

log = logging.getLogger(__name__)

BATCH = 16
"""Views embedded at a time."""
NOTE_EVERY = 200
"""Steps between lines of the log."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """What a run does; the names of the TOML file."""

    crops: tuple[str, ...]
    """Folders that `training.teacher` wrote."""
    trunk: str
    """ONNX file of `training.export`."""
    target: str
    """ONNX file with the new projection."""
    features: str
    """File that keeps the features of the views, `.npz`; made where it is absent."""
    size: int
    """Side length of the views, pixels."""
    n_crops: int
    """How many of the crops, evenly spread."""
    seed: int
    steps: int
    batch: int
    """Crops a step; each is seen twice."""
    learning_rate: float
    warm_up: int
    direction_weight: float
    strong_weight: float
    copy_weight: float
    entropy_weight: float
    temperature: float
    """The last five: as in `training.train`."""
    n_threads: int


@dataclass(frozen=True, slots=True)
class Views:
    """Roots of the features of the two views of N crops."""

    plain: np.ndarray
    """Shape (N, 1280), float16."""
    strong: np.ndarray
    """Shape (N, 1280), float16."""
    rows: np.ndarray
    """Shape (N,): which of the stored crops."""


def read_settings(path: Path) -> HeadSettings:
    """Read a run's TOML file.

    Raises:
        TypeError: If a name is missing or unknown.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return HeadSettings(**{**table, "crops": tuple(table["crops"])})


def features_session(model: onnx.ModelProto, *, n_threads: int) -> onnxruntime.InferenceSession:
    """Open a model with the input of its projection as an output, called `roots`."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    projection = next(node for node in shown.graph.node if node.op_type == "Gemm")
    features = helper.make_node("Identity", [projection.input[0]], ["roots"])
    shown.graph.node.append(features)
    shown.graph.output.append(helper.make_tensor_value_info("roots", TensorProto.FLOAT, ["N", N_FEATURES]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def embed_views(session: onnxruntime.InferenceSession, views: Iterator[np.ndarray]) -> np.ndarray:
    """Return the features of a stream of views, (N, 1280), float16."""
    parts: list[np.ndarray] = []
    waiting: list[np.ndarray] = []

    def embed() -> None:
        pictures = np.ascontiguousarray(np.stack(waiting).transpose(0, 3, 1, 2), dtype=np.float32)
        parts.append(session.run(["roots"], {"input": pictures})[0].astype(np.float16))
        waiting.clear()

    for view in views:
        waiting.append(view)
        if len(waiting) == BATCH:
            embed()
    if waiting:
        embed()
    return np.concatenate(parts)


def view_features(model: onnx.ModelProto, crops: StoredCrops, settings: HeadSettings) -> Views:
    """Embed both views of the crops; a file keeps them, since this is nearly all of the cost."""
    kept = Path(settings.features)
    if kept.exists():
        stored = np.load(kept)
        return Views(stored["plain"], stored["strong"], stored["rows"])
    rows = np.linspace(0, len(crops) - 1, min(settings.n_crops, len(crops))).astype(np.int64)
    session = features_session(model, n_threads=settings.n_threads)
    plain = embed_views(session, (plain_view(crops.pixels(row), size=settings.size) for row in rows))
    strong = embed_views(
        session,
        (
            strong_view(
                crops.pixels(row), size=settings.size, random=np.random.default_rng((settings.seed, row))
            )
            for row in rows
        ),
    )
    np.savez(kept, plain=plain, strong=strong, rows=rows)
    return Views(plain, strong, rows)


def head_loss(
    head: nn.Linear,
    views: Views,
    *,
    chosen: np.ndarray,
    crops: StoredCrops,
    start: Projection,
    settings: HeadSettings,
) -> Tensor:
    """Return the loss of the chosen views, shape ()."""
    rows = views.rows[chosen]
    plain, strong = (
        head(torch.from_numpy(part[chosen].astype(np.float32))) for part in (views.plain, views.strong)
    )
    targets = torch.from_numpy(start(crops.features[rows]))
    contrast, crowding = losses.copy_losses(
        plain,
        strong,
        photographs=torch.from_numpy(crops.photographs[rows]),
        temperature=settings.temperature,
    )
    near = losses.direction_loss(plain, targets)
    near_strong = losses.direction_loss(strong, targets)
    return (
        settings.direction_weight * (near + settings.strong_weight * near_strong)
        + settings.copy_weight * contrast
        + settings.entropy_weight * crowding
    )


def fit_head(views: Views, crops: StoredCrops, *, start: Projection, settings: HeadSettings) -> nn.Linear:
    """Fit the projection to the views.

    Args:
        views: Features of N crops.
        crops: What the teacher said about them.
        start: The projection that it begins as; the teacher's features are projected by it too.
        settings: Of the run.
    """
    head = nn.Linear(N_FEATURES, len(start.directions), bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(start.directions))
    optimizer = torch.optim.Adam(head.parameters(), settings.learning_rate)
    random = np.random.default_rng(settings.seed)
    for step in range(settings.steps):
        rate = rate_at(step, warm_up=settings.warm_up, steps=settings.steps)
        optimizer.param_groups[0]["lr"] = settings.learning_rate * rate
        chosen = random.choice(len(views.rows), settings.batch, replace=False)
        loss = head_loss(head, views, chosen=chosen, crops=crops, start=start, settings=settings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % NOTE_EVERY == 0 or step == settings.steps - 1:
            log.info("step %d loss %.4f", step, loss.detach())
    return head


def with_projection(model: onnx.ModelProto, head: nn.Linear) -> onnx.ModelProto:
    """Return a model with another projection."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    projection = next(node for node in changed.graph.node if node.op_type == "Gemm")
    stored = next(tensor for tensor in changed.graph.initializer if tensor.name == projection.input[1])
    stored.CopyFrom(numpy_helper.from_array(head.weight.detach().numpy(), stored.name))
    return changed


def main() -> None:
    """Read the command line, fit the projection and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path, help="TOML file with a value for each field of HeadSettings")
    settings = read_settings(parser.parse_args().settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(settings.n_threads)
    crops = StoredCrops(settings.crops)
    model = onnx.load(settings.trunk)
    views = view_features(model, crops, settings)
    start = fit_projection(crops.features)
    head = fit_head(views, crops, start=start, settings=settings)
    onnx.save(with_projection(model, head), settings.target)


if __name__ == "__main__":
    main()
