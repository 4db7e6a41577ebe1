"""ONNX files as embedders: what is known, declared beside them or worked out; what cannot serve and why."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from chaffinch.compute.models import MODELS, model_named, model_with_digest, packaged_file
from chaffinch.compute.onnx import onnx_embedder
from chaffinch.errors import SourceError

TEST_DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
MOBILENET = TEST_DATA / "models" / "tf2_mobilenet_v2_1.0_224_ptq.onnx"

RED = np.zeros((3, 4, 4, 3), np.uint8)
RED[..., 0] = 255


def mean_model(
    path: Path,
    *,
    shape: tuple[Any, ...] = ("n", 3, "h", "w"),
    dtype: int = TensorProto.FLOAT,
    n_tokens: int = 0,
    output: str = "vector",
) -> Path:
    """Write a model whose vector is the mean over the picture; with tokens, that many equal ones."""
    axes = [1, 2] if shape[3] == 3 else [2, 3]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=axes, keepdims=0),
    ]
    if n_tokens:
        nodes.append(helper.make_node("Unsqueeze", ["mean"], ["token"], axes=[1]))
        nodes.append(helper.make_node("Concat", ["token"] * n_tokens, [output], axis=1))
    else:
        nodes.append(helper.make_node("Identity", ["mean"], [output]))
    inputs = [helper.make_tensor_value_info("pixels", dtype, shape)]
    outputs = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", n_tokens, 3] if n_tokens else ["n", 3])
    ]
    graph = helper.make_graph(nodes, "mean", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
    return path


def test_onnx_embedder__unknown_files_are_worked_out_and_said_so(tmp_path: Path) -> None:
    embedder = onnx_embedder(mean_model(tmp_path / "m.onnx"))
    assert (embedder.info.name, embedder.info.dim, embedder.side) == ("onnx:m", 3, 224)
    assert embedder.info.spec == f"onnx:{tmp_path / 'm.onnx'}"
    assert embedder.warnings and "assumed 224 x 224 RGB, NCHW" in embedder.warnings[0]
    expected = (np.array([1, 0, 0]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.allclose(embedder.embed(RED), [expected] * 3, atol=1e-5)


def scaled_model(path: Path, factor: float) -> Path:
    """Write a model whose vector is the mean times a factor, the factor in a file of its own."""
    kept = numpy_helper.from_array(np.full(3, factor, np.float32), "factor")
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["vector"]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    outputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 3])]
    model = helper.make_model(
        helper.make_graph(nodes, "scaled", inputs, outputs, [kept]),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=8,
    )
    onnx.save(model, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    return path


def test_onnx_embedder__weights_in_a_file_of_their_own_count(tmp_path: Path) -> None:
    first = onnx_embedder(scaled_model(tmp_path / "m.onnx", 2.0))
    model = (tmp_path / "m.onnx").read_bytes()
    (tmp_path / "weights.data").unlink()
    second = onnx_embedder(scaled_model(tmp_path / "m.onnx", 3.0))
    assert (tmp_path / "m.onnx").read_bytes() == model, "nothing but the weights differs"
    assert np.allclose(second.embed(RED) * 2, first.embed(RED) * 3)
    assert first.info.fingerprint != second.info.fingerprint
    (tmp_path / "weights.data").unlink()
    with pytest.raises(SourceError, match=r"weights\.data"):
        onnx_embedder(tmp_path / "m.onnx")


def test_onnx_embedder__takes_the_config_beside_the_file(tmp_path: Path) -> None:
    path = mean_model(tmp_path / "m.onnx", n_tokens=2)
    config = {"size": {"shortest_edge": 32}, "crop_size": {"height": 16, "width": 16}, "rescale_factor": 0.5,
              "image_mean": [1, 2, 3], "image_std": [2, 1, 1]}  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    embedder = onnx_embedder(path)
    assert (embedder.side, embedder.warnings) == (16, ())
    assert np.allclose(embedder.embed(RED), [[63.25, -2, -3]] * 3)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, "do_normalize": False}))
    assert np.allclose(onnx_embedder(path).embed(RED), [[127.5, 0, 0]] * 3)
    assert onnx_embedder(path).info.fingerprint != embedder.info.fingerprint
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(SourceError, match=r"preprocessor_config\.json: cannot be read"):
        onnx_embedder(path)


@pytest.mark.parametrize(
    ("shape", "side"), [((1, 3, 8, 8), 8), ((4, 3, 6, 6), 6), (("n", 8, 8, 3), 8), (("n", 3, "h", "w"), 224)]
)
def test_onnx_embedder__follows_the_shape_of_the_graph(
    tmp_path: Path, shape: tuple[Any, ...], side: int
) -> None:
    path = mean_model(tmp_path / "m.onnx", shape=shape, dtype=TensorProto.UINT8)
    embedder = onnx_embedder(path)
    pictures = np.full((embedder.batch if isinstance(shape[0], int) else 3, side, side, 3), 9, np.uint8)
    assert embedder.side == side
    assert embedder.embed(pictures).tolist() == [[9, 9, 9]] * len(pictures)
    assert embedder.embed(pictures[:1]).tolist() == [[9, 9, 9]]


@pytest.mark.parametrize(
    ("shape", "message"),
    [(("n", 1, 8, 8), "takes pictures of shape"), (("n", 3, 8, 6), "takes pictures of shape")],
)
def test_onnx_embedder__refuses_what_is_no_square_in_colour(
    tmp_path: Path, shape: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        onnx_embedder(mean_model(tmp_path / "m.onnx", shape=shape))


def test_onnx_embedder__refuses_files_that_cannot_serve(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.onnx: cannot be read: No such file"):
        onnx_embedder(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(SourceError, match=r"text\.onnx: is no model that onnxruntime can load"):
        onnx_embedder(tmp_path / "text.onnx")
    vector = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("Identity", ["x"], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([node], "g", [vector], [out])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8),
        tmp_path / "flat.onnx",
    )
    with pytest.raises(SourceError, match=r"its inputs are x tensor\(float\) \['n', 3\]"):
        onnx_embedder(tmp_path / "flat.onnx")


def test_models__names_and_digests_are_unique() -> None:
    names = [card.name for card in MODELS]
    assert len(set(names)) == len(names)
    pinned = [card.hub.sha256 for card in MODELS if card.hub]
    assert all(pinned) and len(set(pinned)) == len(pinned)
    assert model_with_digest(pinned[0] or "") == model_named("dinov2-small")
    assert model_with_digest("0" * 64) is None
    assert model_named("dinov2-small") is not None and model_named("resnet") is None


@pytest.mark.parametrize(("name", "side"), [("chaffinch-s", 192), ("chaffinch-s-128", 128)])
def test_packaged_file__is_the_one_that_the_table_describes(name: str, side: int) -> None:
    card = model_named(name)
    path = packaged_file(card) if card else None
    assert card is not None and path is not None and path.stat().st_size < 6_000_000

    embedder = onnx_embedder(path, card=card, spec=card.name)
    pictures = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    assert (embedder.info.name, embedder.info.dim, embedder.side) == (name, 256, side)
    assert np.array_equal(embedder.embed(pictures), embedder.embed(pictures))
    with pytest.raises(SourceError, match=f"is not the model {name}: its SHA-256 is"):
        onnx_embedder(path, card=replace(card, sha256="0" * 64))


def test_packaged_file__sizes_are_models_of_their_own() -> None:
    cards = [card for card in MODELS if card.file]
    prints = {onnx_embedder(packaged_file(card) or Path(), card=card).info.fingerprint for card in cards}
    assert len(prints) == len(cards) == 2


@pytest.mark.skipif(not MOBILENET.exists(), reason=f"{MOBILENET} is not there")
def test_onnx_embedder__recognises_a_known_file_and_names_what_it_sees() -> None:
    from PIL import Image

    from chaffinch.compute.embedding import squash

    embedder = onnx_embedder(MOBILENET)
    assert (embedder.info.name, embedder.info.dim, embedder.warnings) == ("mobilenet-v2", 1280, ())
    paths = sorted((TEST_DATA / "imagenet-photos").rglob("*.[jJ]*"))[:2]
    photos = np.stack([squash(np.array(Image.open(path).convert("RGB")), 224) for path in paths])
    vectors = embedder.embed(photos)
    # One call per picture and a batch of both give the same, and two photographs are not alike.
    assert np.allclose(vectors[:1], embedder.embed(photos[:1]), atol=1e-4)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] < 0.8
