"""Opens a dataset, whatever its format, by looking at what lies there.

| what lies there | source |
|---|---|
| folder with shards `*.parquet` that hold images | `HfParquetSource` |
| folder with image files anywhere below it | `FolderSource` |
| folder with shards `*.tar` | `TarSource` |
| `.zip` | `ZipSource` |
| `.tar`, or a pattern of them | `TarSource` |
| `.parquet`, or a pattern of them | `HfParquetSource` if it holds images, else `ListSource` |
| `.csv`, `.tsv`, `.txt`, `.lst` | `ListSource` |
| `.json` | `CocoSource` |

The shards of a folder lie in it, in `data/` or in folders named like splits.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaffinch.errors import SourceError, UsageError
from chaffinch.formats import names
from chaffinch.formats.archive import ZipSource
from chaffinch.formats.coco import CocoSource
from chaffinch.formats.file_list import LIST_SUFFIXES, ListSource
from chaffinch.formats.folder import FolderSource
from chaffinch.formats.location import (
    absolute_uri,
    base_name,
    joined,
    kind_of,
    list_folder,
    local_path,
    open_binary,
    unreadable,
)
from chaffinch.formats.shards import Shard, find_shards, is_pattern, only_split
from chaffinch.formats.source import Source
from chaffinch.formats.webdataset import TarSource
from chaffinch.identity import SPLIT_ORDER, check_split_name, order_splits, path_text, slug
from chaffinch.records import ClassEntry, ObjectRef, SampleRef

_COMPRESSED_TAR = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_SOURCES_HINT = (
    "name an image folder, .zip, .tar, Parquet shards, a COCO .json, or a list (.csv, .tsv, .txt, .parquet)"
)


def open_source(
    location: str | Sequence[str],
    *,
    splits: Mapping[str, str] | None = None,
    dataset: str | None = None,
    images: str | None = None,
) -> Source:
    """Open a dataset.

    Args:
        location: Where it lies: a path, pattern or URL, as the user wrote it. Several make one dataset: if
            they are named like splits, of these splits; else each keeps its own splits and its name goes
            before the keys.
        splits: Split name to location; the dataset is then made of these alone, and each must lie in
            `location` where that is given.
        dataset: Name of the dataset; None takes it from the location.
        images: Folder of the images that a COCO file speaks of.

    Raises:
        SourceError: If nothing is there, or nothing that holds images.
        UsageError: If the locations do not fit together.
    """
    locations = [location] if isinstance(location, str) else list(location)
    if splits:
        return open_splits(_splits_below(locations, splits), dataset=dataset, images=images)
    if not locations:
        raise UsageError("no source is named", hint=_SOURCES_HINT)
    if len(locations) == 1:
        return _open_one(locations[0], dataset=_dataset_name(dataset, locations), split=None, images=images)
    base_names = [base_name(place) for place in locations]
    if len(set(base_names)) < len(base_names):
        raise UsageError(
            "two sources have the same name, so their images could not be told apart",
            hint="name each as a split: --split NAME=PATH",
        )
    if set(base_names) <= set(SPLIT_ORDER):
        return open_splits(dict(zip(base_names, locations, strict=True)), dataset=dataset, images=images)
    name = _dataset_name(dataset, locations)
    parts = [
        _Part(_open_one(place, dataset=name, split=None, images=images), f"{path_text(base)}/")
        for place, base in zip(locations, base_names, strict=True)
    ]
    return CombinedSource(parts, dataset=name)


def open_splits(
    splits: Mapping[str, str], *, dataset: str | None = None, images: str | None = None
) -> Source:
    """Open a dataset whose splits lie in places of their own, in any mix of formats.

    Args:
        splits: Split name to location, as the user wrote it.
        dataset: Name of the dataset; None takes the folder that holds all splits.
        images: Folder of the images that COCO files speak of.

    Raises:
        SourceError: If nothing is there, or nothing that holds images.
        IdentityError: If a name cannot be that of a split.
    """
    name = _dataset_name(dataset, list(splits.values()))
    parts = [
        _Part(_open_one(_expanded(splits[split]), dataset=name, split=check_split_name(split), images=images))
        for split in order_splits(splits)
    ]
    return CombinedSource(parts, dataset=name)


def absolute_places(
    locations: Sequence[str], splits: Mapping[str, str], *, images: str | None = None
) -> dict[str, Any]:
    """Return the arguments of `open_source` as uris, which mean the same from any working directory.

    Raises:
        UsageError: If they do not fit together.
    """
    below = _splits_below(locations, splits) if splits else {}
    return {
        "locations": [absolute_uri(place) for place in locations],
        "splits": {name: absolute_uri(_expanded(place)) for name, place in below.items()},
        "images": None if images is None else absolute_uri(images),
    }


# --------------------------------------------------------------------------------------- several sources


@dataclass(frozen=True, slots=True)
class _Part:
    """One source of a combined one."""

    source: Source
    prefix: str = ""
    """Goes before its images' `rel_path`."""


class CombinedSource:
    """Several sources, one after the other, as one dataset."""

    def __init__(self, parts: Sequence[_Part], *, dataset: str) -> None:
        self.dataset = dataset
        self._parts = list(parts)
        self._passed_over = names.PassedOver()
        self.ignored = self._passed_over.counts
        self.examples = self._passed_over.examples

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images of all parts."""
        self._passed_over.clear()
        for part in self._parts:
            for ref in part.source.refs():
                yield replace(ref, rel_path=part.prefix + ref.rel_path) if part.prefix else ref
            self._passed_over.include(part.source.ignored, part.source.examples)

    def classes(self) -> list[ClassEntry]:
        """Return the class table that the parts share.

        Raises:
            SourceError: If two parts number or name their classes differently, since a label would then mean
                two things.
        """
        tables = [table for part in self._parts if (table := part.source.classes())]
        for table in tables[1:]:
            if table != tables[0]:
                raise SourceError(
                    f"the splits declare different classes: {_first_difference(tables[0], table)}",
                    where=self.dataset,
                    hint="scan them into workspaces of their own, or make their class tables equal",
                )
        return tables[0] if tables else []

    def objects(self) -> Iterator[ObjectRef]:
        """Stream the boxes of all parts."""
        for part in self._parts:
            for item in part.source.objects():
                yield replace(item, rel_path=part.prefix + item.rel_path) if part.prefix else item


def _first_difference(first: Sequence[ClassEntry], second: Sequence[ClassEntry]) -> str:
    for a, b in zip(first, second, strict=False):
        if a != b:
            return f"class {a.index} is {a.name!r} ({a.class_id}) here and {b.name!r} ({b.class_id}) there"
    return f"{len(first)} here and {len(second)} there"


def _splits_below(locations: Sequence[str], splits: Mapping[str, str]) -> Mapping[str, str]:
    """Find each split's place, at the path as written or below the one source named beside it."""
    if not locations:
        return splits
    if len(locations) > 1:
        raise UsageError("--split goes with one source at most", hint="name every source as a split")
    root = absolute_uri(locations[0])
    found = {}
    for name, place in splits.items():
        is_typed_whole = kind_of(_expanded(place)) != "nothing" or is_pattern(place)
        found[name] = place if is_typed_whole else joined(locations[0], place)
        if not f"{absolute_uri(_expanded(found[name]))}/".startswith(f"{root}/"):
            raise UsageError(
                f"split {name!r} does not lie in {path_text(locations[0])!r}, whose images would be left out",
                hint=f"name that as a split too: --split all={path_text(locations[0])}",
            )
    return found


def _dataset_name(dataset: str | None, locations: Sequence[str]) -> str:
    if dataset is not None:
        return slug(dataset)
    if len(locations) != 1:
        paths = [absolute_uri(place) for place in locations]
        return slug(os.path.commonpath(paths).rpartition("/")[2]) if _are_alike(paths) else "dataset"
    location = locations[0]
    kind = kind_of(location)
    name = base_name(location)
    if name == "data" or (kind == "nothing" and is_pattern(location)):
        return slug(absolute_uri(location).rpartition("/")[0].rpartition("/")[2])
    return slug(name if kind == "folder" else name.partition(".")[0])


def _are_alike(paths: Sequence[str]) -> bool:
    """Tell whether paths are all local or all remote, so that they can have a folder in common."""
    return len({path.startswith("/") for path in paths}) == 1


def _expanded(location: str) -> str:
    """Expand `~`, which no shell does behind a `NAME=`."""
    return os.path.expanduser(location)  # noqa: PTH111 (a Path would respell the location)


# --------------------------------------------------------------------------------------------- one source


def _open_one(location: str, *, dataset: str, split: str | None, images: str | None) -> Source:
    kind = kind_of(location)
    if kind == "folder":
        return _open_folder(location, dataset=dataset, split=split)
    if kind == "file":
        return _open_file(location, dataset=dataset, split=split, images=images)
    if kind == "nothing" and is_pattern(location):
        return _open_shards(location, dataset=dataset, split=split)
    if kind == "other":
        raise SourceError("is neither a file nor a folder", where=path_text(location), hint=_SOURCES_HINT)
    raise SourceError("is not there", where=path_text(location), hint=_likely(location))


def _open_folder(location: str, *, dataset: str, split: str | None) -> Source:
    parquets = find_shards(location, suffix=".parquet")
    if parquets and _holds_images(parquets[0]):
        return _hf_source(parquets, dataset=dataset, split=split, location=location)
    # The archives that a dataset came in often lie beside it, so image files count before them.
    folder = FolderSource(location, dataset=dataset, split=split)
    if folder.holds_images():
        return folder
    tars = find_shards(location, suffix=".tar")
    if tars:
        return TarSource(only_split(tars, split, location=location), dataset=dataset, split=split)
    passed = "; ".join(
        f"{count} x {reason}, such as {folder.examples[reason]}" for reason, count in folder.ignored.items()
    )
    raise SourceError(
        "holds no image" + (f" ({passed})" if passed else ""), where=path_text(location), hint=_SOURCES_HINT
    )


def _open_file(location: str, *, dataset: str, split: str | None, images: str | None) -> Source:
    name = location.lower()
    if name.endswith(".zip"):
        return ZipSource(location, dataset=dataset, split=split)
    if name.endswith(".json"):
        return CocoSource(location, dataset=dataset, images=images, split=split)
    if name.endswith((".tar", ".parquet", *_COMPRESSED_TAR)):
        return _open_shards(location, dataset=dataset, split=split)
    if name.endswith(LIST_SUFFIXES):
        return _list_source(location, dataset=dataset, split=split)
    hint = "name the folder that it lies in" if names.is_image_name(name) else _SOURCES_HINT
    raise SourceError("is no dataset", where=path_text(location), hint=hint)


def _open_shards(location: str, *, dataset: str, split: str | None) -> Source:
    if location.lower().endswith(_COMPRESSED_TAR):
        raise SourceError(
            "is a compressed tar, in which no image can be read without unpacking all before it",
            where=path_text(location),
            hint="decompress it once, for example with gunzip, and name the .tar",
        )
    shards = find_shards(location, suffix="")
    if not shards:
        raise SourceError("matches no file", where=path_text(location), hint=_likely(location))
    if all(shard.location.lower().endswith(".tar") for shard in shards):
        return TarSource(only_split(shards, split, location=location), dataset=dataset, split=split)
    if not all(shard.location.lower().endswith(".parquet") for shard in shards):
        raise SourceError("matches files other than .tar or .parquet", where=path_text(location))
    if _holds_images(shards[0]):
        return _hf_source(shards, dataset=dataset, split=split, location=location)
    if len(shards) == 1:
        return _list_source(shards[0].location, dataset=dataset, split=split)
    raise SourceError("is a pattern of lists", where=path_text(location), hint="name one list at a time")


def _list_source(location: str, *, dataset: str, split: str | None) -> Source:
    source = ListSource(location, dataset=dataset, split=split)
    source.check()
    return source


def _hf_source(shards: Sequence[Shard], *, dataset: str, split: str | None, location: str) -> Source:
    from chaffinch.formats.hf_parquet import HfParquetSource

    return HfParquetSource(only_split(shards, split, location=location), dataset=dataset)


def _holds_images(shard: Shard) -> bool:
    from chaffinch.formats.hf_parquet import find_image_columns
    from chaffinch.formats.parquet_rows import open_parquet

    try:
        with open_binary(shard.location) as file:
            return find_image_columns(open_parquet(file).schema_arrow) is not None
    except OSError as error:
        raise unreadable(shard.location, error) from error
    except SourceError as error:
        raise SourceError(error.what, where=path_text(shard.location), hint=error.hint) from error


def _likely(location: str) -> str:
    """Return a hint with the name beside a missing one that it most resembles."""
    path = local_path(location)
    folder = (path or "").rstrip("/").rpartition("/")[0] or ("/" if path and path[0] == "/" else "")
    try:
        beside = list_folder(folder or ".").names if path else []
    except (OSError, ValueError):
        return _SOURCES_HINT
    close = difflib.get_close_matches(base_name(location), beside, 1)
    return (
        f"did you mean {path_text(joined(folder, close[0]) if folder else close[0])!r}?"
        if close
        else _SOURCES_HINT
    )
