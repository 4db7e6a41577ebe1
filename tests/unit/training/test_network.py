"""The network in torch and its ONNX file say the same; weights go over by position."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'chaffinch[train]'")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'chaffinch[train]'")

import onnxruntime  # noqa: E402
from training.export import between, float_model, quantised_model  # noqa: E402
from training.network import Network, load_projection, load_teacher_weights  # noqa: E402
from training.teacher import TEACHER  # noqa: E402

SIZE = 64
DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network().eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (4, 3, SIZE, SIZE)).astype(np.float32)


def run_onnx(model: onnx.ModelProto, pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["vector"], {"input": pictures})[0]


def run_torch(network: Network, pictures: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(pictures)).vectors.numpy()


def test_float_model__equals_the_network(network: Network, pictures: np.ndarray) -> None:
    expected = run_torch(network, pictures)

    np.testing.assert_allclose(run_onnx(float_model(network), pictures), expected, atol=1e-4)


def test_quantised_model__is_smaller_and_the_same_twice(network: Network, pictures: np.ndarray) -> None:
    floats = float_model(network)
    first, second = quantised_model(floats, pictures), quantised_model(floats, pictures)

    assert first.SerializeToString() == second.SerializeToString()
    assert first.ByteSize() < 0.4 * floats.ByteSize()


def test_load_projection__projects_the_roots_of_features(network: Network, pictures: np.ndarray) -> None:
    directions = np.random.default_rng(1).standard_normal((256, 1280))
    load_projection(network, directions)
    with torch.no_grad():
        outputs = network(torch.from_numpy(pictures))

    expected = np.sqrt(np.maximum(outputs.features.numpy(), 1e-4)) @ directions.T
    np.testing.assert_allclose(outputs.vectors.numpy(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA}; set CHAFFINCH_TEST_DATA")
def test_load_teacher_weights__says_what_the_teacher_says() -> None:
    model = DATA / TEACHER
    network = Network().eval()
    load_teacher_weights(network, model)
    pictures = np.random.default_rng(2).integers(0, 256, (1, 3, 224, 224)).astype(np.float32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    features, logits = session.run(["embedding", "logits"], {"input": pictures})
    with torch.no_grad():
        outputs = network(torch.from_numpy(pictures))

    np.testing.assert_allclose(outputs.features.numpy(), features, atol=0.02)
    np.testing.assert_allclose(outputs.logits.numpy(), logits, atol=0.05)


def test_between__weighs_every_weight(network: Network) -> None:
    torch.manual_seed(1)
    start, trained = Network(), Network()
    before = [weights.detach().clone() for weights in start.parameters()]

    blend = between(start, trained, share=0.25)

    for got, first, second in zip(blend.parameters(), before, trained.parameters(), strict=True):
        torch.testing.assert_close(got, 0.75 * first + 0.25 * second)
