"""Scans of a dataset that changed since: moved files, other folders, other settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.curate.events import Saying
from chaffinch.curate.tagging import plan_tagging
from chaffinch.pipeline.linking import SampleIndex
from chaffinch.pipeline.scan import ScanReport, SourceSpec, scan
from chaffinch.storage.folder import WorkspaceFolder


def picture(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    blocks.resize((48, 40), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Row-numbered files of two classes in train."""
    for number in range(4):
        picture(tmp_path / f"data/train/{number // 2}/{number}.bmp", number)
    return tmp_path / "data"


def scanned(data: Path, workspace: Path) -> ScanReport:
    return scan(workspace, SourceSpec(locations=(str(data),)))


def test_image_id__of_a_moved_file_means_the_file_that_is_there(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    (data / "train/0/1.bmp").rename(data / "train/1/1.bmp")
    scanned(data, tmp_path / "ws")
    plan = plan_tagging(tmp_path / "ws", Saying((), (), "remove"), reviewer="Ana", names=["1"])
    assert [sample.key for sample in plan.selected] == ["train/1/1.bmp"]
    folder = WorkspaceFolder(tmp_path / "ws")
    linked = SampleIndex(folder, folder.published()).link_rows(["1", "2"], [None, None], [None, None])
    keys = folder.read(folder.published(), "samples").column("key").to_pylist()
    assert [keys[sample] for sample in linked] == ["train/1/1.bmp", "train/1/2.bmp"]


def test_image_id__of_a_file_that_is_gone_still_names_it(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    (data / "train/1/3.bmp").unlink()
    scanned(data, tmp_path / "ws")
    plan = plan_tagging(tmp_path / "ws", Saying((), (), "remove"), reviewer="Ana", names=["3"])
    assert [sample.key for sample in plan.selected] == ["train/1/3.bmp"]
