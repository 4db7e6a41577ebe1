"""The cleaned copy as Hugging Face shards: ``data/<split>-00000-of-00003.parquet`` and a dataset card.

A row has the encoded picture, byte for byte, as the `Image` column of `datasets`, the label that goes out as
a `ClassLabel`, the picture's id and its key. Rows keep the order they come in; a row group is at most a
hundred pictures, so that memory stays flat at any size.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from chaffinch.apply.copies import ReleasedPicture
from chaffinch.identity import NO_SPLIT, ClassTable, is_canonical_int, order_splits
from chaffinch.records import ClassEntry
from chaffinch.storage.files import atomic_path

DATA, CARD = "data", "README.md"
"""Folder of the shards in a release, and the dataset card."""

SHARD_BYTES = 500_000_000
"""A shard is closed once it holds so many bytes of pictures; what `datasets` writes by default."""

GROUP_ROWS, GROUP_BYTES = 100, 32 << 20
"""A row group is closed at either; 100 rows is what `datasets` takes for images."""

MAX_CLASS_NUMBER = 100_000
"""Labels that are numbers above this are names, not positions in a list of classes."""

_NO_LABEL = -1
"""What `datasets` expects where a picture has no label."""
_IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
_Row = tuple[bytes, str, int, str, str]


@dataclass(frozen=True, slots=True)
class HfClasses:
    """What the integers of the label column mean."""

    names: tuple[str, ...]
    """Name of each class, all different; empty where no picture has a label."""
    numbers: Mapping[str, int]
    """Label, as the release spells it, to its number."""

    @classmethod
    def of(cls, entries: Sequence[ClassEntry], labels: Collection[str]) -> HfClasses:
        """Number the labels that go out.

        Labels that are numbers keep them, since training scripts take them for what they are. Others have the
        position of their class; one that is no class gets a number behind the others.

        Args:
            entries: The class table.
            labels: All labels that go out.
        """
        if not labels:
            return cls((), {})
        if all(is_canonical_int(label) and 0 <= int(label) < MAX_CLASS_NUMBER for label in labels):
            known = {e.class_id: e.name for e in entries}
            n_classes = max(int(label) for label in (*labels, *filter(is_canonical_int, known))) + 1
            n_classes = min(n_classes, MAX_CLASS_NUMBER)
            named = [(known.get(str(n), str(n)), str(n)) for n in range(n_classes)]
            return cls(_distinct(named), {label: int(label) for label in labels})
        table = ClassTable(entries)
        ordered = sorted(entries, key=lambda e: e.index)
        places = {entry.class_id: number for number, entry in enumerate(ordered)}
        found = {label: table.resolve(label) for label in labels}
        more = sorted(label for label, entry in found.items() if entry is None)
        numbers = {label: places[entry.class_id] for label, entry in found.items() if entry is not None}
        numbers |= {label: len(ordered) + n for n, label in enumerate(more)}
        return cls(_distinct([*((e.name, e.class_id) for e in ordered), *((m, m) for m in more)]), numbers)


def _distinct(named: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names; one that stood before gets its id behind it, since `datasets` takes no name twice."""
    names: dict[str, None] = {}
    for name, class_id in named:
        candidate, count = name, 1
        while candidate in names:
            count += 1
            candidate = f"{name} ({class_id})" if count == 2 else f"{name} ({class_id}, {count})"
        names[candidate] = None
    return tuple(names)


def hf_split_names(splits: Iterable[str]) -> dict[str, str]:
    """Return what each split is called for `datasets`, which takes plain words and keeps `all` for itself."""
    names: dict[str, str] = {}
    ordered = order_splits(splits)
    for split in ordered:
        wanted = re.sub(r"\W+", "_", split, flags=re.ASCII).strip("_") or "split"
        if wanted == NO_SPLIT:
            wanted = "other" if "train" in ordered else "train"
        while wanted in names.values():
            wanted += "_"
        names[split] = wanted
    return names


class HfShards:
    """Writes the shards of one release; a context manager. `finish` gives them their names."""

    def __init__(self, folder: Path, *, splits: Iterable[str], classes: HfClasses, has_integer_ids: bool):
        """Begin in the folder of a release that is being built.

        Args:
            folder: The release.
            splits: All splits of the dataset.
            classes: Of the labels that go out.
            has_integer_ids: Whether image ids are numbers.
        """
        self._folder = folder
        self._names = hf_split_names(splits)
        self._classes = classes
        self._schema = _schema(classes, has_integer_ids=has_integer_ids)
        self._splits: dict[str, _Split] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for split in self._splits.values():
            split.close()

    def add(self, picture: ReleasedPicture, data: bytes) -> None:
        """Append a picture to its split."""
        name = self._names[picture.split]
        if name not in self._splits:
            (self._folder / DATA).mkdir(exist_ok=True)
            self._splits[name] = _Split(self._folder / DATA, name, self._schema)
        number = _NO_LABEL if picture.label is None else self._classes.numbers[picture.label]
        file_name = PurePosixPath(picture.key).name
        self._splits[name].add((data, file_name, number, picture.image_id, picture.key))

    def finish(self, dataset: str) -> dict[str, str]:
        """Name the shards, write the card; returns the SHA-256 of each shard by path below the release."""
        digests: dict[str, str] = {}
        for split in self._splits.values():
            digests |= split.finish()
        counts = {name: (s.n_rows, s.n_bytes) for name, s in self._splits.items()}
        with atomic_path(self._folder / CARD) as temporary:
            temporary.write_text(_card(dataset, self._schema, counts), encoding="utf-8", newline="")
        return digests


@dataclass(slots=True)
class _Split:
    """The shards of one split; the last one may be open."""

    folder: Path
    name: str
    schema: pa.Schema
    n_rows: int = 0
    n_bytes: int = 0
    _rows: list[_Row] = field(default_factory=list)
    _group_bytes: int = 0
    _open: _Shard | None = None
    _digests: list[str] = field(default_factory=list)

    def add(self, row: _Row) -> None:
        self._rows.append(row)
        self._group_bytes += len(row[0])
        if len(self._rows) >= GROUP_ROWS or self._group_bytes >= GROUP_BYTES:
            self._write_group()
        if self._open is not None and self._open.n_bytes >= SHARD_BYTES:
            self._close_shard()

    def finish(self) -> dict[str, str]:
        """Close the last shard and give all of them their names."""
        self._write_group()
        self._close_shard()
        digests: dict[str, str] = {}
        for number, digest in enumerate(self._digests):
            final = f"{self.name}-{number:05d}-of-{len(self._digests):05d}.parquet"
            self._path(number).rename(self.folder / final)
            digests[f"{DATA}/{final}"] = digest
        return digests

    def close(self) -> None:
        """Let go of the open file, if a run broke off."""
        if self._open is not None:
            self._open.close()

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.name}-{number:05d}.part"

    def _write_group(self) -> None:
        if not self._rows:
            return
        if self._open is None:
            self._open = _Shard(self._path(len(self._digests)), self.schema)
        self._open.write(self._rows, self._group_bytes)
        self.n_rows += len(self._rows)
        self.n_bytes += self._group_bytes
        self._rows, self._group_bytes = [], 0

    def _close_shard(self) -> None:
        if self._open is not None:
            self._open.close()
            self._digests.append(self._open.digest())
            self._open = None


class _Shard:
    """One Parquet file that is being written, with its SHA-256."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.n_bytes = 0
        self._schema = schema
        with ExitStack() as stack:
            self._file = _HashedFile(stack.enter_context(path.open("wb")))
            # Pictures do not compress, and a dictionary of them is a second copy. Pages are cut row by row,
            # so that a reader holds a page and not a row group.
            self._writer = pq.ParquetWriter(
                self._file,
                schema,
                compression="none",
                use_dictionary=False,
                write_statistics=False,
                write_batch_size=1,
            )
            stack.pop_all()

    def write(self, rows: Sequence[_Row], n_bytes: int) -> None:
        data, names, numbers, ids, keys = zip(*rows, strict=True)
        is_integer = pa.types.is_integer(self._schema.field("image_id").type)
        columns: dict[str, pa.Array] = {
            "image": pa.StructArray.from_arrays(
                [pa.array(data, pa.binary()), pa.array(names, pa.string())], fields=list(_IMAGE)
            ),
            "label": pa.array(numbers, pa.int64()),
            "image_id": pa.array(list(map(int, ids)), pa.int64()) if is_integer else pa.array(ids),
            "key": pa.array(keys),
        }
        arrays = [columns[name] for name in self._schema.names]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self.n_bytes += n_bytes

    def close(self) -> None:
        self._writer.close()
        self._file.close()

    def digest(self) -> str:
        return self._file.sha256.hexdigest()


class _HashedFile:
    """A file for writing that digests what goes through it: no shard is read a second time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return self._file.closed


def _schema(classes: HfClasses, *, has_integer_ids: bool) -> pa.Schema:
    id_type = pa.int64() if has_integer_ids else pa.string()
    features: dict[str, dict[str, Any]] = {
        "image": {"_type": "Image"},
        "label": {"names": list(classes.names), "_type": "ClassLabel"},
        "image_id": {"dtype": str(id_type), "_type": "Value"},
        "key": {"dtype": "string", "_type": "Value"},
    }
    types = {"image": _IMAGE, "label": pa.int64(), "image_id": id_type, "key": pa.string()}
    if not classes.names:
        del features["label"], types["label"]
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([pa.field(name, kind) for name, kind in types.items()], metadata=metadata)


def _card(dataset: str, schema: pa.Schema, counts: Mapping[str, tuple[int, int]]) -> str:
    """Return the dataset card: what `datasets` reads at its top, and a few words for people."""
    order = order_splits(counts)
    info = {
        "features": [_card_feature(schema, name) for name in schema.names],
        "splits": [{"name": s, "num_bytes": counts[s][1], "num_examples": counts[s][0]} for s in order],
        "download_size": sum(n for _, n in counts.values()),
        "dataset_size": sum(n for _, n in counts.values()),
    }
    files = [{"split": split, "path": f"{DATA}/{split}-*"} for split in order]
    head = {"dataset_info": info, "configs": [{"config_name": "default", "data_files": files}]}
    rows = "\n".join(f"| {split} | {counts[split][0]:,} |" for split in order)
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# {dataset}, cleaned\n\n"
        "The pictures are the original bytes; labels are those that go out. `image_id` and `key` lead back\n"
        "to the source. CHANGES.md says what was removed and why, checksums.txt proves the files.\n\n"
        f"| split | images |\n|---|---:|\n{rows}\n"
    )


def _card_feature(schema: pa.Schema, name: str) -> dict[str, Any]:
    if name == "label":
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        names = {str(n): text for n, text in enumerate(features["label"]["names"])}
        return {"name": name, "dtype": {"class_label": {"names": names}}}
    return {"name": name, "dtype": "image" if name == "image" else str(schema.field(name).type)}
