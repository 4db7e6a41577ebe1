"""The bytes of planned images, streamed in the order asked for.

`SampleRef.member` says how to get them:

| member | meaning |
|---|---|
| `` | the file at `uri` itself, local or remote |
| `zip:OFFSET+PACKED_SIZE+CRC` | member of the zip at `uri` whose local header begins at OFFSET; CRC in hex |
| `tar:OFFSET+SIZE` | SIZE bytes of the tar at `uri`, from OFFSET |
| `parquet:GROUP/ROW/COLUMN` | cell of the Parquet file at `uri`: row ROW of row group GROUP, leaf COLUMN |

A file that cannot be read is an outcome, never an exception: `missing` where nothing is there (also the
archive that held it), `skipped` above `MAX_IMAGE_BYTES`, else `broken`, each with a text. Nothing here blocks
on a fifo. No state is shared between calls, so threads may fetch different shards at the same time.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Protocol

from chaffinch.errors import SourceError
from chaffinch.formats.location import filesystem, open_binary
from chaffinch.formats.zip_directory import read_member
from chaffinch.identity import path_from_text
from chaffinch.records import Fetched, Outcome, SampleRef

if TYPE_CHECKING:
    from chaffinch.formats.parquet_rows import RowCursor

MAX_IMAGE_BYTES = 1 << 30
"""Larger files are skipped unread: no encoded image below the pixel limit is this large."""

_MAX_OPEN_CONTAINERS = 16
_REMOTE_BATCH = 32
"""Remote files asked for at the same time; bounds memory to as many images."""
# Without O_NONBLOCK, opening a fifo would wait for a writer that never comes.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_ABSENT = (FileNotFoundError, NotADirectoryError)


def fetch(refs: Sequence[SampleRef]) -> Iterator[Fetched]:
    """Stream the bytes of images, in the order of `refs`; never raises for an image.

    Archives stay open during the call, so refs that are sorted as their source gave them open each once and
    run through it forward.

    Args:
        refs: Images as a source planned them.

    Raises:
        MissingExtraError: If the images are remote and the package for that is not installed.

    Cost: 0.01 ms of overhead for a local file; memory of one image, or of 32 remote ones.
    """
    containers = _Containers()
    try:
        for kind, run in groupby(refs, key=_kind):
            if kind in (_PLAIN, _CONTAINED):
                yield from map(_fetch_file if kind == _PLAIN else containers.fetch, run)
            else:
                yield from _fetch_remote(run)
    finally:
        containers.close()


_PLAIN, _CONTAINED = "a plain file", "in a container"


def _kind(ref: SampleRef) -> str:
    """Return how an image is read; for remote files the scheme of their URL."""
    if ref.member:
        return _CONTAINED
    return _PLAIN if ref.uri.startswith("/") else ref.uri.partition("://")[0]


# ---------------------------------------------------------------------------------------------- outcomes


def _failed(ref: SampleRef, error: Exception) -> Fetched:
    if isinstance(error, _ABSENT):
        return Fetched(ref, None, "missing", "no such file")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Fetched(ref, None, "broken", text or type(error).__name__)


def _without(ref: SampleRef, outcome: Outcome, error: str) -> Fetched:
    return Fetched(ref, None, outcome, error)


def _too_large(ref: SampleRef) -> Fetched:
    return _without(ref, "skipped", f"larger than {MAX_IMAGE_BYTES} bytes")


# ------------------------------------------------------------------------------------------- plain files


def _fetch_file(ref: SampleRef) -> Fetched:
    try:
        descriptor = os.open(path_from_text(ref.uri), _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        return _failed(ref, error)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            return _without(ref, "broken", "not a regular file")
        if info.st_size > MAX_IMAGE_BYTES:
            return _too_large(ref)
        data = os.read(descriptor, info.st_size)
        while len(data) < info.st_size:
            more = os.read(descriptor, info.st_size - len(data))
            if not more:
                break
            data += more
    except OSError as error:
        return _failed(ref, error)
    finally:
        os.close(descriptor)
    return Fetched(ref, data, "ok", None)


def _fetch_remote(refs: Iterator[SampleRef]) -> Iterator[Fetched]:
    while batch := list(islice(refs, _REMOTE_BATCH)):
        yield from _fetch_remote_batch(batch)


def _fetch_remote_batch(batch: list[SampleRef]) -> Iterator[Fetched]:
    try:
        fs, _ = filesystem(path_from_text(batch[0].uri))
    except SourceError as error:
        yield from (_without(ref, "broken", error.what) for ref in batch)
        return
    wanted = [ref for ref in batch if ref.size_bytes <= MAX_IMAGE_BYTES]
    paths = [fs._strip_protocol(path_from_text(ref.uri)) for ref in wanted]
    # Unlike `cat`, this takes names as they are, also those with `*` or `[` in them.
    found = iter(fs.cat_ranges(paths, [None] * len(paths), [None] * len(paths), on_error="return"))
    for ref in batch:
        if ref.size_bytes > MAX_IMAGE_BYTES:
            yield _too_large(ref)
            continue
        data = next(found)
        yield _failed(ref, data) if isinstance(data, Exception) else Fetched(ref, bytes(data), "ok", None)


# -------------------------------------------------------------------------------------------- containers


class _Container(Protocol):
    """An open file that holds many images."""

    def fetch(self, ref: SampleRef) -> Fetched: ...

    def close(self) -> None: ...


class _Containers:
    """The containers open during one call, the least recently used closed first."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Container] = OrderedDict()

    def fetch(self, ref: SampleRef) -> Fetched:
        """Read one image out of its container."""
        try:
            return self._container(ref).fetch(ref)
        except SourceError as error:
            return _without(ref, "broken", error.what)
        except (OSError, ValueError) as error:
            return _failed(ref, error)

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.popitem()[1].close()

    def _container(self, ref: SampleRef) -> _Container:
        found = self._open.get(ref.uri)
        if found is None:
            kind = ref.member.partition(":")[0]
            if kind not in _OPENERS:
                raise SourceError(f"member {ref.member!r} is of no known kind")
            found = self._open[ref.uri] = _OPENERS[kind](path_from_text(ref.uri))
            if len(self._open) > _MAX_OPEN_CONTAINERS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(ref.uri)
        return found


class _LocalBytes:
    """Byte ranges of a local file."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, _OPEN_FLAGS)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise SourceError("not a regular file")

    def read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        os.close(self._descriptor)


class _RemoteBytes:
    """Byte ranges of a remote file, one request each."""

    def __init__(self, url: str) -> None:
        self._fs, self._path = filesystem(url)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._fs.cat_file(self._path, start=offset, end=offset + size))

    def close(self) -> None:
        pass


def _open_bytes(path: str) -> Any:
    return _LocalBytes(path) if path.startswith("/") else _RemoteBytes(path)


class _Tar:
    def __init__(self, path: str) -> None:
        self._bytes = _open_bytes(path)

    def fetch(self, ref: SampleRef) -> Fetched:
        offset, size = map(int, ref.member.removeprefix("tar:").split("+"))
        if size > MAX_IMAGE_BYTES:
            return _too_large(ref)
        data = self._bytes.read(offset, size)
        if len(data) < size:
            return _without(ref, "broken", f"the archive ends after {len(data)} of its {size} bytes")
        return Fetched(ref, data, "ok", None)

    def close(self) -> None:
        self._bytes.close()


class _Zip:
    def __init__(self, path: str) -> None:
        self._bytes = _open_bytes(path)

    def fetch(self, ref: SampleRef) -> Fetched:
        offset, packed_bytes, crc = ref.member.removeprefix("zip:").split("+")
        data = read_member(
            self._bytes.read,
            offset=int(offset),
            packed_bytes=int(packed_bytes),
            crc=int(crc, 16),
            max_bytes=MAX_IMAGE_BYTES,
        )
        return _too_large(ref) if data is None else Fetched(ref, data, "ok", None)

    def close(self) -> None:
        self._bytes.close()


class _Parquet:
    def __init__(self, path: str) -> None:
        from chaffinch.formats.parquet_rows import RowCursor

        self._rows: RowCursor = RowCursor(open_binary(path))

    def fetch(self, ref: SampleRef) -> Fetched:
        group, row, column = ref.member.removeprefix("parquet:").split("/", 2)
        data = self._rows.bytes_at(column=column, group=int(group), row=int(row))
        if data is None:
            return _without(ref, "missing", "the row holds no image bytes")
        return _too_large(ref) if len(data) > MAX_IMAGE_BYTES else Fetched(ref, data, "ok", None)

    def close(self) -> None:
        self._rows.close()


_OPENERS: dict[str, Callable[[str], _Container]] = {"zip": _Zip, "tar": _Tar, "parquet": _Parquet}
