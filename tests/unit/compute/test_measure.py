"""Every kind of odd or broken file ends as the right outcome; nothing raises; results are deterministic."""

import io
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from chaffinch.compute.measure import measure, warm_up
from chaffinch.records import Measurement
from chaffinch.settings import MeasureSettings

FULL = MeasureSettings()
SMALL_LIMIT = MeasureSettings(max_pixels=1_000_000)


def picture(mode: str = "RGB", width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, container: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, container, **options)
    return buffer.getvalue()


JPEG = encoded(picture(), "JPEG")
PROGRESSIVE = encoded(picture(), "JPEG", progressive=True)
PNG = encoded(picture(), "PNG")
GIF = encoded(picture("P"), "GIF")
WEBP = encoded(picture(), "WEBP")
TIFF = encoded(picture(), "TIFF")
BMP = encoded(picture(), "BMP")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def with_palette_alpha() -> bytes:
    palette = picture().quantize(16)
    return encoded(palette, "PNG", transparency=bytes(range(16)))


def sixteen_bits() -> bytes:
    return encoded(Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70), "PNG")


def animated_gif() -> bytes:
    frames = [picture("P", seed=s) for s in range(3)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def sof_height(jpeg: bytes, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">H", height) + jpeg[at + 2 :]


def png_with(kind: bytes, body: bytes) -> bytes:
    """PNG with one more chunk behind its header."""
    return PNG[:33] + png_chunk(kind, body) + PNG[33:]


BROKEN_EXIF = b"Exif\0\0MM\0*\xff\xff\xff\xff"
LONG_TEXT = b"note\0\0" + zlib.compress(bytes(3_000_000))

ODD: dict[str, tuple[bytes, str, str]] = {
    # name: bytes, outcome, and format + mode, or a word of the error
    "empty": (b"", "broken", "empty"),
    "text named .jpg": (b"this is not a picture\n" * 50, "broken", "not an image"),
    "noise named .jpg": (np.random.default_rng(1).bytes(5000), "broken", "not an image"),
    "html named .jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "broken", "not an image"),
    "JPEG start only": (b"\xff\xd8\xff", "broken", "JPEG"),
    "cut JPEG": (JPEG[: len(JPEG) * 3 // 4], "broken", "truncated"),
    "JPEG cut in its header": (JPEG[:300], "broken", "header is damaged or cut off"),
    "JPEG without end marker": (JPEG[:-2], "broken", "truncated"),
    "cut progressive JPEG": (PROGRESSIVE[: len(PROGRESSIVE) * 3 // 4], "broken", "truncated"),
    "cut PNG": (PNG[: len(PNG) // 2], "broken", "truncated"),
    "PNG without IEND": (PNG[:-12], "broken", "cut off"),
    "PNG cut in IEND": (PNG[:-6], "broken", "cut off"),
    "cut GIF": (GIF[: len(GIF) // 2], "broken", "truncated"),
    "cut WebP": (WEBP[: len(WEBP) // 2], "broken", "header is damaged or cut off"),
    "cut TIFF": (TIFF[: len(TIFF) // 2], "broken", "TIFF"),
    "cut BMP": (BMP[: len(BMP) // 2], "broken", "truncated"),
    "bomb PNG": (png_header(60_000, 60_000) + PNG[33:], "skipped", "60000 x 60000 pixels are over the limit"),
    "bomb JPEG": (sof_height(encoded(picture(width=3000), "JPEG"), 65500), "skipped", "over the limit"),
    "endless side": (png_header(1, 2_000_000) + PNG[33:], "skipped", "1 x 2000000"),
    "PNG of no width": (png_header(0, 5) + PNG[33:], "broken", "damaged image: PNG"),
    "GIF of no size but that of its frame": (GIF[:6] + bytes(4) + GIF[10:], "ok", "GIF P"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "skipped", "no decoder for SVG"),
    "svg with prolog": (b"<?xml version='1.0'?>\n<svg/>", "skipped", "no decoder for SVG"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), "skipped", "no decoder for HEIC"),
    "jxl": (b"\xff\x0a" + bytes(40), "skipped", "no decoder for JPEG XL"),
    "pdf": (b"%PDF-1.7\n", "skipped", "no decoder for PDF"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "skipped", "PostScript"),
    "PNG named .jpg": (PNG, "ok", "PNG RGB"),
    "animated GIF": (animated_gif(), "ok", "GIF P"),
    "progressive JPEG": (PROGRESSIVE, "ok", "JPEG RGB"),
    "JPEG with trailing garbage": (JPEG + b"garbage" * 99, "ok", "JPEG RGB"),
    "JPEG with fill before a marker": (JPEG[:2] + b"\xff\xff" + JPEG[2:], "ok", "JPEG RGB"),
    "gray JPEG": (encoded(picture("L"), "JPEG"), "ok", "JPEG L"),
    "CMYK JPEG": (encoded(picture("CMYK"), "JPEG"), "ok", "JPEG CMYK"),
    "16-bit PNG": (sixteen_bits(), "ok", "PNG I;16"),
    "palette PNG": (encoded(picture("P"), "PNG"), "ok", "PNG P"),
    "palette with transparency": (with_palette_alpha(), "ok", "PNG P"),
    "RGBA PNG": (encoded(picture("RGBA"), "PNG"), "ok", "PNG RGBA"),
    "gray with alpha": (encoded(picture("LA"), "PNG"), "ok", "PNG LA"),
    "one bit": (encoded(picture("1"), "PNG"), "ok", "PNG 1"),
    "float TIFF": (encoded(picture("F"), "TIFF"), "ok", "TIFF F"),
    "LAB TIFF": (encoded(Image.merge("LAB", picture().split()), "TIFF"), "ok", "TIFF LAB"),
    "BMP": (BMP, "ok", "BMP RGB"),
    "WebP": (WEBP, "ok", "WEBP RGB"),
    "TIFF": (TIFF, "ok", "TIFF RGB"),
    "one pixel": (encoded(picture(width=1, height=1), "JPEG"), "ok", "JPEG RGB"),
    "thin strip": (encoded(picture(width=3000, height=1), "PNG"), "ok", "PNG RGB"),
    "PNG with a long text": (png_with(b"zTXt", LONG_TEXT), "ok", "PNG RGB"),
    "PNG with a huge profile": (png_with(b"iCCP", LONG_TEXT), "ok", "PNG RGB"),
    "JPEG with broken EXIF": (encoded(picture(), "JPEG", exif=BROKEN_EXIF), "ok", "JPEG RGB"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_measure__outcome_of_odd_files(name: str) -> None:
    data, outcome, says = ODD[name]
    got = measure(data, FULL, suffix=".jpg")
    assert (got.outcome, got.size_bytes) == (outcome, len(data))
    assert got.bytes_digest == blake3(data).hexdigest()[:32]
    if outcome == "ok":
        assert f"{got.format} {got.mode}" == says
        assert_complete(got)
    else:
        assert got.error is not None
        assert says in got.error
        assert got.phash is got.pixels_digest is got.width is None


def assert_complete(got: Measurement) -> None:
    assert got.error is None
    assert got.width and got.height and got.quality and got.thumbnail and got.micro
    assert got.pixels_digest is not None and len(got.pixels_digest) == 32
    assert got.phash_d4 is not None and int(got.phash_d4[0]) == got.phash
    assert len(got.micro) == 768
    assert all(np.isfinite(astuple(got.quality)))
    with Image.open(io.BytesIO(got.thumbnail)) as thumbnail:
        assert max(thumbnail.size) == min(160, max(got.width, got.height))


def test_measure__hashes_alone_leave_out_what_only_full_needs() -> None:
    full, hashes = measure(JPEG, FULL), measure(JPEG, MeasureSettings(level="hashes"))
    assert (hashes.quality, hashes.thumbnail, hashes.micro) == (None, None, None)
    assert (hashes.phash, hashes.pixels_digest, hashes.jpeg_quality) == (full.phash, full.pixels_digest, 75)


def test_measure__size_is_told_before_exif_rotation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    got = measure(encoded(picture(width=64, height=48), "JPEG", exif=exif.tobytes()), FULL)
    assert (got.width, got.height) == (64, 48)


def test_measure__pixels_digest_is_equal_exactly_for_equal_pictures() -> None:
    image = picture("P")
    palette = np.resize(np.array(image.getpalette(), np.uint8), (256, 3))
    renumbered = Image.frombytes("P", image.size, (255 - np.asarray(image)).tobytes())
    renumbered.putpalette(palette[::-1].tobytes())
    brighter = image.copy()
    brighter.putpalette([min(255, v + 9) for v in image.getpalette() or []])
    digest = {
        name: measure(data, FULL).pixels_digest
        for name, data in {
            "png": PNG, "bmp": BMP, "tiff": TIFF, "jpeg": JPEG, "gif": GIF,
            "gray": encoded(picture("L"), "PNG"),
            "turned": encoded(picture(width=48, height=64), "PNG"),
            "palette": encoded(image, "PNG"), "renumbered": encoded(renumbered, "PNG"),
            "brighter": encoded(brighter, "PNG"),
        }.items()
    }  # fmt: skip
    assert digest["png"] == digest["bmp"] == digest["tiff"]
    assert digest["palette"] == digest["renumbered"] == digest["gif"]
    distinct = {digest[name] for name in ("png", "jpeg", "gray", "turned", "palette", "brighter")}
    assert len(distinct) == 6


def test_measure__jpeg_and_png_of_the_same_pixels_are_equal() -> None:
    for data in (JPEG, encoded(picture("L"), "JPEG")):
        same = encoded(Image.open(io.BytesIO(data)), "PNG")
        assert measure(data, FULL).pixels_digest == measure(same, FULL).pixels_digest


def test_measure__tga_needs_its_name() -> None:
    data = encoded(picture(), "TGA")
    assert measure(data, FULL, suffix=".tga").format == "TGA"
    assert measure(data, FULL, suffix=".jpg").outcome == "broken"


def comparable(got: Measurement) -> tuple[object, ...]:
    return tuple(
        v.tolist() if isinstance(v, np.ndarray) else v for v in (getattr(got, f) for f in got.__slots__)
    )


def test_measure__is_the_same_in_every_thread_and_time() -> None:
    files = [data for data, *_ in ODD.values()]
    expected = [comparable(measure(data, FULL)) for data in files]
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda data: comparable(measure(data, FULL)), files * 3))
    assert got == expected * 3


def test_measure__no_memory_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("chaffinch.compute.decode.simplejpeg.decode_jpeg", fail)
    got = measure(JPEG, FULL)
    assert (got.outcome, got.error) == ("skipped", "not enough memory to decode it")


def test_measure__warnings_stay_inside_and_pillows_settings_untouched() -> None:
    limit, truncated = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    big = encoded(Image.new("L", (1000, 1000)), "PNG")
    corrupt_exif = encoded(picture(), "TIFF")
    with warnings.catch_warnings(record=True) as caught, pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert measure(big, FULL).outcome == "ok"
        assert measure(with_palette_alpha(), FULL).outcome == "ok"
        measure(corrupt_exif[:-40], FULL)
        warnings.warn("the host's own", stacklevel=1)
    assert [str(w.message) for w in caught] == ["the host's own"]
    assert (limit, truncated) == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_warm_up__may_run_in_several_threads() -> None:
    threads = [threading.Thread(target=warm_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measure(JPEG, FULL).outcome == "ok"


SEEDS = [JPEG, PROGRESSIVE, PNG, GIF, WEBP, TIFF, BMP, with_palette_alpha(), encoded(picture("CMYK"), "JPEG")]
OUTCOMES = {"ok", "broken", "skipped"}


def assert_outcome(data: bytes) -> None:
    got = measure(data, SMALL_LIMIT)
    assert got.outcome in OUTCOMES
    assert (got.error is None) == (got.outcome == "ok")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", *(seed[:16] for seed in SEEDS)]))
def test_measure__never_raises_for_random_bytes(data: bytes, head: bytes) -> None:
    assert_outcome(head + data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_measure__never_raises_for_changed_bytes(seed: bytes, draw: st.DataObject) -> None:
    changed = bytearray(seed)
    for _ in range(draw.draw(st.integers(1, 6))):
        changed[draw.draw(st.integers(0, len(seed) - 1))] = draw.draw(st.integers(0, 255))
    assert_outcome(bytes(changed))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([JPEG, PROGRESSIVE, PNG]), st.floats(0, 1, exclude_max=True))
def test_measure__a_cut_jpeg_or_png_is_never_ok(seed: bytes, share: float) -> None:
    assert measure(seed[: int(share * len(seed))], FULL).outcome == "broken"
