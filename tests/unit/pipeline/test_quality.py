"""The step `quality` on a folder with one picture of each fault."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from chaffinch.pipeline.find import find
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import FindSettings, MeasureSettings, ScanSettings
from chaffinch.storage.export import read_exported

QUALITY = FindSettings(only=("quality",))


def picture(seed: int) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((128, 96), Image.Resampling.NEAREST)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve sound pictures, one blurry, one dark, one gray, one cut off, one empty."""
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(12):
        picture(seed).save(folder / f"sound{seed:02d}.png")
    picture(20).filter(ImageFilter.GaussianBlur(4)).save(folder / "blur.png")
    picture(21).point(lambda value: value // 8).save(folder / "dark.png")
    picture(22).convert("L").save(folder / "gray.png")
    picture(23).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-400])
    (folder / "empty.jpg").write_bytes(b"")
    return folder


def issues(workspace: Path) -> list[tuple[str, str]]:
    rows = read_exported(workspace, "issues").to_pylist()
    return sorted((row["issue_type"], row["key"].removeprefix("all/")) for row in rows)


PLANTED = [
    ("blur", "blur.png"),
    ("corrupt", "cut.jpg"),
    ("corrupt", "empty.jpg"),
    ("dark", "dark.png"),
    ("grayscale", "gray.png"),
]


def test_find_quality__flags_what_was_planted_and_nothing_else(images: Path, tmp_path: Path) -> None:
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)))
    (done,) = find(tmp_path / "ws", settings=QUALITY)
    assert done.report is not None
    assert done.report.n_flagged == {"blur": 1, "dark": 1, "grayscale": 1, "corrupt": 2}
    assert done.report.left_out is None
    assert issues(tmp_path / "ws") == PLANTED
    rows = {row["key"]: row for row in read_exported(tmp_path / "ws", "issues").to_pylist()}
    assert rows["all/empty.jpg"]["reason"] == "The file is damaged: empty file (0 bytes)."
    assert rows["all/empty.jpg"]["confidence"] == 1.0
    assert json.loads(rows["all/dark.png"]["evidence"])["limit"] == 0.24
    assert len({row["finding_id"] for row in rows.values()}) == 5


def test_find_quality__runs_again_in_place_of_what_it_found(images: Path, tmp_path: Path) -> None:
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)))
    find(tmp_path / "ws", settings=QUALITY)
    before = read_exported(tmp_path / "ws", "issues")
    find(tmp_path / "ws", settings=QUALITY)
    assert read_exported(tmp_path / "ws", "issues").equals(before)
    (images / "empty.jpg").unlink()
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)))
    find(tmp_path / "ws", settings=QUALITY)
    assert issues(tmp_path / "ws") == [row for row in PLANTED if row[1] != "empty.jpg"]


def test_find_quality__says_what_a_scan_of_hashes_lacks(images: Path, tmp_path: Path) -> None:
    settings = ScanSettings(measure=MeasureSettings(level="hashes"))
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)), settings=settings)
    (done,) = find(tmp_path / "ws", settings=QUALITY)
    assert done.report is not None
    assert done.report.n_flagged == {"corrupt": 2}
    assert done.report.command == f"chaffinch scan SOURCE -w {tmp_path / 'ws'}"


def test_find_quality__notes_a_type_that_describes_the_dataset(images: Path, tmp_path: Path) -> None:
    for seed in range(12):
        picture(seed).point(lambda value: value // 8).save(images / f"sound{seed:02d}.png")
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)))
    notes: list[str] = []

    class Heard:
        def stage(self, name: str, *, total: int | None, unit: str) -> None: ...
        def advance(self, n: int) -> None: ...
        def note(self, text: str) -> None:
            notes.append(text)

    (done,) = find(tmp_path / "ws", settings=QUALITY, progress=Heard())
    assert done.report is not None
    assert done.report.n_flagged["dark"] == 13
    assert notes == [
        "dark: 13 of 15 images; this seems to be what the dataset is like, so look before a policy removes "
        "any"
    ]
