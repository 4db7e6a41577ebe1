"""The semantic threshold fitted to the pictures of a workspace."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.compute.variants import VARIANTS
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.pipeline.calibrate import _keep, calibrate
from chaffinch.pipeline.embedders import embed_workspace, open_embedder
from chaffinch.pipeline.pair_search import searched_with
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import LeakSettings
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.vectors import EmbedderInfo, embedder_info

N_PICTURES = 30


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of coloured pictures with vectors of `descriptor`; one picture is there twice."""
    root = tmp_path_factory.mktemp("calibrate")
    (root / "data").mkdir()
    for number in range(N_PICTURES):
        seed = max(number, 1)  # 0 and 1 are equal
        blocks = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((96, 80), Image.Resampling.BICUBIC)
        image.save(root / "data" / f"{number}.png")
    scan(root / "ws", SourceSpec(locations=(str(root / "data"),)))
    embed_workspace(root / "ws", open_embedder("descriptor"))
    return root / "ws"


def test_calibrate__keeps_the_threshold_and_draws_the_curve(embedded: Path) -> None:
    found, page = calibrate(embedded, n_copied=8)
    assert set(found.copies) == set(VARIANTS)
    assert {len(cosines) for cosines in found.copies.values()} == {8}
    # The picture that is there twice is no stranger to itself.
    assert len(found.strangers) == N_PICTURES
    assert found.strangers.max() < 0.95
    assert found.recall_by_kind()["recompressed"] == 1.0
    folder = WorkspaceFolder(embedded)
    info = embedder_info(folder.published())
    assert info is not None and info.semantic_threshold == found.threshold
    text = page.read_text(encoding="utf-8")
    assert f"<strong>{found.threshold:.3f}</strong>" in text
    assert "prefers-color-scheme: dark" in text
    figure = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert len(figure.findall("polyline")) == 3
    again, _ = calibrate(embedded, n_copied=8)
    assert again.threshold == found.threshold


def test_calibrate__what_verified_looks_for_never_narrows(embedded: Path) -> None:
    """The pictures decide there: a strict cosine for `semantic` must not keep copies from being compared."""
    strict = EmbedderInfo("model", 4, "f", semantic_threshold=0.9).calibrated(0.99)
    assert (strict.semantic_threshold, strict.candidate_cosine) == (0.99, 0.9)
    loose = strict.calibrated(0.8)
    assert (loose.semantic_threshold, loose.candidate_cosine) == (0.8, 0.8)
    assert EmbedderInfo("model", 4, "f", semantic_threshold=None).calibrated(0.7).candidate_cosine == 0.7
    folder = WorkspaceFolder(embedded)
    info, before = embedder_info(folder.published()), searched_with(folder.published(), LeakSettings())
    assert info is not None
    _keep(embedded, info, 0.999)
    after = searched_with(folder.published(), LeakSettings())
    assert after["verified"] == before["verified"]
    kept = embedder_info(folder.published())
    assert kept is not None and kept.semantic_threshold == 0.999


def test_calibrate__survives_embedding_again(embedded: Path) -> None:
    found, _ = calibrate(embedded, n_copied=4, max_false_share=0.1)
    image = Image.new("RGB", (40, 40), (200, 30, 30))
    image.save(embedded.parent / "data" / "new.png")
    scan(embedded, SourceSpec(locations=(str(embedded.parent / "data"),)))
    embed_workspace(embedded, open_embedder("descriptor"))
    info = embedder_info(WorkspaceFolder(embedded).published())
    assert info is not None and info.semantic_threshold == found.threshold


def test_calibrate__a_strict_one_after_a_loose_one_survives_embedding_again(embedded: Path) -> None:
    folder = WorkspaceFolder(embedded)
    for threshold in (0.2, 0.999):
        info = embedder_info(folder.published())
        assert info is not None
        _keep(embedded, info, threshold)
    image = Image.new("RGB", (40, 40), (30, 200, 30))
    image.save(embedded.parent / "data" / "newer.png")
    scan(embedded, SourceSpec(locations=(str(embedded.parent / "data"),)))
    embed_workspace(embedded, open_embedder("descriptor"))
    info = embedder_info(folder.published())
    assert info is not None and (info.semantic_threshold, info.candidate_cosine) == (0.999, 0.2)


def test_calibrate__refuses(embedded: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="below 1"):
        calibrate(embedded, max_false_share=1.0)
    with pytest.raises(WorkspaceError, match="no vectors of 'other'"):
        calibrate(embedded, embedder="other")
    (tmp_path / "one").mkdir()
    Image.new("RGB", (40, 40), (9, 80, 7)).save(tmp_path / "one" / "1.png")
    scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "one"),)))
    embed_workspace(tmp_path / "ws", open_embedder("descriptor"))
    with pytest.raises(WorkspaceError, match="too few"):
        calibrate(tmp_path / "ws")
