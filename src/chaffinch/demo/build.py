"""A small dataset with planted faults, built offline from the photographs inside scikit-image's wheel.

Classes are photographs; the images of a class are crops that never overlap, enlarged to natural sizes, so
that no two of them are duplicates unless planted. Every original takes part in one plant at most. The same
seed and the same Pillow give the same bytes. What was planted stands in ``truth.json`` beside the images:

    truth = build_demo_dataset(Path("demo"))      # demo/photos/{train,val}/<class>/*.jpg, demo/truth.json
    rows = compare_with_truth(truth, DemoFindings(leak_pairs={("train/cat/...", "val/cat/...")}))
"""

from __future__ import annotations

import importlib.util
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFilter, ImageStat

from chaffinch.demo.copies import COPIES, encoded, jpeg
from chaffinch.demo.drawings import DRAWINGS
from chaffinch.demo.truth import (
    BROKEN_KINDS,
    LABEL_CONFLICT,
    LEAK_KINDS,
    OUTLIER,
    TRUTH_FILE,
    WRONG_LABEL,
    DemoTruth,
    Plant,
    read_truth,
    write_truth,
)
from chaffinch.errors import MissingExtraError, SourceError, UsageError

IMAGES_FOLDER = "photos"
"""Folder of the images below the demo's folder; holds train and val."""

_PLANTED: Mapping[str, int] = {
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
    LABEL_CONFLICT: 4,
    "truncated": 3,
    "empty": 2,
    "not_an_image": 2,
    "blur": 7,
    "dark": 5,
    "bright": 5,
    WRONG_LABEL: 8,
    OUTLIER: len(DRAWINGS),
}
_LEAKS_UNDER_ANOTHER_LABEL = frozenset([("recompressed", 0), ("resized", 0), ("cropped", 0)])
_VAL_SHARE = 0.3
_MIN_CONTRAST = 14.0
"""Smallest standard deviation of luma (0..255) of a crop: flat sky says nothing about its photograph."""
_CELL_MARGIN = 0.08
_MEAN_LUMA = (45.0, 205.0)
"""Mean luma (0..255) of a crop: outside of it a picture is dark or bright by nature."""
_JPEG_QUALITY = (88, 95)


@dataclass(frozen=True, slots=True)
class _Photograph:
    """A file of scikit-image's wheel, cut into columns x rows crops."""

    file: str
    label: str
    columns: int
    rows: int


_PHOTOGRAPHS = (
    _Photograph("astronaut.png", "astronaut", 5, 5),
    _Photograph("camera.png", "cameraman", 5, 5),
    _Photograph("chelsea.png", "cat", 4, 3),
    _Photograph("coffee.png", "coffee", 6, 4),
    _Photograph("coins.png", "coins", 4, 3),
    _Photograph("grass.png", "grass", 5, 5),
    _Photograph("gravel.png", "gravel", 5, 5),
    _Photograph("ihc.png", "tissue", 5, 5),
    _Photograph("motorcycle_left.png", "motorcycle", 6, 4),
    _Photograph("retina.jpg", "retina", 6, 6),
    _Photograph("rocket.jpg", "rocket", 6, 4),
)


# ----------------------------------------------------------------------------------------------- the build


@dataclass(frozen=True, slots=True)
class _Original:
    label: str
    image: Image.Image
    quality: int


@dataclass(slots=True)
class _File:
    """A file to write; `original` is another file of the list."""

    split: str
    given_label: str
    true_label: str
    data: bytes
    suffix: str = ".jpg"
    kind: str | None = None
    original: _File | None = None
    path: str = ""


def build_demo_dataset(folder: Path, *, seed: int = 1) -> DemoTruth:
    """Build the demo dataset in `folder`, or take the one that an earlier call built there.

    Args:
        folder: Missing or empty, else the folder of an earlier call with the same seed.
        seed: Which crops get which faults.

    Raises:
        MissingExtraError: Without scikit-image.
        UsageError: If the folder holds anything else; nothing is written then.

    Cost: about 2 CPU s, 10 MB of files.
    """
    if folder.exists() and any(folder.iterdir()):
        return _reused(folder, seed)
    rng = random.Random(seed)
    files = list(_files(_originals(rng), rng))
    _name_files(files, rng)
    building = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    for file in files:
        target = building / IMAGES_FOLDER / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
    truth = _truth(files, seed)
    write_truth(building, truth)
    if folder.exists():
        folder.rmdir()
    building.replace(folder)
    return truth


def _reused(folder: Path, seed: int) -> DemoTruth:
    hint = "name a folder that is empty or not there yet"
    if not (folder / TRUTH_FILE).exists():
        raise UsageError("is not empty and holds no demo dataset", where=str(folder), hint=hint)
    truth = read_truth(folder)
    n_files = sum(path.is_file() for path in (folder / IMAGES_FOLDER).rglob("*"))
    if truth.seed != seed or n_files != truth.n_images:
        raise UsageError("holds another demo dataset, or a changed one", where=str(folder), hint=hint)
    return truth


def _photograph_folder() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("scikit-image", extra="demo", needed_for="the demo dataset")
    return Path(spec.submodule_search_locations[0]) / "data"


def _originals(rng: random.Random) -> list[_Original]:
    """Cut the photographs into crops that do not overlap, in random order."""
    folder = _photograph_folder()
    originals = []
    for photograph in _PHOTOGRAPHS:
        try:
            with Image.open(folder / photograph.file) as image:
                image.load()
        except OSError as error:
            raise SourceError(
                "this scikit-image does not carry the photograph that the demo is made of",
                where=str(folder / photograph.file),
                hint="pip install 'chaffinch[demo]'",
            ) from error
        originals += [
            _Original(photograph.label, crop, rng.randint(*_JPEG_QUALITY))
            for crop in _crops(image, photograph, rng)
            if _says_something(crop)
        ]
    rng.shuffle(originals)
    return originals


def _crops(image: Image.Image, photograph: _Photograph, rng: random.Random) -> Iterator[Image.Image]:
    cell_w, cell_h = image.width // photograph.columns, image.height // photograph.rows
    for cell in range(photograph.columns * photograph.rows):
        left, top = cell % photograph.columns * cell_w, cell // photograph.columns * cell_h
        trims = [rng.randint(0, round(_CELL_MARGIN * side)) for side in (cell_w, cell_h, cell_w, cell_h)]
        yield image.crop((left + trims[0], top + trims[1], left + cell_w - trims[2], top + cell_h - trims[3]))


def _says_something(crop: Image.Image) -> bool:
    luma = ImageStat.Stat(crop.convert("L"))
    return luma.stddev[0] >= _MIN_CONTRAST and _MEAN_LUMA[0] <= luma.mean[0] <= _MEAN_LUMA[1]


def _files(originals: Sequence[_Original], rng: random.Random) -> Iterator[_File]:
    roles = [(kind, number) for kind, count in _PLANTED.items() for number in range(count)]
    labels = sorted({original.label for original in originals})
    for place, original in enumerate(originals):
        if place >= len(roles):
            split = "val" if rng.random() < _VAL_SHARE else "train"
            yield _File(split, original.label, original.label, jpeg(original.image, original.quality))
            continue
        kind, number = roles[place]
        other_label = rng.choice([label for label in labels if label != original.label])
        if kind in COPIES:
            yield from _copied(original, kind, number, other_label=other_label, rng=rng)
        else:
            yield _spoilt(original, kind, number, other_label=other_label)


def _copied(
    original: _Original, kind: str, number: int, *, other_label: str, rng: random.Random
) -> Iterator[_File]:
    """Yield an original in train and its planted copy."""
    label = original.label
    if kind == "repacked":
        source = _File("train", label, label, encoded(original.image, "PNG"), suffix=".png")
    else:
        source = _File("train", label, label, jpeg(original.image, original.quality))
    is_relabelled = kind == LABEL_CONFLICT or (kind, number) in _LEAKS_UNDER_ANOTHER_LABEL
    yield source
    yield _File(
        split="val" if kind in LEAK_KINDS else "train",
        given_label=other_label if is_relabelled else label,
        true_label=label,
        data=COPIES[kind](source.data, rng),
        suffix=source.suffix,
        kind=kind,
        original=source,
    )


def _spoilt(original: _Original, kind: str, number: int, *, other_label: str) -> _File:
    """Return an original with a fault of its own: unreadable, of bad quality or in the wrong folder."""
    image = original.image
    if kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(0.025 * max(image.size)))
    elif kind == "dark":
        image = image.point(lambda value: value * 0.12)
    elif kind == "bright":
        image = image.point(lambda value: 255 - (255 - value) * 0.12)
    elif kind == OUTLIER:
        image = DRAWINGS[number](image.size)
    data = jpeg(image, original.quality)
    if kind in BROKEN_KINDS:
        data = {"truncated": data[: len(data) * 3 // 5], "empty": b""}.get(kind, b"404 page not found\n")
    return _File(
        split="val" if kind in BROKEN_KINDS and number == 0 else "train",
        given_label=other_label if kind == WRONG_LABEL else original.label,
        true_label="drawing" if kind == OUTLIER else original.label,
        data=data,
        kind=kind,
    )


def _name_files(files: Sequence[_File], rng: random.Random) -> None:
    """Number the files of each class folder in random order, so that names give nothing away."""
    order = list(files)
    rng.shuffle(order)
    numbers: Counter[tuple[str, str]] = Counter()
    for file in order:
        place = (file.split, file.given_label)
        numbers[place] += 1
        file.path = f"{file.split}/{file.given_label}/{file.given_label}_{numbers[place]:04}{file.suffix}"


def _truth(files: Sequence[_File], seed: int) -> DemoTruth:
    kinds = list(_PLANTED)
    plants = [
        Plant(f.kind, f.path, f.original.path if f.original else None, f.given_label, f.true_label)
        for f in files
        if f.kind is not None
    ]
    plants.sort(key=lambda plant: (kinds.index(plant.kind), plant.path))
    return DemoTruth(seed, len(files), tuple(plants))
