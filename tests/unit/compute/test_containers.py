"""Reading headers without decoding."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chaffinch.compute.containers import (
    has_png_end,
    jpeg_header,
    jpeg_quality,
    png_without_texts,
    undecodable_format,
)


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(3000, dtype=np.uint8).reshape(20, 50, 3)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", range(1, 101))
def test_jpeg_quality__is_exact_for_the_ijg_encoder(quality: int) -> None:
    header = jpeg_header(jpeg(quality=quality))
    assert header is not None and header.luma_table is not None
    assert jpeg_quality(header.luma_table) == quality


def test_jpeg_quality__foreign_tables_give_the_nearest() -> None:
    header = jpeg_header(jpeg(quality=80))
    assert header is not None and header.luma_table is not None
    shifted = bytes(min(255, step + (k % 2)) for k, step in enumerate(header.luma_table))
    assert 76 <= jpeg_quality(shifted) <= 80


def test_jpeg_quality__reads_16_bit_tables() -> None:
    header = jpeg_header(jpeg(quality=60))
    assert header is not None and header.luma_table is not None
    assert jpeg_quality(b"".join(step.to_bytes(2, "big") for step in header.luma_table)) == 60


def test_jpeg_header__reads_size_and_components() -> None:
    header = jpeg_header(jpeg(progressive=True))
    assert header is not None
    assert (header.width, header.height, header.n_components, header.is_plain) == (50, 20, 3, True)


def test_jpeg_header__multi_picture_files_are_left_to_pillow() -> None:
    data = jpeg()
    marked = data[:2] + b"\xff\xe2\x00\x08MPF\x00\x00\x00" + data[2:]
    header = jpeg_header(marked)
    assert header is not None
    assert not header.is_plain


@given(st.binary(max_size=200), st.booleans())
def test_jpeg_header__never_raises(data: bytes, is_marked: bool) -> None:
    jpeg_header(b"\xff\xd8\xff\xdb" + data if is_marked else data)


@given(st.integers(0, 2000))
def test_jpeg_header__never_raises_for_cut_files(length: int) -> None:
    jpeg_header(jpeg()[:length])


def test_png__texts_are_left_out_and_the_end_is_seen() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG", icc_profile=b"profile")
    data = buffer.getvalue()
    assert b"iCCP" in data
    assert b"iCCP" not in png_without_texts(data)
    assert has_png_end(png_without_texts(data))
    assert not has_png_end(data[:-8])


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xef\xbb\xbf <svg>", "SVG"),
        (b"<!-- made by hand --><svg>", "SVG"),
        (b"\0\0\0\x20ftypmif1", "HEIF"),
        (b"\0\0\0\x20ftypxxxx", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_undecodable_format__names_what_it_is(data: bytes, name: str | None) -> None:
    assert undecodable_format(data) == name
