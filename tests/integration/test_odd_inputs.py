"""Every kind of broken or odd file becomes one row with the right outcome; memory stays flat."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RANDOM = np.random.default_rng(3)
PHOTO = Image.fromarray(RANDOM.integers(0, 256, (9, 12, 3), np.uint8)).resize(
    (96, 72), Image.Resampling.BICUBIC
)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, packed: bytes) -> bytes:
    """Return a gray 8-bit PNG with any header and any packed pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


JPEG = encoded(PHOTO, "JPEG", quality=90)
PNG = encoded(PHOTO, "PNG")
FRAMES = [Image.new("RGB", (40, 30), (number * 60, 20, 90)) for number in range(4)]
DEEP = Image.fromarray((RANDOM.integers(0, 65536, (40, 50))).astype(np.uint16))
FLOATS = Image.fromarray(RANDOM.random((40, 50), np.float32))
EXIF = Image.Exif()
EXIF[0x0112] = 6

OK: dict[str, bytes] = {
    "png called.jpg": PNG,
    "jpeg called.png": JPEG,
    "upper case.JPEG": JPEG,
    "progressive.jpg": encoded(PHOTO, "JPEG", progressive=True),
    "gray.jpg": encoded(PHOTO.convert("L"), "JPEG"),
    "cmyk.jpg": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "rotated by exif.jpg": encoded(PHOTO, "JPEG", exif=EXIF),
    "junk behind the end.jpg": JPEG + b"\0" * 500 + b"junk",
    "animated.gif": encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
    "animated.webp": encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
    "animated.png": encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
    "pages.tiff": encoded(PHOTO, "TIFF", save_all=True, append_images=FRAMES),
    "sixteen bits.png": encoded(DEEP, "PNG"),
    "sixteen bits.tiff": encoded(DEEP, "TIFF"),
    "floats.tiff": encoded(FLOATS, "TIFF"),
    "one bit.png": encoded(PHOTO.convert("1"), "PNG"),
    "palette.png": encoded(PHOTO.convert("P"), "PNG"),
    "palette, transparent.png": encoded(PHOTO.quantize(8), "PNG", transparency=3),
    "alpha.png": encoded(PHOTO.convert("RGBA"), "PNG"),
    "gray alpha.png": encoded(PHOTO.convert("LA"), "PNG"),
    "lab.tiff": encoded(Image.new("LAB", (20, 20)), "TIFF"),
    "bitmap.bmp": encoded(PHOTO, "BMP"),
    "icon.ico": encoded(PHOTO, "ICO"),
    "targa.tga": encoded(PHOTO, "TGA"),
    "jpeg2000.jp2": encoded(PHOTO, "JPEG2000"),
    "text.pgm": b"P2\n2 2\n255\n0 60 120 255\n",
    "one pixel.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
    "one row.png": encoded(Image.new("L", (5000, 1)), "PNG"),
    "one column.jpg": encoded(Image.new("RGB", (1, 5000)), "JPEG"),
    "all white.png": encoded(Image.new("RGB", (64, 64), "white"), "PNG"),
    "long text inside.png": PNG[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 3_000_000)) + PNG[33:],
    'comma, "quote"\nnew line.png': PNG,
}
"""Odd, but pictures."""

BROKEN: dict[str, bytes] = {
    "empty.jpg": b"",
    "text.jpg": b"<html>404 not found</html>",
    "noise.jpg": RANDOM.bytes(3000),
    "zeros.png": b"\0" * 4096,
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "cut at the end.jpg": JPEG[:-2],
    "header alone.jpg": JPEG[:20],
    "two bytes.jpg": b"\xff\xd8",
    "cut.png": PNG[: len(PNG) // 2],
    "cut at the end.png": PNG[:-12],
    "bad checksum.png": PNG[:50] + bytes([PNG[50] ^ 255]) + PNG[51:],
    "header alone.png": PNG[:33],
    "cut.gif": encoded(PHOTO, "GIF")[:200],
    "cut.webp": encoded(PHOTO, "WEBP")[:200],
    "cut.bmp": encoded(PHOTO, "BMP")[:200],
    "cut.tiff": encoded(PHOTO, "TIFF")[:200],
    "no pixels.png": png(0, 0, zlib.compress(b"")),
}
"""Nothing, or not all of a picture."""

SKIPPED: dict[str, bytes] = {
    "bomb.png": png(30_000, 30_000, zlib.compress(b"\0" * 100)),
    "long side.png": png(2_000_000, 1, zlib.compress(b"\0" * 100)),
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200,
}
"""Over the pixel limit, or no decoder."""


def make_dataset(folder: Path) -> None:
    folder.mkdir()
    for name, content in {**OK, **BROKEN, **SKIPPED}.items():
        (folder / name).write_bytes(content)
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "good link.jpg").symlink_to("upper case.JPEG")
    (folder / "unreadable.jpg").write_bytes(JPEG)
    (folder / "unreadable.jpg").chmod(0)
    os.mkfifo(folder / "fifo.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg" / "inside.png").write_bytes(PNG)
    (folder / "notes.txt").write_text("no sample")
    (folder / ".hidden.jpg").write_bytes(JPEG)


def test_scan__one_row_each_with_the_right_outcome(
    commands, limited_root: Callable[[], None] | None, table_rows, tmp_path
) -> None:
    make_dataset(tmp_path / "odd")
    done = commands.run(
        "scan", tmp_path / "odd", "-w", tmp_path / "ws", "--log-json", preexec_fn=limited_root
    )
    rows = {row["key"].removeprefix("all/"): row for row in table_rows("samples", tmp_path / "ws")}
    expected = dict.fromkeys((*OK, "good link.jpg", "folder.jpg/inside.png"), "ok")
    expected |= dict.fromkeys((*BROKEN, "unreadable.jpg"), "broken")
    expected |= dict.fromkeys(SKIPPED, "skipped")
    expected |= {"dangling.jpg": "missing", "loop.jpg": "broken"}
    assert {name: row["outcome"] for name, row in rows.items()} == expected
    for name, row in rows.items():
        is_ok = row["outcome"] == "ok"
        assert (not row["error"]) == is_ok, name
        assert (
            row["phash"] is not None and row["pixels_digest"] is not None and row["width"] > 0
        ) == is_ok, name
    assert rows["png called.jpg"]["format"] == "PNG" and rows["png called.jpg"]["mode"] == "RGB"
    assert (rows["rotated by exif.jpg"]["width"], rows["rotated by exif.jpg"]["height"]) == PHOTO.size
    assert rows["png called.jpg"]["pixels_digest"] == rows["long text inside.png"]["pixels_digest"]
    assert rows["palette.png"]["saturation"] > 0.1, "a palette holds colours"
    assert rows["upper case.JPEG"]["bytes_digest"] == rows["good link.jpg"]["bytes_digest"]
    lines = done.stderr.splitlines()
    assert all(line.startswith(("{", "next: ")) for line in lines), "something else than events on stderr"
    assert "1 not an image" in done.stdout and "1 hidden" in done.stdout and "1 not a regular" in done.stdout


@pytest.mark.slow
def test_leaks__pass_odd_files_by(commands, table_rows, tmp_path) -> None:
    for side in ("train", "val"):
        make_dataset(tmp_path / side)
    commands.run("leaks", "-w", tmp_path / "ws", "--train", tmp_path / "train", "--test", tmp_path / "val")
    outcome = {row["key"]: row["outcome"] for row in table_rows("samples", tmp_path / "ws")}
    pairs = table_rows("pairs", tmp_path / "ws")
    assert {outcome[row[key]] for row in pairs for key in ("key_a", "key_b")} == {"ok"}
    exact = {(row["key_a"], row["key_b"]) for row in pairs if row["method"] == "exact"}
    assert {(f"train/{name}", f"val/{name}") for name in OK} <= exact


def huge_png(path: Path, side: int, seed: int) -> None:
    """Write a colour PNG of a smooth gradient, row by row."""
    row = np.linspace(seed * 20, 255, side * 3).astype(np.uint8).tobytes()
    packer = zlib.compressobj(1)

    def rows() -> Iterator[bytes]:
        for number in range(side):
            yield packer.compress(b"\0" + row if number % 64 else b"\0" + bytes(len(row)))
        yield packer.flush()

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(rows())) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.slow
def test_scan__memory_stays_flat_with_huge_images(commands, table_rows, tmp_path) -> None:
    (tmp_path / "huge").mkdir()
    for seed in range(4):
        huge_png(tmp_path / "huge" / f"{seed}.png", 12_000, seed)
    (tmp_path / "huge" / "bomb.png").write_bytes(SKIPPED["bomb.png"])
    # Without vectors: the model would take its own 80 MB, whatever the images.
    options = ("--workers", 1, "--embedder", "none")
    done = commands.run("scan", tmp_path / "huge", "-w", tmp_path / "ws", *options)
    outcomes = [row["outcome"] for row in table_rows("samples", tmp_path / "ws")]
    assert sorted(outcomes) == ["ok"] * 4 + ["skipped"]
    assert done.peak_mib < 1536
