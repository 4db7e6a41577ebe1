"""The leak report equals brute force with the ImageHash package, pair by pair, on real pictures.

Expected pairs come from Pillow and ImageHash alone: every train image against every test image.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tiff", ".pgm", ".ppm", ".pbm", ".svg")

ODD_NAMES = [
    b"with space.png",
    b" leading and trailing .png",
    b"comma, and ,,.png",
    b'one "quote".png',
    b'"all quoted".png',
    b"line\nfeed.png",
    b"carriage\rreturn.png",
    b"both\r\n.png",
    b"tab\there.png",
    "Bär 猫 🐦.png".encode(),
    "e\u0301 decomposed.png".encode(),
    b"latin\xe9.png",
    b"literal\\xe9.png",
    b"hash#1.png",
    b"=cmd|' C calc'!A0.png",
    b"-minus.png",
    b"@at.png",
    b"back\\slash.png",
    b"100%25.png",
    b"[ab]*?.png",
    b"a;b.png",
    b"NA.png",
    b"0012.png",
]
"""File names that break careless programs, as bytes on disk."""

ODD_FOLDER = b"odd, folder\n="

Row = tuple[str, str, str, float, str, str]


def text_of(path: bytes) -> str:
    """Spell a path as docs/formats.md says: bytes that are not UTF-8, and a backslash before xNN, escaped."""
    text = path.replace(b"\\xe9", b"\\x5cxe9").decode("utf-8", "surrogateescape")
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)


@dataclass(frozen=True)
class Picture:
    """What brute force knows of a file that decodes."""

    path: str
    content: bytes
    pixels: tuple[str, tuple[int, int], bytes]
    phash: int


def pictures(folder: Path) -> Iterator[Picture]:
    """Decode every image below `folder`, following links, with Pillow."""
    for place, _, names in os.walk(os.fsencode(folder), followlinks=True):
        for name in names:
            path = os.path.join(place, name)
            if not os.fsdecode(name).lower().endswith(IMAGE_ENDINGS):
                continue
            try:
                with Image.open(os.fsdecode(path)) as image:
                    image.load()
                    pixels = (image.mode, image.size, image.tobytes())
                    phash = int(str(imagehash.phash(image)), 16)
            except OSError:
                continue
            yield Picture(text_of(path), Path(os.fsdecode(path)).read_bytes(), pixels, phash)


class BruteForce:
    """All pairs between two folders."""

    def __init__(self, train: Path, test: Path) -> None:
        self.train, self.test = list(pictures(train)), list(pictures(test))
        hashes = [np.array([p.phash for p in side], dtype=np.uint64) for side in (self.train, self.test)]
        self.distance = np.bitwise_count(hashes[0][:, None] ^ hashes[1][None, :])

    def rows(self, *methods: str, radius: int) -> set[Row]:
        """Return the first six columns of every row that the report must have."""
        found: set[Row] = set()
        if "perceptual" in methods:
            for i, j in np.argwhere(self.distance <= radius).tolist():
                d = int(self.distance[i, j])
                names = (self.train[i].path, self.test[j].path)
                found.add((*names, "perceptual", round(1 - d / 64, 6), "near_duplicate", str(d)))
        for a in self.train if "exact" in methods else ():
            for b in self.test:
                if a.content == b.content or a.pixels == b.pixels:
                    found.add((a.path, b.path, "exact", 1.0, "exact_duplicate", ""))
        return found


def read_report(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:6] == [
        "train_image",
        "test_image",
        "method",
        "similarity",
        "leak_type",
        "hamming_distance",
    ]
    return [(row[0], row[1], row[2], float(row[3]), row[4], row[5]) for row in rows]


def link_all(sources: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        (folder / f"{source.parent.parent.name}-{source.parent.name}-{source.name}").symlink_to(
            source.resolve()
        )


def plant(train: Path, test: Path, photo: Path) -> None:
    """Plant copies with odd names, repacked pixels, and broken files that are equal on both sides."""
    place = {side: os.fsencode(side) + b"/" + ODD_FOLDER for side in (train, test)}
    for number, name in enumerate(ODD_NAMES):
        picture = Image.open(photo).convert("RGB").crop((number * 7, number * 5, number * 7 + 90, 150))
        for side in (train, test):
            os.makedirs(place[side], exist_ok=True)
            picture.save(os.fsdecode(os.path.join(place[side], name)), "PNG")
    with Image.open(photo) as image:
        image.save(train / "repacked.bmp")
        image.save(test / "repacked.webp", lossless=True)
        image.save(test / "requality.jpg", quality=60)
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(test / "mirrored.png")
    for side in (train, test):
        (side / "empty.jpg").touch()
        (side / "text.png").write_text("no picture")
        (side / "cut.jpg").write_bytes(photo.read_bytes()[:4000])
        (side / "notes.txt").write_text("no sample")


@pytest.fixture(scope="module", params=["small", pytest.param("whole", marks=pytest.mark.slow)])
def sides(
    request: pytest.FixtureRequest, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Two folders of real pictures, by links; the small ones are picked so that each source leaks."""
    is_small = request.param == "small"
    root = tmp_path_factory.mktemp("real")
    train, test = root / "train", root / "test"
    cifar = test_data / "cifar10-slice"
    judged = pd.read_csv(cifar / "cifair_pairs.csv")
    for name, side in (("train", train), ("test", test)):
        paths = sorted({p for c in ("image_a", "image_b") for p in judged[c] if p.startswith(name)})
        every = [cifar / p for p in paths] if is_small else sorted((cifar / name).rglob("*.png"))
        link_all(every, side / "cifar")
    photos = sorted((test_data / "imagenet-photos").iterdir())
    link_all(photos[:12] if is_small else photos[:300], train / "photos")
    link_all(photos[8:16] if is_small else photos[250:], test / "photos")
    zoo = sorted(p for p in (test_data / "imagededup-tests").rglob("*.*") if p.is_file())
    link_all(zoo[::2], train / "zoo")
    link_all(zoo[1::2] + zoo[:6:2], test / "zoo")
    stock = sorted((test_data / "cleanvision-tests").iterdir())
    # One of them has 22 million pixels, which takes longer than all the others.
    stock = [path for path in stock if not (is_small and path.stat().st_size > 5_000_000)]
    link_all(stock, train / "stock")
    (test / "stock").mkdir()
    for path in stock:
        shutil.copy(path, test / "stock")
    plant(train, test, test_data / "imagededup-tests" / "base_images" / "ukbench00120.jpg")
    return train, test


@pytest.fixture(scope="module")
def brute_force(sides: tuple[Path, Path]) -> BruteForce:
    return BruteForce(*sides)


@pytest.fixture(scope="module")
def first_call(commands, sides) -> tuple[list[str], Path]:
    """The arguments that every call on the pictures begins with, and the report of the first call."""
    train, test = sides
    options = ["leaks", "-w", train.parent / "ws", "--train", train, "--test", test, "--log-json"]
    output = train.parent / "leaks10.csv"
    done = commands.run(
        *options, "--methods", "exact,perceptual", "--phash-threshold", 10, "--output", output
    )
    assert "scanning" in done.stages()
    return options, output


def test_leaks__equal_brute_force(first_call, brute_force, commands, tmp_path) -> None:
    options, output = first_call
    found = read_report(output)
    assert set(found) == brute_force.rows("exact", "perceptual", radius=10)
    assert len(found) == len(set(found))
    output = tmp_path / "leaks0.csv"
    done = commands.run(*options, "--methods", "exact,perceptual", "--phash-threshold", 0, "--output", output)
    assert set(read_report(output)) == brute_force.rows("exact", "perceptual", radius=0)
    assert "scanning" not in done.stages(), "a second call scanned again"


def test_leaks__stages_give_what_one_call_gives(first_call, brute_force, sides, commands, tmp_path) -> None:
    options, whole = first_call
    output = tmp_path / "leaks.csv"
    commands.run(*options, "--methods", "exact", "--output", output)
    found = pd.read_csv(output)
    expected = {(row[0], row[1]) for row in brute_force.rows("exact", radius=0)}
    assert set(zip(found["train_image"], found["test_image"], strict=True)) == expected
    planted = {
        tuple(text_of(os.fsencode(side) + b"/" + ODD_FOLDER + b"/" + name) for side in sides)
        for name in ODD_NAMES
    }
    assert planted <= expected, "odd file names did not survive pandas"

    commands.run(*options, "--methods", "perceptual", "--phash-threshold", 5, "--output", output)
    assert set(read_report(output)) == brute_force.rows("exact", "perceptual", radius=5)
    commands.run(*options, "--methods", "perceptual", "--phash-threshold", 10, "--output", output)
    assert output.read_bytes() == whole.read_bytes()


def test_leaks__other_inputs_drop_old_rows(first_call, sides, commands, tmp_path) -> None:
    output = tmp_path / "leaks.csv"
    shutil.copyfile(first_call[1], output)
    for suffix in ("_summary.txt", "_summary.json"):
        shutil.copyfile(first_call[1].with_name(f"leaks10{suffix}"), tmp_path / f"leaks{suffix}")
    for side in ("train", "test"):
        shutil.copytree(sides[1] / "stock", tmp_path / side)
    options = ("-w", tmp_path / "ws", "--train", tmp_path / "train", "--test", tmp_path / "test")
    commands.run("leaks", *options, "--methods", "perceptual", "--output", output)
    expected = BruteForce(tmp_path / "train", tmp_path / "test").rows("perceptual", radius=5)
    assert set(read_report(output)) == expected and len(expected) >= 9
