"""Who is who: keys, image ids, split names, path spelling, class table, finding ids.

Removing the wrong row is the worst thing this program could do, so every rule about names lives here and
nowhere else.

- A **key** is the text ``split/relative path`` (``#object id`` behind it for a box). Decisions, findings and
  artifacts carry it. Digests are evidence, never identity.
- An **image id** is what the user's training script uses; `ImageIds` derives it and keeps ids of different
  splits apart.
- A **path text** is a file name as valid Unicode that leads back to exactly the same bytes on disk.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from chaffinch.errors import IdentityError
from chaffinch.records import ClassEntry

SPLIT_ORDER = ("train", "val", "valid", "validation", "test")
"""Names that make a folder a split, in the order in which their image ids are given out."""

NO_SPLIT = "all"
"""Split of every image when the source has no splits."""

_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_CANONICAL_INT = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_INT64 = 2**63 - 1
IdKind = Literal["source", "row", "path"]


# ---------------------------------------------------------------------------------------------- path text


def path_text(path: str) -> str:
    """Spell a file-system path as valid Unicode, reversibly.

    Undecodable bytes (which Python keeps as lone surrogates) become ``\\xNN``; a backslash that already
    stands before ``xNN`` becomes ``\\x5c``. Every other name, however odd, stays as it is.
    """
    text = _ESCAPE.sub(lambda m: "\\x5c" + m.group(0)[1:], path)
    if text.isascii():
        return text
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)


def path_from_text(text: str) -> str:
    """Undo `path_text`: the string that `open` takes for the same file, whatever the locale."""

    def unescape(match: re.Match[str]) -> str:
        byte = int(match.group(1), 16)
        return chr(byte if byte < 0x80 else 0xDC00 + byte)

    return _ESCAPE.sub(unescape, text)


def slug(name: str) -> str:
    """Turn a folder or file name into a dataset name that is safe in file names: ``[a-z0-9_-]+``."""
    text = re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_-")
    return text or "dataset"


# --------------------------------------------------------------------------------------- keys and splits


def check_split_name(name: str) -> str:
    """Return `name` if it can be the first part of a key, else raise `IdentityError`."""
    if not name or "/" in name or "#" in name or name != name.strip() or not name.isprintable():
        raise IdentityError(
            f"{name!r} cannot name a split",
            hint="use a plain word such as train, val or test, without '/', '#' or blanks around it",
        )
    return name


def sample_key(split: str, rel_path: str) -> str:
    """Return the key of an image: ``split/relative path``."""
    return f"{split}/{rel_path}"


def object_key(key: str, object_id: str) -> str:
    """Return the key of a box: the image's key, '#', the object's id (which holds no '#')."""
    if "#" in object_id:
        raise IdentityError(f"object id {object_id!r} holds a '#'", hint="rename the object's id")
    return f"{key}#{object_id}"


def split_of_key(key: str) -> str:
    """Return the split that a key names."""
    return key.partition("/")[0]


def order_splits(names: Iterable[str]) -> list[str]:
    """Order splits: the usual names as in `SPLIT_ORDER`, then the others as they came."""
    seen = list(dict.fromkeys(names))
    usual = [name for name in SPLIT_ORDER if name in seen]
    return usual + [name for name in seen if name not in SPLIT_ORDER]


# ---------------------------------------------------------------------------------------------- image ids


def is_canonical_int(text: str) -> bool:
    """Tell whether `text` is a decimal number without sign and leading zeros that fits int64."""
    return _CANONICAL_INT.fullmatch(text) is not None and int(text) <= _MAX_INT64


def stem(rel_path: str) -> str:
    """Return the file name without its last ending: ``3/17.jpg`` gives ``17``."""
    name = rel_path.rpartition("/")[2]
    base, dot, _ = name.rpartition(".")
    return base if dot and base else name


def _is_blank(source_id: str | None) -> bool:
    return source_id is None or not source_id or source_id.isspace()


def _hash64(texts: Sequence[str]) -> np.ndarray:
    """Return shape (N,) uint64 digests of texts, for membership tests in little memory."""
    digests = b"".join(
        hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts
    )
    return np.frombuffer(digests, dtype=np.uint64)


@dataclass(slots=True)
class _SplitIds:
    n_images: int = 0
    n_blank: int = 0
    stems_are_rows: bool = True
    stems: list[np.ndarray] = field(default_factory=list)
    source_hashes: list[np.ndarray] = field(default_factory=list)
    path_hashes: list[np.ndarray] = field(default_factory=list)
    all_canonical: bool = True
    kind: IdKind = "path"
    first_id: int = 0


class ImageIds:
    """Gives every image of a dataset the id that the user's training script knows it by.

    Two passes over the same rows: `observe` all of them in any batches, `settle` once, then `assign`.
    The rules, per split: the source's own ids as written; else the file stems where they are exactly the row
    numbers 0..n-1; else the path below the split's root. A split where some images have no id of their own
    uses none of them. Where ids of two splits collide, later row-number splits continue after the earlier
    ones and later path ids become the key; the source's own ids are kept as written and `warnings` says so.
    Without a warning, no two images have the same id.

    Cost: 24 bytes an image between the passes.
    """

    def __init__(self, splits: Sequence[str]) -> None:
        self._order = order_splits(splits)
        self._splits = {name: _SplitIds() for name in self._order}
        self._clashes: dict[str, np.ndarray] = {}
        self._keys_everywhere = False
        self._path_heads: set[str] = set()
        self._source_heads: set[str] = set()
        self.is_integer = False
        """True when every id is a canonical decimal, so that the column is int64."""
        self.warnings: list[str] = []
        """Sentences for the user about ids that collide."""

    def observe(self, split: str, rel_paths: Sequence[str], source_ids: Sequence[str | None]) -> None:
        """Take note of some rows of a split."""
        state = self._splits[split]
        state.n_images += len(rel_paths)
        state.n_blank += sum(_is_blank(i) for i in source_ids)
        if state.stems_are_rows:
            stems = [stem(p) for p in rel_paths]
            state.stems_are_rows = all(map(is_canonical_int, stems))
            state.stems.append(np.array(stems if state.stems_are_rows else [], dtype=np.int64))
        state.path_hashes.append(_hash64(rel_paths))
        self._path_heads |= {p.partition("/")[0] for p in rel_paths} & self._splits.keys()
        ids = [i for i in source_ids if i is not None]
        state.all_canonical = state.all_canonical and all(map(is_canonical_int, ids))
        state.source_hashes.append(_hash64(ids))
        self._source_heads |= {i.partition("/")[0] for i in ids} & self._splits.keys()

    def settle(self) -> None:
        """Choose the rule of every split once all rows were observed."""
        next_row = 0
        earlier = np.empty(0, dtype=np.uint64)
        for name in self._order:
            state = self._splits[name]
            state.kind = self._kind(name, state)
            if state.kind == "row":
                state.first_id = next_row
                next_row += state.n_images
                continue
            hashes = state.source_hashes if state.kind == "source" else state.path_hashes
            own = np.concatenate([*hashes, np.empty(0, np.uint64)])
            self._settle_texts(name, state, own, earlier)
            earlier = np.union1d(earlier, own)
        self._settle_keys(next_row, earlier)
        for state in self._splits.values():
            state.stems, state.source_hashes, state.path_hashes = [], [], []
        used = [s for s in self._splits.values() if s.n_images]
        self.is_integer = (
            bool(used)
            and not self._keys_everywhere
            and not any(len(c) for c in self._clashes.values())
            and all(s.kind == "row" or (s.kind == "source" and s.all_canonical) for s in used)
        )

    def _kind(self, name: str, state: _SplitIds) -> IdKind:
        if not state.n_blank:
            return "source"
        if state.n_blank < state.n_images:
            self.warnings.append(
                f"{state.n_blank} of {state.n_images} images of split {name!r} have no id of their own, "
                "so none of that split's own ids are used"
            )
        if state.stems_are_rows:
            rows = np.sort(np.concatenate([*state.stems, np.empty(0, np.int64)]))
            if np.array_equal(rows, np.arange(state.n_images)):
                return "row"
        return "path"

    def _settle_texts(self, name: str, state: _SplitIds, own: np.ndarray, earlier: np.ndarray) -> None:
        shared = np.intersect1d(own, earlier)
        unique = np.unique(own)
        if state.kind == "source":
            if len(unique) < len(own):
                self.warnings.append(
                    f"{len(own) - len(unique)} image ids of split {name!r} stand there more than once"
                )
            if len(shared):
                self.warnings.append(
                    f"{len(shared)} image ids of split {name!r} also stand in an earlier split"
                )
            return
        self._clashes[name] = shared

    def _settle_keys(self, n_rows: int, texts: np.ndarray) -> None:
        """Fall back to keys for every derived id where a derived id could still equal another one."""
        rows = _hash64([str(i) for i in range(n_rows)]) if len(texts) and n_rows else np.empty(0, np.uint64)
        # A path id "val/cat/1.jpg" of train could equal the key that a clashing image of val is given.
        keyed = {name for name, clash in self._clashes.items() if len(clash)}
        heads = self._path_heads | self._source_heads
        self._keys_everywhere = bool(len(np.intersect1d(rows, texts))) or bool(keyed & heads)
        if self._keys_everywhere:
            keyed = {name for name, state in self._splits.items() if state.kind != "source"}
        if keyed & self._source_heads and any(s.kind == "source" for s in self._splits.values()):
            self.warnings.append("the source's own image ids look like the keys of other images")

    def assign(self, split: str, rel_paths: Sequence[str], source_ids: Sequence[str | None]) -> list[str]:
        """Return the image id of each row, as text; call after `settle` with rows that were observed."""
        state = self._splits[split]
        if state.kind == "source":
            ids = [i for i in source_ids if i is not None and not _is_blank(i)]
            if len(ids) != len(rel_paths):
                raise IdentityError(f"split {split!r} holds images without an id that were not observed")
            return ids
        if self._keys_everywhere:
            return [sample_key(split, p) for p in rel_paths]
        if state.kind == "row":
            return [str(state.first_id + int(stem(p))) for p in rel_paths]
        clash = self._clashes[split]
        if not len(clash):
            return list(rel_paths)
        hits = np.isin(_hash64(rel_paths), clash)
        return [sample_key(split, p) if hit else p for p, hit in zip(rel_paths, hits, strict=True)]

    def split_rows(self, split: str, rel_paths: Sequence[str]) -> list[int | None]:
        """Return each row's number within its own split, or None where stems are not row numbers."""
        if self._splits[split].kind != "row":
            return [None] * len(rel_paths)
        return [int(stem(p)) for p in rel_paths]


# ------------------------------------------------------------------------------------ labels and findings


class ClassTable:
    """The classes of a dataset: index, the dataset's own id (wnid, category id), name.

    `resolve` maps what somebody wrote to one class. A name that two classes share ("crane" is twice among
    ImageNet's thousand) maps to nothing: such a label goes to a person. A bare number is an index only where
    no class is called by a number; else "12" would turn from a COCO category that is not there into another.
    """

    def __init__(self, entries: Sequence[ClassEntry]) -> None:
        self.entries = list(entries)
        self._by_text: dict[str, set[ClassEntry]] = defaultdict(set)
        self._by_index: dict[int, set[ClassEntry]] = defaultdict(set)
        for entry in self.entries:
            self._by_index[entry.index].add(entry)
            for text in (entry.class_id, entry.name):
                self._by_text[text].add(entry)
        self._is_index_a_name = not any(map(is_canonical_int, self._by_text))

    @classmethod
    def from_names(cls, names: Iterable[str]) -> ClassTable:
        """Make a table of sorted distinct names, as torchvision's ImageFolder numbers its class folders."""
        return cls([ClassEntry(i, name, name) for i, name in enumerate(sorted(set(names)))])

    def resolve(self, text: str) -> ClassEntry | None:
        """Return the one class called `text` (id or name, else index); None if unknown or ambiguous."""
        found = self._by_text.get(text, set())
        if not found and self._is_index_a_name and is_canonical_int(text):
            found = self._by_index.get(int(text), set())
        return next(iter(found)) if len(found) == 1 else None


def finding_id(issue_type: str, subjects: Iterable[str], given_label: str | None = None) -> str:
    """Return the id of a finding: 32 hex digits that do not depend on threshold, confidence or order.

    Args:
        issue_type: Singular issue word.
        subjects: Content digests of the images concerned, or their keys where no bytes are at hand.
        given_label: For findings about a label, the label in question.
    """
    parts = [issue_type, "" if given_label is None else f"={given_label}", *sorted(subjects)]
    text = "\0".join(part.replace("\\", "\\\\").replace("\0", "\\0") for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
