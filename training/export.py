"""Write the network as ONNX: floats, or 8-bit integers with ranges fit on training crops.

    python -m training.export --crops training/work/crops-0 --teacher ../shared/data --to FILE.onnx
    python -m training.export --crops training/work/crops-0 --to FILE.onnx \
        --checkpoint training/work/chaffinch-s/checkpoint.pt

The first exports the network before any training, the second a checkpoint of `training.train`.

Input `input`: (N, 3, H, W) float32, RGB 0..255, H and W multiples of 32. Output `vector`: (N, 256) float32.
The file holds trunk and projection; the classifier only served training. Same weights and crops: same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from training.network import (
    N_DIMENSIONS,
    PIXEL_MIDDLE,
    SMALLEST_FEATURE,
    Block,
    ConvLayer,
    Network,
)
from training.projection import fit_projection, untrained_network
from training.teacher import TEACHER
from training.views import plain_view

OPSET = 17
IR_VERSION = 8
"""Old enough for every onnxruntime that the package accepts."""
CALIBRATION_CROPS = 256
CALIBRATION_BATCH = 16
RELU6 = (0.0, 6.0)
QUANTISED = ["Conv", "Clip", "Add"]
"""Kinds of nodes in 8 bits. Without Clip, ranges are those before it, and a third of the accuracy is gone;
averages over the picture stay floats, since small ones count once their roots are drawn."""


class Graph:
    """An ONNX graph that grows node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []

    def store(self, name: str, values: np.ndarray) -> str:
        """Add a constant; returns its name."""
        self.stored.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name))
        return name

    def add(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        output = to or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{output}_node", **attributes))
        return output


def _values(tensor: torch.Tensor | None) -> np.ndarray:
    if tensor is None:
        raise ValueError("a convolution has no bias")
    values: np.ndarray = tensor.detach().cpu().numpy()
    return values


def _add_conv(graph: Graph, layer: ConvLayer, source: str) -> str:
    conv = layer.conv
    number = len(graph.nodes)
    weights = graph.store(f"weights_{number}", _values(conv.weight))
    bias = graph.store(f"bias_{number}", _values(conv.bias))
    before = int(conv.padding[0])
    after = 1 if layer.pads_end else before
    mapped = graph.add(
        "Conv",
        source,
        weights,
        bias,
        kernel_shape=list(conv.kernel_size),
        strides=list(conv.stride),
        pads=[before, before, after, after],
        group=conv.groups,
    )
    return graph.add("Clip", mapped, "low", "high") if layer.is_bounded else mapped


def _add_module(graph: Graph, module: nn.Module, source: str) -> str:
    if isinstance(module, ConvLayer):
        return _add_conv(graph, module, source)
    if not isinstance(module, Block):
        raise TypeError(f"no way to write a {type(module).__name__}")
    mapped = source
    for layer in module.layers:
        mapped = _add_module(graph, layer, mapped)
    return graph.add("Add", source, mapped) if module.is_residual else mapped


def float_model(network: Network) -> onnx.ModelProto:
    """Return trunk and projection as an ONNX model of floats."""
    graph = Graph()
    graph.store("low", np.array(RELU6[0]))
    graph.store("high", np.array(RELU6[1]))
    middle = graph.store("middle", np.array([PIXEL_MIDDLE]))
    scale = graph.store("scale", np.array([1 / PIXEL_MIDDLE]))
    mapped = graph.add("Mul", graph.add("Sub", "input", middle), scale)
    for module in network.trunk:
        mapped = _add_module(graph, module, mapped)
    features = graph.add("Flatten", graph.add("GlobalAveragePool", mapped))
    smallest = graph.store("smallest_feature", np.array([SMALLEST_FEATURE]))
    roots = graph.add("Sqrt", graph.add("Max", features, smallest))
    weights = graph.store("projection", _values(network.head.weight))
    graph.add("Gemm", roots, weights, to="vector", transB=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "chaffinch-s",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, "H", "W"])],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", N_DIMENSIONS])],
            graph.stored,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="chaffinch",
    )
    onnx.checker.check_model(model)
    return model


class _Batches(CalibrationDataReader):
    """Hands batches of pictures to the calibration, once."""

    def __init__(self, pictures: np.ndarray) -> None:
        parts = np.split(pictures, range(CALIBRATION_BATCH, len(pictures), CALIBRATION_BATCH))
        self._batches: Iterator[np.ndarray] = iter(parts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch by the input's name; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}


def quantised_model(model: onnx.ModelProto, pictures: np.ndarray) -> onnx.ModelProto:
    """Return a model with 8-bit weights and activations; the projection stays in floats.

    Args:
        model: From `float_model`.
        pictures: Shape (N, 3, S, S), float32, RGB 0..255: ranges of activations are fit on them.
    """
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Batches(pictures),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=QUANTISED,
        )
        return onnx.load(target)


def calibration_pictures(crops: Path, *, size: int) -> np.ndarray:
    """Return stored crops, evenly spread, as (N, 3, size, size), float32."""
    stored = np.load(crops / "pixels.npy", mmap_mode="r")
    rows = np.linspace(0, len(stored) - 1, CALIBRATION_CROPS).astype(np.int64)
    views = np.stack([plain_view(np.asarray(stored[row]), size=size) for row in rows])
    return np.ascontiguousarray(views.transpose(0, 3, 1, 2), dtype=np.float32)


def averaged_network(checkpoint: Path) -> Network:
    """Return the network with a checkpoint's averaged weights."""
    network = Network()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["averaged"])
    return network.eval()


def between(start: Network, trained: Network, *, share: float) -> Network:
    """Return a network whose weights are the trained ones' to this share and the start's for the rest.

    Source: Wortsman et al., Robust fine-tuning of zero-shot models, 2022: such weights often keep what the
    start knew and have most of what training taught.
    """
    with torch.no_grad():
        for mean, weights in zip(start.parameters(), trained.parameters(), strict=True):
            mean.lerp_(weights, share)
    return start


def exported_network(
    checkpoint: Path | None, teacher: Path | None, *, crops: list[Path], share: float
) -> Network:
    """Return the checkpoint's network, the start, or one between them.

    Args:
        checkpoint: Of `training.train`; None for the start.
        teacher: The data folder that holds it; None for the checkpoint as it is.
        crops: The projection of the start is fit on these, as `training.train` did.
        share: Of the checkpoint's weights, 0..1.
    """
    if checkpoint is not None and teacher is None:
        return averaged_network(checkpoint)
    features = np.concatenate([np.load(folder / "features.npy") for folder in crops])
    start = untrained_network(Path(teacher or "") / TEACHER, fit_projection(features)).eval()
    return start if checkpoint is None else between(start, averaged_network(checkpoint), share=share)


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, help="of training.train; without, the start is exported")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the checkpoint's weights in those exported"
    )
    parser.add_argument("--teacher", type=Path, metavar="DATA", help="folder that holds it: the start")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument(
        "--crops", type=Path, required=True, nargs="+",
        help="ranges are fit on the first, the start's projection on all: to blend, those of the run",
    )  # fmt: skip
    parser.add_argument("--floats", action="store_true", help="leave out the 8 bits")
    parser.add_argument("--size", type=int, default=192, help="side of the calibration pictures, pixels")
    arguments = parser.parse_args()
    if not arguments.checkpoint and not arguments.teacher:
        parser.error("--checkpoint or --teacher is needed, or both with --share")
    network = exported_network(
        arguments.checkpoint, arguments.teacher, crops=arguments.crops, share=arguments.share
    )
    model = float_model(network)
    if not arguments.floats:
        model = quantised_model(model, calibration_pictures(arguments.crops[0], size=arguments.size))
    onnx.save(model, arguments.to)


if __name__ == "__main__":
    main()
