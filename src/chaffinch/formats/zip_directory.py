"""The zip format, as far as reading members in place needs it.

Python's `zipfile` keeps an object for every member, about a gigabyte for ImageNet; here the central
directory is streamed, and a member is read from its offset alone. Names are only names: nothing is unpacked.

Source: PKWARE, APPNOTE.TXT - .ZIP File Format Specification 6.3.10, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import bz2
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from chaffinch.errors import SourceError

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 65535
_CHUNK_BYTES = 1 << 20
_ALL_ONES = 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED, _BZIP2 = 0, 8, 12
_LOCAL_SLACK_BYTES = 512
_LINK_TYPE, _TYPE_MASK = 0o120000, 0o170000
_WINDOWS_HOSTS = (0, 10, 14)
"""Systems, by the upper byte of "version made by", on which a backslash parts folders: FAT, NTFS, VFAT."""

ReadRange = Callable[[int, int], bytes]
"""Offset and size to bytes; fewer where the file ends."""


class ZipMember(NamedTuple):
    """One entry of the central directory."""

    name: str
    """Path, '/' between parts; undecodable bytes as Python's surrogate escapes."""
    offset: int
    """Where its local header begins, bytes from the start of the file."""
    packed_bytes: int
    """Size as stored."""
    size_bytes: int
    """Size unpacked."""
    crc: int
    """CRC-32 of the unpacked bytes."""
    is_link: bool
    """True for a symbolic link, whose content is a path."""


def read_directory(file: BinaryIO) -> Iterator[ZipMember]:
    """Stream the central directory of a zip, folders left out, in the order it has.

    Raises:
        SourceError: If the directory is not there, cut off, damaged or spread over several files.
    """
    start, size, shift = _find_directory(file)
    file.seek(start)
    buffer, place, left = b"", 0, size
    while left or place < len(buffer):
        if left and len(buffer) - place < _CHUNK_BYTES // 2:
            chunk = _read_some(file, min(_CHUNK_BYTES, left))
            buffer, place, left = buffer[place:] + chunk, 0, left - len(chunk)
            continue
        member, place = _parse_entry(buffer, place, shift)
        if not member.name.endswith("/"):
            yield member


def _read_some(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if not data:
        raise SourceError("the directory of the zip is cut off", hint="fetch or pack the file again")
    return data


def _find_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory starts, its size, and how far all offsets are shifted."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _MAX_COMMENT - _END.size - _END64_LOCATOR.size)
    file.seek(tail_start)
    tail = file.read()
    place = _end_of_directory(tail)
    _, disk, _, _, _, size, offset, _ = _END.unpack_from(tail, place)
    end = tail_start + place
    locator = place - _END64_LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        end = _END64_LOCATOR.unpack_from(tail, locator)[2]
        size, offset, end = _read_end64(file, end, limit=tail_start + locator)
    if disk not in (0, 0xFFFF):
        raise SourceError("a part of a zip in several files", hint="join the parts with 'zip -s 0'")
    # Something may stand before the zip (a program that unpacks it); offsets do not count that.
    shift = end - size - offset
    if shift < 0:
        raise SourceError("the directory of the zip is damaged", hint="fetch or pack the file again")
    return offset + shift, size, shift


def _end_of_directory(tail: bytes) -> int:
    """Return where the record that ends a zip begins; its comment may hold the same mark."""
    marks = [m.start() for m in re.finditer(b"PK\x05\x06", tail[: len(tail) - _END.size + 4])]
    fitting = [m for m in marks if m + _END.size + _END.unpack_from(tail, m)[-1] == len(tail)]
    if not marks:
        raise SourceError(
            "not a zip, or cut off: its directory is not there", hint="fetch or pack the file again"
        )
    # Where no comment ends with the file, something was appended to it.
    return (fitting or marks)[-1]


def _read_end64(file: BinaryIO, place: int, *, limit: int) -> tuple[int, int, int]:
    """Return size and offset of the directory from the zip64 record, and where that record begins."""
    for start in (place, limit - _END64.size):
        file.seek(max(0, start))
        record = file.read(_END64.size)
        if len(record) == _END64.size and record[:4] == b"PK\x06\x06":
            fields = _END64.unpack(record)
            return fields[8], fields[9], start
    raise SourceError("the zip64 record of the zip is damaged", hint="fetch or pack the file again")


def _parse_entry(buffer: bytes, place: int, shift: int) -> tuple[ZipMember, int]:
    if len(buffer) - place < _ENTRY.size or buffer[place : place + 4] != b"PK\x01\x02":
        raise SourceError("the directory of the zip is damaged", hint="fetch or pack the file again")
    fields = _ENTRY.unpack_from(buffer, place)
    flags, crc, packed, size = fields[3], fields[7], fields[8], fields[9]
    name_len, extra_len, comment_len = fields[10:13]
    attributes, offset = fields[15], fields[16]
    name_start = place + _ENTRY.size
    extra_start = name_start + name_len
    raw = buffer[name_start:extra_start]
    if _ALL_ONES in (packed, size, offset):
        extra = buffer[extra_start : extra_start + extra_len]
        size, packed, offset = _widen(extra, size, packed, offset)
    is_link = (attributes >> 16) & _TYPE_MASK == _LINK_TYPE
    name = _decode_name(raw, flags)
    if fields[1] >> 8 in _WINDOWS_HOSTS and "/" not in name:
        # The format wants '/', but programs on Windows wrote '\\'; one who wrote a '/' knew better.
        name = name.replace("\\", "/")
    member = ZipMember(name, offset + shift, packed, size, crc, is_link)
    return member, extra_start + extra_len + comment_len


def _widen(extra: bytes, *values: int) -> list[int]:
    """Replace each value that did not fit 32 bits by the one in the zip64 extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, place + 4))
            return [next(wide, value) if value == _ALL_ONES else value for value in values]
        place += 4 + length
    return list(values)


def _decode_name(raw: bytes, flags: int) -> str:
    """Decode a name: UTF-8 where it is, else the code page 437 that the format prescribes."""
    if flags & _UTF8:
        return raw.decode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def read_member(read: ReadRange, *, offset: int, packed_bytes: int, crc: int, max_bytes: int) -> bytes | None:
    """Read and unpack one member.

    Args:
        read: Reads from the zip file.
        offset: Where its local header begins.
        packed_bytes: Size as stored.
        crc: CRC-32 that the unpacked bytes must have.
        max_bytes: Largest size to unpack.

    Returns:
        The bytes; None where there are more than `max_bytes`.

    Raises:
        SourceError: If the member is encrypted, damaged, or packed by a method that is not supported.
    """
    if packed_bytes > max_bytes:
        return None
    block = read(offset, _LOCAL.size + _LOCAL_SLACK_BYTES + packed_bytes)
    if len(block) < _LOCAL.size or block[:4] != b"PK\x03\x04":
        raise SourceError("no member of the zip begins here; the file has changed or is damaged")
    _, _, flags, method, _, _, _, _, _, name_len, extra_len = _LOCAL.unpack_from(block)
    if flags & _ENCRYPTED:
        raise SourceError("encrypted member of a zip")
    start = _LOCAL.size + name_len + extra_len
    if len(block) < start + packed_bytes:
        block += read(offset + len(block), start + packed_bytes - len(block))
    packed = block[start : start + packed_bytes]
    data = _unpack(packed, method, max_bytes)
    if len(data) > max_bytes:
        return None
    if zlib.crc32(data) != crc:
        raise SourceError("member of a zip is damaged: its checksum differs")
    return data


def _unpack(packed: bytes, method: int, max_bytes: int) -> bytes:
    try:
        if method == _STORED:
            return packed
        if method == _DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max_bytes + 1)
        if method == _BZIP2:
            return bz2.BZ2Decompressor().decompress(packed, max_bytes + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise SourceError(f"member of a zip is damaged: {error}") from error
    raise SourceError(f"member of a zip is packed by method {method}, which is not supported")
