"""The cleaned copy: pictures byte for byte under ``images/<split>/<class>/<file name>``.

The class is the label that goes out. Where two pictures would get one name, the one that had its class from
the start keeps the name, and the others get eight digits of their key's digest behind it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from chaffinch.errors import UsageError
from chaffinch.formats.source import IMAGE_SUFFIXES
from chaffinch.identity import path_from_text

IMAGES = "images"
"""Folder of the pictures in a release."""

LinkMode = Literal["auto", "copy", "ref", "hard", "sym"]
LINK_MODES: tuple[LinkMode, ...] = get_args(LinkMode)
"""How a picture gets into the copy. `auto`: sharing blocks where the file system can, else a plain copy."""

_FICLONE = 0x40049409
"""ioctl that makes a file share the blocks of another. Source: ioctl_ficlone(2)."""

_CANNOT_CLONE = (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.EPERM, errno.ENOSYS)
_SUFFIX_OF_FORMAT = {"PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"}


@dataclass(frozen=True, slots=True)
class ReleasedPicture:
    """One picture that a release holds."""

    key: str
    """Key of the sample."""
    image_id: str
    """What the user's training script knows it by."""
    split: str
    """Its split."""
    given_label: str | None
    """Label that it came with."""
    label: str | None
    """Label that goes out."""
    bytes_digest: str
    """BLAKE3 of the encoded bytes, 128 bits as hex; '' where nobody could read them."""
    path: str = ""
    """Path in the cleaned folder, below the release, '/' between parts, spelled by `identity.path_text`; ''
    where the release holds no such folder."""


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture that is to get its place in the copy."""

    key: str
    """Key of the sample."""
    split: str
    """Its split."""
    given_label: str | None
    """Label that it came with."""
    label: str | None
    """Label that goes out."""
    format: str | None
    """Pillow's name of the container, for a picture whose name has no ending."""


def class_folder(label: str) -> str:
    """Return the name of a class's folder: the label, with what a folder's name cannot hold as ``%XX``."""
    text = re.sub(r"%(?=[0-9A-F]{2})", "%25", label).replace("/", "%2F").replace("\0", "%00")
    return f"%2E{text[1:]}" if text.startswith(".") else text


def release_paths(pictures: Iterable[NamedPicture]) -> dict[str, str]:
    """Return the path of each picture below the release, by key; no two are the same.

    Pictures without a label lie in the folder of their split.
    """
    by_path: dict[str, list[NamedPicture]] = defaultdict(list)
    for picture in pictures:
        by_path[_plain_path(picture)].append(picture)
    taken = set(by_path)
    paths: dict[str, str] = {}
    for path, rivals in sorted(by_path.items()):
        first, *others = sorted(rivals, key=lambda p: (p.label != p.given_label, p.key))
        paths[first.key] = path
        for other in others:
            paths[other.key] = _free_path(path, other.key, taken)
            taken.add(paths[other.key])
    return paths


def _plain_path(picture: NamedPicture) -> str:
    name = picture.key.rpartition("/")[2]
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
        name += _SUFFIX_OF_FORMAT.get(picture.format or "", ".jpg")
    folders = [IMAGES, class_folder(picture.split)]
    if picture.label:
        folders.append(class_folder(picture.label))
    return "/".join([*folders, name])


def _free_path(path: str, key: str, taken: set[str]) -> str:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass")).hexdigest()
    ending = PurePosixPath(path).suffix
    start = path.removesuffix(ending)
    for length in range(8, len(digest)):
        found = f"{start}__{digest[:length]}{ending}"
        if found not in taken:
            return found
    raise AssertionError("two keys have the same digest")


def place_picture(data: bytes, target: Path, *, original: str | None, mode: LinkMode) -> None:
    """Put one picture into a copy.

    Args:
        data: Its bytes.
        target: Where it goes; its folder is there and it is not.
        original: The file that holds these bytes, spelled by `identity.path_text`; None for a picture in an
            archive or elsewhere, which is always copied.
        mode: How.

    Raises:
        UsageError: If the file system cannot link in the way asked for.
    """
    if original is None or mode == "copy":
        target.write_bytes(data)
        return
    source = os.path.realpath(path_from_text(original))
    if mode == "sym":
        target.symlink_to(source)
    elif mode == "hard":
        _link(source, target)
    elif not _clone(source, target):
        if mode == "ref":
            raise _cannot("share blocks between", target)
        target.write_bytes(data)


def _link(source: str, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno in _CANNOT_CLONE or error.errno == errno.EMLINK:
            raise _cannot("hard-link", target) from error
        raise


def _clone(source: str, target: Path) -> bool:
    """Make `target` share the blocks of `source`; False, and nothing there, where that cannot be."""
    try:
        with Path(source).open("rb") as reader, target.open("xb") as writer:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        if error.errno in _CANNOT_CLONE:
            return False
        raise
    return True


def _cannot(what: str, target: Path) -> UsageError:
    return UsageError(
        f"the file system cannot {what} the source and the copy", where=str(target), hint="--link copy"
    )
