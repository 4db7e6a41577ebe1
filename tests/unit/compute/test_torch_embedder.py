"""Models of PyTorch as embedders; skipped where torch is not installed."""

from __future__ import annotations

import json
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chaffinch.compute.torch_embedder import torch_embedder
from chaffinch.errors import MissingExtraError, SourceError, UsageError

RED = np.zeros((3, 8, 8, 3), np.uint8)
RED[..., 0] = 255


@pytest.fixture
def torch() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def mean_model(torch: Any) -> Any:
    """A model whose vector is the mean over the picture, times a weight of 2."""

    class Mean(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, pictures: Any) -> Any:
            return pictures.mean(dim=(2, 3)) * self.weight

    return Mean()


def script(torch: Any, model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, torch.zeros(1, 3, 8, 8)), path)
    return path


def test_torch_embedder__a_torchscript_file(torch: Any, mean_model: Any, tmp_path: Path) -> None:
    path = script(torch, mean_model, tmp_path / "m.pt")
    config = {"size": 8, "rescale_factor": 1.0, "image_mean": [55, 0, 0], "image_std": [1, 1, 1]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    embedder = torch_embedder(f"torch:{path}")
    assert (embedder.info.name, embedder.info.dim, embedder.side, embedder.warnings) == ("torch:m", 3, 8, ())
    assert embedder.embed(RED).tolist() == [[400, 0, 0]] * 3
    mean_model.weight.data.fill_(3.0)
    other = torch_embedder(f"torch:{script(torch, mean_model, path)}")
    assert other.info.fingerprint != embedder.info.fingerprint
    (tmp_path / "preprocessor_config.json").unlink()
    assert "assumed 224 x 224 RGB" in torch_embedder(f"torch:{path}").warnings[0]


def test_torch_embedder__never_unpickles(torch: Any, mean_model: Any, tmp_path: Path) -> None:
    torch.save({"weight": mean_model.weight}, tmp_path / "state.pt")
    with pytest.raises(SourceError, match=r"state\.pt: is no TorchScript file") as caught:
        torch_embedder(f"torch:{tmp_path / 'state.pt'}")
    assert "pickled files are never loaded" in caught.value.hint
    with pytest.raises(SourceError, match=r"none\.pt: is not there"):
        torch_embedder(f"torch:{tmp_path / 'none.pt'}")


def test_torch_embedder__refuses_what_gives_no_vectors(torch: Any, tmp_path: Path) -> None:
    path = script(torch, torch.nn.Identity(), tmp_path / "same.pt")
    with pytest.raises(SourceError, match=r"gave shape \(2, 3, 224, 224\) for two pictures"):
        torch_embedder(f"torch:{path}")


def test_torch_embedder__asks_timm_for_model_and_preprocessing(
    torch: Any, mean_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_model(name: str, *, pretrained: bool, num_classes: int) -> Any:
        if name != "tiny":
            raise RuntimeError("Unknown model")
        assert pretrained and num_classes == 0
        return mean_model

    config = {"input_size": (3, 16, 16), "mean": (0.0, 0.0, 0.0), "std": (0.5, 0.5, 0.5)}
    data = types.SimpleNamespace(resolve_model_data_config=lambda model: config)
    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=create_model, data=data))  # type: ignore[arg-type]
    embedder = torch_embedder("torch:timm/tiny")
    assert (embedder.info.name, embedder.side) == ("torch:timm/tiny", 16)
    assert np.allclose(embedder.embed(RED), [[4, 0, 0]] * 3)
    with pytest.raises(UsageError, match="timm has no model 'huge': Unknown model"):
        torch_embedder("torch:timm/huge")


def test_torch_embedder__asks_open_clip_for_the_visual_part(
    torch: Any, mean_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean_model.image_size, mean_model.image_mean, mean_model.image_std = (12, 12), (0, 0, 0), (1, 1, 1)

    def create(name: str, *, pretrained: str | None) -> Any:
        assert (name, pretrained) == ("ViT-B-32", "laion2b")
        return types.SimpleNamespace(visual=mean_model), None, None

    monkeypatch.setitem(
        sys.modules,
        "open_clip",
        types.SimpleNamespace(create_model_and_transforms=create),  # type: ignore[arg-type]
    )
    embedder = torch_embedder("torch:open_clip/ViT-B-32/laion2b")
    assert embedder.side == 12
    assert np.allclose(embedder.embed(RED), [[2, 0, 0]] * 3)


def test_torch_embedder__says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="needs the package 'torch'"):
        torch_embedder("torch:timm/resnet50")
