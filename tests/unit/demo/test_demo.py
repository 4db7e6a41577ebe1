from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat

from chaffinch.demo import build as demo_build
from chaffinch.demo.build import IMAGES_FOLDER, build_demo_dataset
from chaffinch.demo.truth import (
    BROKEN_KINDS,
    DUPLICATE_KINDS,
    LABEL_CONFLICT,
    LEAK_KINDS,
    QUALITY_KINDS,
    WRONG_LABEL,
    DemoFindings,
    DemoTruth,
    Plant,
    TruthRow,
    compare_with_truth,
    read_truth,
)
from chaffinch.errors import MissingExtraError, SourceError, UsageError

pytest.importorskip("skimage", reason="the demo is made of scikit-image's photographs")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoTruth]:
    folder = tmp_path_factory.mktemp("demo") / "d"
    return folder / IMAGES_FOLDER, build_demo_dataset(folder)


def opened(root: Path, plant: Plant) -> tuple[Image.Image, Image.Image]:
    assert plant.original is not None
    return Image.open(root / plant.original).copy(), Image.open(root / plant.path).copy()


def gray_difference(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference of luma, 0..255."""
    return ImageStat.Stat(ImageChops.difference(a.convert("L"), b.convert("L"))).mean[0]


def test_build__counts(demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) == truth.n_images >= 250
    assert {path.relative_to(root).parts[0] for path in files} == {"train", "val"}
    planted = {kind: len(truth.of_kind(kind)) for kind in (*LEAK_KINDS, *DUPLICATE_KINDS, *BROKEN_KINDS)}
    assert planted == {
        "exact": 6,
        "repacked": 3,
        "recompressed": 6,
        "resized": 6,
        "cropped": 8,
        "mirrored": 5,
        "rotated": 3,
        "framed": 4,
        "overlaid": 4,
        "duplicate_exact": 5,
        "duplicate_near": 5,
        "truncated": 3,
        "empty": 2,
        "not_an_image": 2,
    }
    used = [path for p in truth.plants for path in (p.path, p.original) if path]
    assert len(used) == len(set(used)), "an image takes part in one plant at most"


def test_build__leaks_are_what_they_claim(demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    for plant in truth.of_kind(*LEAK_KINDS):
        original, copy = opened(root, plant)
        assert plant.original is not None
        assert plant.original.startswith("train/") and plant.path.startswith("val/")
        same_bytes = (root / plant.original).read_bytes() == (root / plant.path).read_bytes()
        shares = (copy.width / original.width, copy.height / original.height)
        if plant.kind in ("exact", "repacked"):
            assert same_bytes == (plant.kind == "exact")
            assert original.tobytes() == copy.tobytes()
        elif plant.kind == "recompressed":
            assert copy.size == original.size and 0 < gray_difference(original, copy) < 12
        elif plant.kind == "resized":
            assert all(0.49 < share < 0.71 for share in shares)
        elif plant.kind == "cropped":
            assert all(0.75 <= share < 0.99 for share in shares)
        elif plant.kind == "mirrored":
            back = copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            assert gray_difference(original, back) < 8 < gray_difference(original, copy)
        elif plant.kind == "framed":
            border = ((copy.width - original.width) // 2, (copy.height - original.height) // 2)
            inner = copy.crop((*border, border[0] + original.width, border[1] + original.height))
            assert border[0] == border[1] >= 8 and gray_difference(original, inner) < 8
        elif plant.kind == "overlaid":
            thirds = (0, original.height // 3, original.width, original.height * 2 // 3)
            assert gray_difference(original.crop(thirds), copy.crop(thirds)) < 8
            assert gray_difference(original, copy) > 4
        else:
            turns = [copy.transpose(t) for t in (2, 3, 4)]
            assert min(gray_difference(original, t) for t in turns if t.size == original.size) < 8


def test_build__cropped_copies_lie_in_their_original(demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    # The heaviest cut: of a trim of few pixels all places look alike.
    plant = min(truth.of_kind("cropped"), key=lambda p: opened(root, p)[1].width / opened(root, p)[0].width)
    original, copy = (np.asarray(image.convert("L"), dtype=float) for image in opened(root, plant))
    height, width = copy.shape
    places = [
        np.abs(original[top : top + height, left : left + width] - copy).mean()
        for top in range(original.shape[0] - height + 1)
        for left in range(original.shape[1] - width + 1)
    ]
    assert min(places) < 8 and 2 * min(places) < np.median(places)


def test_build__faults_are_what_they_claim(demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    for plant in truth.of_kind(*BROKEN_KINDS):
        with pytest.raises(OSError), Image.open(root / plant.path) as image:
            image.load()
    for plant in truth.of_kind("dark", "bright"):
        mean = ImageStat.Stat(Image.open(root / plant.path).convert("L")).mean[0]
        assert mean < 32 if plant.kind == "dark" else mean > 222
    for plant in truth.of_kind(WRONG_LABEL, LABEL_CONFLICT):
        assert plant.given_label != plant.true_label and plant.path.split("/")[1] == plant.given_label
    for plant in truth.of_kind(LABEL_CONFLICT, "duplicate_exact"):
        original, copy = opened(root, plant)
        assert original.tobytes() == copy.tobytes() and plant.path.startswith("train/")


def test_build__unplanted_images_are_strangers(demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    broken = {plant.path for plant in truth.of_kind(*BROKEN_KINDS)}
    keys = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    keys = [key for key in keys if key not in broken]
    hashes = np.array([int(str(imagehash.phash(Image.open(root / key))), 16) for key in keys], np.uint64)
    near = np.argwhere(np.triu(np.bitwise_count(hashes[:, None] ^ hashes) <= 10, k=1))
    planted = {frozenset((p.path, p.original)) for p in truth.plants}
    assert [pair for a, b in near if (pair := {keys[a], keys[b]}) not in planted] == []


def test_build__same_bytes_twice_within_its_time(tmp_path: Path, demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    start = time.process_time()
    assert build_demo_dataset(tmp_path / "again") == truth
    assert time.process_time() - start < 5
    digests = [
        {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*")}
        for folder in (root.parent, tmp_path / "again")
    ]
    assert digests[0] == digests[1] and len(digests[0]) == truth.n_images + 1


def test_build__names_give_nothing_away(demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    for path in root.rglob("*.*"):
        label, number = path.stem.split("_")
        assert label == path.parent.name and number.isdecimal()
    assert len({plant.path[-8:-4] for plant in truth.of_kind(*QUALITY_KINDS)}) > 5


def test_build__takes_its_own_folder_again_and_no_other(tmp_path: Path, demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    assert build_demo_dataset(root.parent) == truth
    with pytest.raises(UsageError, match="holds another demo dataset"):
        build_demo_dataset(root.parent, seed=2)
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="is not empty and holds no demo dataset"):
        build_demo_dataset(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_build__without_scikit_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[demo\]"):
        build_demo_dataset(tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_build__without_a_photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_build, "_photograph_folder", lambda: tmp_path)
    with pytest.raises(SourceError, match=r"astronaut\.png"):
        build_demo_dataset(tmp_path / "d")


def test_truth__round_trip_and_breakage(tmp_path: Path, demo: tuple[Path, DemoTruth]) -> None:
    root, truth = demo
    assert read_truth(root.parent) == truth
    value = json.loads((root.parent / "truth.json").read_text())
    assert value["schema"] == "chaffinch.demo_truth" and len(value["plants"]["exact"]) == 6
    with pytest.raises(SourceError):
        read_truth(tmp_path)
    (tmp_path / "truth.json").write_text('{"schema": ')
    with pytest.raises(SourceError, match=r"truth\.json: cannot be read"):
        read_truth(tmp_path)


SMALL = DemoTruth(
    seed=1,
    n_images=10,
    plants=(
        Plant("exact", "val/c/1", "train/c/1", "c", "c"),
        Plant("cropped", "val/c/2", "train/c/2", "c", "c"),
        Plant("duplicate_exact", "train/c/4", "train/c/3", "c", "c"),
        Plant("label_conflict", "train/d/1", "train/c/5", "d", "c"),
        Plant("empty", "train/c/6", None, "c", "c"),
        Plant("blur", "train/c/7", None, "c", "c"),
    ),
)


def test_compare__nothing_looked_for() -> None:
    assert compare_with_truth(SMALL, DemoFindings()) == [TruthRow("blur", 1, None, None)]


def test_compare__planted_found_extra() -> None:
    found = DemoFindings(
        leak_pairs={("train/c/1", "val/c/1"), ("train/c/9", "val/c/9")},
        duplicate_groups=[{"train/c/3", "train/c/4"}, {"train/c/1", "val/c/1"}, {"train/c/7", "train/c/8"}],
        label_conflicts=[{"train/c/5", "train/d/1", "train/e/1"}],
        broken={"train/c/6", "train/c/7"},
    )
    rows = {row.kind: row for row in compare_with_truth(SMALL, found)}
    assert rows["exact"] == TruthRow("exact", 1, 1, None)
    assert rows["cropped"] == TruthRow("cropped", 1, 0, None)
    assert rows["all leaks"] == TruthRow("all leaks", 2, 1, 1)
    assert rows["duplicate_exact"] == TruthRow("duplicate_exact", 1, 1, None)
    assert rows["duplicate_near"] == TruthRow("duplicate_near", 0, 0, None)
    assert rows["all duplicates"] == TruthRow("all duplicates", 1, 1, 1)
    assert rows["label conflicts"] == TruthRow("label conflicts", 1, 1, 1)
    assert rows["broken files"] == TruthRow("broken files", 1, 1, 1)
    assert rows["blur"] == TruthRow("blur", 1, None, None)
    assert not {"dark", "label_conflict"} & rows.keys()


def test_compare__images_flagged_singly() -> None:
    flagged = {"blur": {"train/c/7", "train/c/8"}, "mislabel": {"train/d/1", "train/c/1", "train/c/9"}}
    rows = {row.kind: row for row in compare_with_truth(SMALL, DemoFindings(flagged=flagged))}
    assert rows["blur"] == TruthRow("blur", 1, 1, 1)
    # Something was planted at train/d/1, so that it is flagged in another way too is no false alarm; of
    # train/c/1 there is only a copy.
    assert rows["wrong_label"] == TruthRow("wrong_label", 0, 0, 2)
    assert "outlier" not in rows
