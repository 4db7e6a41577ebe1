"""Where things lie: local paths and fsspec URLs behind a few functions.

A *location* is what the user typed: a path as the operating system has it, or a URL. A *uri* is the absolute
path or URL spelled by `identity.path_text`; only `path_from_text(uri)` may be opened. `file://` URLs are
local paths. fsspec is imported when the first remote location is met.
"""

from __future__ import annotations

import os
import re
import stat
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from chaffinch.errors import MissingExtraError, SourceError
from chaffinch.identity import path_text

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_EXTRAS = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "http": ("aiohttp", "http"),
    "https": ("aiohttp", "http"),
}
_STAMP_KEYS = (
    "ETag",
    "etag",
    "generation",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "modified",
    "created",
)
_MAX_LISTINGS = 64


class FileStat(NamedTuple):
    """What is known of a file before it is read."""

    size_bytes: int
    """Size; -1 where unknown."""
    stamp: str
    """Changes whenever the bytes may have changed; '' where unknown, which counts as changed."""
    is_regular: bool
    """False for a fifo, socket, device or folder: never to be opened."""


UNKNOWN = FileStat(-1, "", True)
"""A file that cannot be looked at: reading will tell why."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The children of one folder."""

    names: list[str]
    """All of them, sorted."""
    folders: set[str]
    """Those that are folders, or links to folders."""
    identity: tuple[int, int] | None
    """Device and inode of the folder itself; None where there are no links."""
    stat_of: Callable[[str], FileStat]
    """Looks at one child."""


def local_path(location: str) -> str | None:
    """Return the path that `open` takes, or None where the location is a remote URL."""
    if location.startswith("file://"):
        return location.removeprefix("file://")
    return None if _URL.match(location) else location


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path on it.

    Raises:
        MissingExtraError: If the package for this kind of URL is not installed.
        SourceError: If fsspec knows no such kind of URL.
    """
    from fsspec.core import url_to_fs

    try:
        found: tuple[Any, str] = url_to_fs(url)
    except ImportError as error:
        scheme = url.partition("://")[0]
        if scheme in _EXTRAS:
            package, extra = _EXTRAS[scheme]
            raise MissingExtraError(package, extra=extra, needed_for=path_text(url)) from error
        raise SourceError(str(error), where=path_text(url), hint="install the package it names") from error
    except ValueError as error:
        raise SourceError(str(error), where=path_text(url), hint="check the part before '://'") from error
    return found


def absolute_uri(location: str) -> str:
    """Return the uri of a location, without a slash at its end."""
    path = local_path(location)
    if path is None:
        return path_text(location).rstrip("/")
    # `link/..` is not where the text suggests, so only the kernel may resolve a path with `..` in it.
    absolute = os.path.realpath(path) if ".." in path.split("/") else os.path.abspath(path)
    return path_text(absolute)


def trimmed(location: str) -> str:
    """Return the location as typed, without slashes at its end."""
    return location.rstrip("/") or "/"


def joined(folder: str, name: str) -> str:
    """Join a folder as typed with a name below it; an empty folder is the current one."""
    return f"{folder.rstrip('/')}/{name}" if folder else name


def base_name(location: str) -> str:
    """Return the last part of a location, with `.` and `..` resolved."""
    path = local_path(location)
    if path is None:
        return location.rstrip("/").rpartition("/")[2]
    return os.path.abspath(path).rpartition("/")[2]


def open_binary(location: str) -> BinaryIO:
    """Open a local or remote file for reading bytes; raises OSError like `open`."""
    path = local_path(location)
    if path is not None:
        return Path(path).open("rb")
    fs, remote = filesystem(location)
    return cast(BinaryIO, fs.open(remote, "rb"))


def kind_of(location: str) -> str:
    """Return `file`, `folder`, `other` or `nothing`, after what lies at the location."""
    path = local_path(location)
    if path is None:
        fs, remote = filesystem(location)
        if fs.isdir(remote):
            return "folder"
        return "file" if fs.exists(remote) else "nothing"
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    except (OSError, ValueError) as error:
        raise unreadable(location, error) from error
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def unreadable(location: str, error: Exception) -> SourceError:
    """Return the error for a location that cannot be read."""
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceError(
        f"cannot be read: {what or type(error).__name__}",
        where=path_text(location),
        hint="check that the path is right and that you may read it",
    )


# -------------------------------------------------------------------------------------- looking at files


def local_stat(path: str) -> FileStat:
    """Look at a local file, following links; `UNKNOWN` where that fails."""
    try:
        info = os.stat(path)  # noqa: PTH116 (once for every image; a Path costs as much as the call)
    except (OSError, ValueError):
        return UNKNOWN
    # The inode tells a file put in another's place with the same size and time. The change time would tell
    # more, but a hard link or a new mode changes it, and with it a million images would be measured again.
    stamp = f"{info.st_size}-{info.st_mtime_ns}-{info.st_ino}"
    return FileStat(info.st_size, stamp, stat.S_ISREG(info.st_mode))


def remote_stat(info: Mapping[str, Any]) -> FileStat:
    """Read size and stamp off what fsspec says about a file: its etag, times, whatever is there."""
    size = info.get("size")
    size_bytes = int(size) if size is not None else -1
    facts = [str(info[key]) for key in _STAMP_KEYS if info.get(key) is not None]
    return FileStat(size_bytes, "-".join([str(size_bytes), *facts]), info.get("type") != "directory")


def list_folder(location: str) -> Listing:
    """List a folder, sorted by name; raises OSError where it cannot be listed."""
    path = local_path(location)
    return _list_remote(location) if path is None else _list_local(path)


def _list_local(path: str) -> Listing:
    info = Path(path).stat()
    names: list[str] = []
    folders: set[str] = set()
    with os.scandir(path) as entries:
        for entry in entries:
            names.append(entry.name)
            if _is_folder(entry):
                folders.add(entry.name)
    names.sort()
    prefix = path if path.endswith("/") else f"{path}/"
    return Listing(names, folders, (info.st_dev, info.st_ino), lambda name: local_stat(prefix + name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or into a folder that may not be entered


def _list_remote(location: str) -> Listing:
    fs, path = filesystem(location)
    # The file system would keep every listing, which grows with the dataset and shows what was there before.
    fs.invalidate_cache()
    infos: dict[str, FileStat] = {}
    folders: set[str] = set()
    for info in fs.ls(path, detail=True):
        name = info["name"].rstrip("/").rpartition("/")[2]
        if not name or info["name"].rstrip("/") == path.rstrip("/"):
            continue  # the placeholder that object stores keep for the folder itself
        infos[name] = remote_stat(info)
        if info["type"] == "directory":
            folders.add(name)
    fs.invalidate_cache()
    return Listing(sorted(infos), folders, None, lambda name: infos.get(name, UNKNOWN))


def member_stamp(container: str, member: str) -> str:
    """Return the stamp of a container's member: it changes with the container or with the place inside."""
    return f"{container}-{member}" if container else ""


class FileStats:
    """Looks at files named one by one; remote ones by listing their folder, so that few requests are sent."""

    def __init__(self) -> None:
        self._listings: OrderedDict[str, Listing | None] = OrderedDict()

    def __call__(self, location: str) -> FileStat:
        """Look at one file; `UNKNOWN` where that fails, and for http, which lists no folders."""
        path = local_path(location)
        if path is not None:
            return local_stat(path)
        if location.startswith(("http://", "https://")):
            return UNKNOWN
        folder, _, name = location.rpartition("/")
        listing = self._listing(folder)
        return listing.stat_of(name) if listing else UNKNOWN

    def _listing(self, folder: str) -> Listing | None:
        if folder not in self._listings:
            try:
                self._listings[folder] = list_folder(folder)
            except (OSError, SourceError):
                self._listings[folder] = None
            if len(self._listings) > _MAX_LISTINGS:
                self._listings.popitem(last=False)
        return self._listings[folder]
