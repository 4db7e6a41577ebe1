"""What a container tells without decoding: JPEG headers, the end of a PNG, formats without a decoder here.

Nothing here raises: a file that makes no sense gives None or False, and the decoder then says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_SOI = b"\xff\xd8"
_SOS, _EOI, _DQT, _APP2, _TEM = 0xDA, 0xD9, 0xDB, 0xE2, 0x01
_RST0, _RST7 = 0xD0, 0xD7
_PLAIN_FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive Huffman frames: what every decoder reads alike."""
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")

_FTYP_NAMES = {
    b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"heim": "HEIC", b"heis": "HEIC",
    b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF", b"avis": "AVIF", b"crx ": "Canon raw",
    b"isom": "video (MP4)", b"mp41": "video (MP4)", b"mp42": "video (MP4)", b"qt  ": "video (QuickTime)",
}  # fmt: skip
"""Brands of ISO base media files (ISO/IEC 14496-12), and what people call them."""

_SIGNATURES = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "ZIP"),
)

_ZIGZAG = np.array(
    [ 0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5, 12, 19, 26, 33, 40, 48,
     41, 34, 27, 20, 13,  6,  7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
     30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63]
)  # fmt: skip
"""Row-by-row position of each entry of a stored table; ITU-T T.81, figure A.6."""

_LUMINANCE = np.array(
    [16, 11, 10, 16,  24,  40,  51,  61, 12, 12, 14, 19,  26,  58,  60,  55,
     14, 13, 16, 24,  40,  57,  69,  56, 14, 17, 22, 29,  51,  87,  80,  62,
     18, 22, 37, 56,  68, 109, 103,  77, 24, 35, 55, 64,  81, 104, 113,  92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103,  99]
)  # fmt: skip
"""The luminance table that encoders scale; ITU-T T.81, table K.1."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The header of a JPEG up to its first scan."""

    width: int
    """Pixels."""
    height: int
    """Pixels; 0 where it is only told after the scan."""
    n_components: int
    """1 gray, 3 colour, 4 CMYK."""
    is_plain: bool
    """8-bit Huffman coding in one picture: what simplejpeg and Pillow decode to the same pixels."""
    luma_table: bytes | None
    """64 quantisation steps of the first component as stored (zigzag, 1 or 2 bytes each), or None."""


def jpeg_header(data: bytes) -> JpegHeader | None:
    """Read the marker segments of a JPEG before its first scan; None where `data` has no frame header.

    Cost: a few microseconds.
    Source: ITU-T T.81, annex B.
    """
    tables: dict[int, bytes] = {}
    frame: tuple[int, bytes] | None = None
    is_multi_picture = False
    for marker, body in _segments(data):
        if marker == _DQT:
            tables.update(_quantisation_tables(body))
        elif marker in _PLAIN_FRAMES or marker in _OTHER_FRAMES:
            frame = frame or (marker, body)
        elif marker == _APP2 and body.startswith(b"MPF\0"):
            is_multi_picture = True
    if frame is None or len(frame[1]) < 9:
        return None
    marker, body = frame
    return JpegHeader(
        width=int.from_bytes(body[3:5], "big"),
        height=int.from_bytes(body[1:3], "big"),
        n_components=body[5],
        is_plain=marker in _PLAIN_FRAMES and body[0] == 8 and not is_multi_picture,
        luma_table=tables.get(body[8]),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2 if data.startswith(_SOI) else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == _TEM or _RST0 <= marker <= _RST7:
            at += 2
        elif marker in (_SOS, _EOI):
            return
        else:
            length = data[at + 2] << 8 | data[at + 3]
            # Only the start of long segments (profiles, EXIF) is looked at.
            yield marker, data[at + 4 : at + 2 + min(length, 1024)]
            at += 2 + max(length, 2)


def _quantisation_tables(body: bytes) -> dict[int, bytes]:
    tables: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        size = 128 if body[at] >> 4 else 64
        steps = body[at + 1 : at + 1 + size]
        if len(steps) == size:
            tables[body[at] & 15] = steps
        at += 1 + size
    return tables


@lru_cache(maxsize=1)
def _scaled_tables() -> np.ndarray:
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables: np.ndarray = np.clip((_LUMINANCE[_ZIGZAG] * scale[:, None] + 50) // 100, 1, 255)
    return tables


@lru_cache(maxsize=1024)
def jpeg_quality(luma_table: bytes) -> int:
    """Estimate the quality setting, 1..100, of the encoder that wrote a luminance table.

    Exact for files of the IJG library and its descendants; for other encoders (camera makers, Photoshop) the
    setting whose table is nearest. Equal tables of several settings give the lowest.

    Args:
        luma_table: 64 quantisation steps in zigzag order, 1 or 2 bytes each (big-endian).

    Source: the scaling rule of the Independent JPEG Group's library (`jpeg_quality_scaling`): 5000 / q below
        50, else 200 - 2 q percent of table K.1, rounded, within 1..255.
    """
    steps = np.frombuffer(luma_table, np.uint8 if len(luma_table) == 64 else ">u2").astype(np.int64)
    distance = np.abs(_scaled_tables() - steps).sum(axis=1)
    return int(np.argmin(distance)) + 1


def is_png(data: bytes) -> bool:
    """Say whether `data` begins as a PNG."""
    return data.startswith(_PNG_SIGNATURE)


def has_png_end(data: bytes) -> bool:
    """Say whether the chunks of a PNG reach their IEND; Pillow does not mind a missing one."""
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False


def png_without_texts(data: bytes) -> bytes:
    """Return a PNG without its text, profile and EXIF chunks, which Pillow refuses to open above 1 MB."""
    kept = [_PNG_SIGNATURE]
    at = len(_PNG_SIGNATURE)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in _PNG_TEXT:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def undecodable_format(data: bytes) -> str | None:
    """Name a format that is an image, or close to one, but has no decoder here; None for anything else."""
    if data[4:8] == b"ftyp":
        return _FTYP_NAMES.get(data[8:12])
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (
        head.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head
    ):
        return "SVG"
    return None
