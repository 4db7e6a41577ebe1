"""Pictures with truth, as vectors: what the benchmarks of mislabels and outliers start from.

Vectors are those of the MobileNetV2 in the test data (1,280 numbers before its classifier), of the whole
picture squashed to its input. They are computed once and kept below .bench-envs, which git ignores.

    .venv/bin/python benchmarks/quality/feature_sets.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from peers import ENVIRONMENTS
from runs import DATA

MODEL = DATA / "models" / "tf2_mobilenet_v2_1.0_224_ptq.onnx"
CACHE = ENVIRONMENTS / "vectors"
INPUT_PX = 224
BATCH = 16
SMALLEST_BOX_PX = 32
"""Boxes with a shorter side show too little to be told apart, even by people."""
MARGIN = 0.15
"""What is shown around a box, as a share of its sides."""
TILES = 4
"""Crops along each side of a scikit-image picture."""

Named = tuple[str, str, Image.Image]
"""Name, class, picture."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """N pictures as vectors, with their true classes."""

    vectors: np.ndarray
    """Shape (N, 1280), float32, of norm 1."""
    labels: np.ndarray
    """Shape (N,), int64: class number."""
    classes: tuple[str, ...]
    """Names of the classes, sorted."""
    names: tuple[str, ...]
    """Where each picture comes from."""

    def take(self, rows: np.ndarray) -> FeatureSet:
        """Return some of the pictures; classes keep their numbers."""
        names = tuple(self.names[row] for row in rows.tolist())
        return FeatureSet(self.vectors[rows], self.labels[rows], self.classes, names)


def cifar10() -> Iterator[Named]:
    for path in sorted((DATA / "cifar10-slice").glob("*/*/*.png")):
        name = path.relative_to(DATA / "cifar10-slice").as_posix()
        yield name, path.parent.name, Image.open(path)


def photos_256() -> Iterator[Named]:
    for path in sorted((DATA / "photos-256").glob("*.jpg")):
        yield path.name, path.name.split("_")[0], Image.open(path)


def imagenet_photos() -> Iterator[Named]:
    for path in sorted((DATA / "imagenet-photos").glob("*.JPEG")):
        yield path.name, path.name.split("_")[0], Image.open(path)


def coco_boxes() -> Iterator[Named]:
    """Yield each box of some size with a margin around it."""
    coco = json.loads((DATA / "coco-open-licence" / "instances.json").read_text())
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    names = {category["id"]: category["name"] for category in coco["categories"]}
    for box in sorted(coco["annotations"], key=lambda a: (a["image_id"], a["id"])):
        x, y, width, height = box["bbox"]
        if min(width, height) < SMALLEST_BOX_PX or box.get("iscrowd"):
            continue
        image = Image.open(DATA / "coco-open-licence" / "images" / files[box["image_id"]])
        margin = MARGIN * width, MARGIN * height
        area = (x - margin[0], y - margin[1], x + width + margin[0], y + height + margin[1])
        inside = (max(0, area[0]), max(0, area[1]), min(image.width, area[2]), min(image.height, area[3]))
        yield f"{files[box['image_id']]}#{box['id']}", names[box["category_id"]], image.crop(inside)


def drawings() -> Iterator[Named]:
    """Yield what is no photograph of things: drawn shapes, and crops of micrographs, textures and pages."""
    import skimage.data

    for name in (
        "brick",
        "grass",
        "gravel",
        "page",
        "cell",
        "immunohistochemistry",
        "hubble_deep_field",
        "text",
    ):
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        side = min(image.width, image.height) // TILES * 2
        rng = np.random.default_rng(len(name))
        for number in range(TILES * TILES):
            left, top = rng.integers(0, image.width - side + 1), rng.integers(0, image.height - side + 1)
            yield f"{name} {number}", name, image.crop((left, top, left + side, top + side))
    yield from drawn_shapes(np.random.default_rng(0))


def drawn_shapes(rng: np.random.Generator, n: int = 128) -> Iterator[Named]:
    """Yield flat cartoons of ellipses and boxes."""
    from PIL import ImageDraw

    for number in range(n):
        image = Image.new("RGB", (256, 256), tuple(rng.integers(0, 256, 3).tolist()))
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(4, 12))):
            corner = rng.integers(0, 200, 2)
            box = [*corner.tolist(), *(corner + rng.integers(20, 120, 2)).tolist()]
            shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
            shape(box, fill=tuple(rng.integers(0, 256, 3).tolist()), outline="black", width=3)
        yield f"cartoon {number}", "cartoon", image


SETS = {
    "cifar10-slice": cifar10,
    "photos-256": photos_256,
    "imagenet-photos": imagenet_photos,
    "coco-boxes": coco_boxes,
    "drawings": drawings,
}


def feature_set(name: str) -> FeatureSet:
    """Return a data set as vectors; computes them where they are not kept yet (14 ms of CPU a picture)."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        names, labels, vectors = embed(SETS[name]())
        np.savez(path, names=names, labels=labels, vectors=vectors)
    with np.load(path, allow_pickle=False) as kept:
        names, labels, vectors = (kept[part] for part in ("names", "labels", "vectors"))
    classes, codes = np.unique(labels, return_inverse=True)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return FeatureSet(vectors, codes, tuple(classes.tolist()), tuple(names.tolist()))


def embed(pictures: Iterator[Named]) -> tuple[list[str], list[str], np.ndarray]:
    """Return names, labels, and vectors of shape (N, 1280), float32."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    names: list[str] = []
    labels: list[str] = []
    vectors: list[np.ndarray] = []
    waiting: list[np.ndarray] = []

    def flush() -> None:
        if waiting:
            vectors.append(session.run(["embedding"], {"input": np.stack(waiting)})[0])
            waiting.clear()

    for name, label, picture in pictures:
        names.append(name)
        labels.append(label)
        waiting.append(model_input(picture))
        if len(waiting) == BATCH:
            flush()
    flush()
    return names, labels, np.concatenate(vectors).reshape(len(names), -1).astype(np.float32)


def model_input(picture: Image.Image) -> np.ndarray:
    """Return shape (3, 224, 224), float32, 0..255."""
    small = picture.convert("RGB").resize((INPUT_PX, INPUT_PX), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(small, dtype=np.float32).transpose(2, 0, 1)


def main(names: Sequence[str]) -> None:
    for name in names:
        found = feature_set(name)
        print(f"{name}: {len(found.labels)} pictures, {len(found.classes)} classes")


if __name__ == "__main__":
    main(sys.argv[1:] or list(SETS))
