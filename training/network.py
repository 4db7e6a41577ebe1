"""The network of `chaffinch-s` in torch: a MobileNetV2 with its batch norms folded, and a projection.

The layers stand in the order of the convolutions in the teacher's ONNX file, so weights go over by position:
first all convolutions, then the classifier. Images are RGB, 0 to 255, side lengths multiples of 32.

Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, table 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

N_FEATURES = 1280
"""Channels after the last convolution, averaged over the picture."""
N_CLASSES = 1001
"""Classes of the teacher, the background first."""
N_DIMENSIONS = 256
"""Numbers in a vector of `chaffinch-s`."""
SMALLEST_FEATURE = 1e-4
"""Features are taken to be no smaller before their root is drawn, whose slope has no end towards zero."""
PIXEL_MIDDLE = 127.5
"""Pixels are shifted and divided by it: 0..255 becomes -1..1."""
SIZE_STEP = 32
"""Side lengths are multiples of it: every stride halves an even length, so one padding rule serves all."""

STEM_CHANNELS = 32
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Per stage: expansion factor, output channels, number of blocks, stride of the first."""


class ConvLayer(nn.Module):
    """A convolution padded as TensorFlow's SAME does for even lengths, then ReLU6 unless at a bottleneck."""

    def __init__(self, n_in: int, n_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        # At stride 2 an even length lacks one pixel, at the end; at stride 1 both sides get the same.
        self.pads_end = kernel == 3 and stride == 2
        padding = 1 if kernel == 3 and stride == 1 else 0
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding, groups=groups)
        self.is_bounded = True

    def linear(self) -> ConvLayer:
        """Leave the activation out; returns itself."""
        self.is_bounded = False
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, n_in, H, W) to (N, n_out, H / stride, W / stride)."""
        padded = functional.pad(images, (0, 1, 0, 1)) if self.pads_end else images
        mapped: Tensor = self.conv(padded)
        return functional.relu6(mapped) if self.is_bounded else mapped


class Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow; adds its input where shapes allow."""

    def __init__(self, n_in: int, n_out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        width = n_in * expansion
        layers = [] if expansion == 1 else [ConvLayer(n_in, width)]
        layers.append(ConvLayer(width, width, kernel=3, stride=stride, groups=width))
        layers.append(ConvLayer(width, n_out).linear())
        self.layers = nn.Sequential(*layers)
        self.is_residual = stride == 1 and n_in == n_out

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, n_in, H, W) to (N, n_out, H / stride, W / stride)."""
        mapped: Tensor = self.layers(images)
        return images + mapped if self.is_residual else mapped


class Outputs(NamedTuple):
    """What the network says about N images."""

    vectors: Tensor
    """Shape (N, 256): compare by cosine; not normalised."""
    features: Tensor
    """Shape (N, 1280): what the teacher calls its embedding."""
    logits: Tensor
    """Shape (N, 1001)."""


class Network(nn.Module):
    """The whole network: convolutions, classifier (used in training only) and projection to the vector."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [ConvLayer(3, STEM_CHANNELS, kernel=3, stride=2)]
        n_in = STEM_CHANNELS
        for expansion, n_out, n_blocks, stride in STAGES:
            for index in range(n_blocks):
                blocks.append(Block(n_in, n_out, expansion=expansion, stride=stride if index == 0 else 1))
                n_in = n_out
        self.trunk = nn.Sequential(*blocks, ConvLayer(n_in, N_FEATURES))
        self.classifier = nn.Linear(N_FEATURES, N_CLASSES)
        self.head = nn.Linear(N_FEATURES, N_DIMENSIONS, bias=False)

    def forward(self, images: Tensor) -> Outputs:
        """Map images, (N, 3, H, W) float, RGB 0..255, to vectors, features and logits."""
        features = self.trunk((images - PIXEL_MIDDLE) / PIXEL_MIDDLE).float().mean(dim=(2, 3))
        # Cosines of neighbours differ in the third digit, so what is compared is never rounded to 16 bits.
        with torch.autocast(images.device.type, enabled=False):
            roots = features.clamp_min(SMALLEST_FEATURE).sqrt()
            return Outputs(self.head(roots), features, self.classifier(features))

    def conv_layers(self) -> Iterator[ConvLayer]:
        """Yield the layers of the trunk in the order in which they run."""
        yield from (module for module in self.trunk.modules() if isinstance(module, ConvLayer))


def folded_weights(model: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read weights and biases of every convolution of a quantised ONNX file as floats, in order of use.

    Returns:
        Pairs of weights, (n_out, n_in / groups, k, k), and biases, (n_out,); float32.
    """
    graph = onnx.load(str(model)).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    dequantised: dict[str, np.ndarray] = {}
    folded = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            whole, scale, zero = (
                numpy_helper.to_array(stored[name]).astype(np.float32) for name in node.input
            )
            shape = (-1, *[1] * (whole.ndim - 1))
            dequantised[node.output[0]] = (whole - zero.reshape(shape)) * scale.reshape(shape)
        if node.op_type == "Conv":
            bias = numpy_helper.to_array(stored[node.input[2]]).astype(np.float32)
            folded.append((dequantised[node.input[1]], bias))
    return folded


@torch.no_grad()
def load_teacher_weights(network: Network, model: Path) -> None:
    """Fill trunk and classifier with the teacher's weights; the head stays as it is.

    Raises:
        ValueError: If the file's convolutions are not those of this network.
    """
    *trunk, (class_weights, class_bias) = folded_weights(model)
    layers = list(network.conv_layers())
    if len(layers) != len(trunk):
        raise ValueError(f"{model}: {len(trunk)} convolutions before the classifier, expected {len(layers)}")
    for layer, (weights, bias) in zip(layers, trunk, strict=True):
        if weights.shape != tuple(layer.conv.weight.shape) or layer.conv.bias is None:
            raise ValueError(f"{model}: weights {weights.shape}, expected {tuple(layer.conv.weight.shape)}")
        layer.conv.weight.copy_(torch.from_numpy(weights))
        layer.conv.bias.copy_(torch.from_numpy(bias))
    network.classifier.weight.copy_(torch.from_numpy(class_weights[:, :, 0, 0]))
    network.classifier.bias.copy_(torch.from_numpy(class_bias))


@torch.no_grad()
def load_projection(network: Network, directions: np.ndarray) -> None:
    """Begin the head as a projection of the features' roots.

    Args:
        network: Gets the head.
        directions: Shape (256, 1280), one row a direction.
    """
    network.head.weight.copy_(torch.from_numpy(directions.astype(np.float32)))
