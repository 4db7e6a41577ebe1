"""What the review page shows of a workspace: facts about the dataset, columns, and words about single images.

The live server and the offline file take their data from here, so that both show the same. One `ReviewData`
holds one published generation; the decisions are the board's (`serve/board.py`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from chaffinch.curate.current import CONTENT_COLUMNS, contents_of
from chaffinch.errors import WorkspaceError
from chaffinch.formats.reading import fetch
from chaffinch.pipeline.columns import Thumbnails
from chaffinch.pipeline.review_boxes import BoxIndex
from chaffinch.pipeline.review_columns import PART_ROWS, ReviewColumns, described, review_columns
from chaffinch.pipeline.review_issues import IssueIndex
from chaffinch.storage.findings import MAP, read_pairs, scopes, sides
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.key_index import KeyIndex
from chaffinch.storage.pairs import expand_pairs, transforms_of
from chaffinch.storage.samples import RowGatherer
from chaffinch.storage.schema import REF_FIELDS, refs_from
from chaffinch.storage.vectors import embedder_names, read_vectors, unit_rows
from chaffinch.taxonomy import ACTIONS, TAGS

REVIEW_ACTIONS = ("none", *(action for action in ACTIONS if action != "none"))
"""The place of an action is its code in the column `action`; 0 says nothing."""

MAX_PARTNERS = 20
"""Partners shown of one image, the strongest first."""

ROWS_PER_BLOCK = 65_536
"""Vectors compared at a time."""

PICTURES_PER_READ = 500

MAX_PAIRS_INDEXED = 2_000_000
"""Pairs kept at hand; of more, those of the surer methods."""

MEDIA_TYPES = {
    name: f"image/{name.lower()}" for name in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
} | {"MPO": "image/jpeg"}
UNKNOWN_TYPE = "application/octet-stream"
"""Of images that browsers do not show."""

_SAMPLE_COLUMNS = [
    "sample_id",
    "key",
    "image_id",
    "image_path",
    "split",
    "given_label",
    "width",
    "height",
    "outcome",
    "error",
    "bytes_digest",
    "pixels_digest",
]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a decision about a sample must note of it."""

    key: str
    """Its key."""
    content_digest: str | None
    """`pixels_digest`, else `bytes_digest`."""
    findings: str
    """Ids of all its findings, comma between; see `Decision.findings`."""
    suggested_label: str | None
    """Of the surest finding that suggests one."""


def dataset_meta(dataset: str, dataset_id: str, columns: ReviewColumns) -> dict[str, Any]:
    """Return what is said once about a dataset, as a page says it that nobody serves."""
    return {
        "dataset": dataset,
        "dataset_id": dataset_id,
        "subjects": "samples",
        "n": len(columns.values["sample_id"]),
        "part_rows": PART_ROWS,
        "columns": described(),
        "classes": columns.classes,
        "splits": columns.splits,
        "sources": columns.sources,
        "issue_types": list(columns.issue_names),
        "tags": [{"name": tag.name, "description": tag.description} for tag in TAGS.values()],
        "actions": list(REVIEW_ACTIONS),
        "reviewer": None,
        "reviewers": [],
        "is_live": False,
        "is_blind": True,
        "has_map": False,
        "pictures": "",
    }


class ReviewData:
    """The images, findings and pairs of one generation, by sample id."""

    def __init__(self, root: Path) -> None:
        """Read the columns; words are read when they are asked for.

        Raises:
            WorkspaceError: If no scan has ended yet.
        """
        self.root = root
        self.folder = WorkspaceFolder(root)
        self.generation = self.folder.published()
        self.columns = review_columns(self.folder, self.generation)
        self.sample_ids = self.columns.values["sample_id"].astype(np.int64)
        self.thumbnails = Thumbnails(self.folder, self.generation)
        self._is_there = np.zeros(self.generation.n_samples, dtype=bool)
        self._is_there[self.sample_ids] = True
        self._reading = threading.Lock()
        files = self.folder.files(self.generation, "samples")
        self._samples = RowGatherer(files, _SAMPLE_COLUMNS)
        self._contents = RowGatherer(files, CONTENT_COLUMNS)
        self._places = RowGatherer(files, [*(f.name for f in REF_FIELDS), "format"], n_cached=2)
        self._keys = KeyIndex(files)
        self._issues = IssueIndex(self.folder, self.generation)
        self._boxes = BoxIndex(self.folder, self.generation, self._issues)
        self._pairs = _PairIndex(self.folder, self.generation)

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def dataset_id(self) -> str:
        """Return a text that tells this dataset's images from another's."""
        content = f"{self.generation.dataset}\0{self.generation.info.get('content', '')}"
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    @cached_property
    def pictures_token(self) -> str:
        """Return a text that is another one once an image has another picture: a part of their addresses."""
        # The number counts scans too that note no digest of what they read.
        place = f"{self.root.resolve()}\0{self.dataset_id}\0{self.generation.number}"
        return hashlib.blake2b(place.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def row(self, sample_id: int) -> int | None:
        """Return the row of a sample; None if there is no such image."""
        row = int(np.searchsorted(self.sample_ids, sample_id))
        return row if row < len(self) and self.sample_ids[row] == sample_id else None

    def meta(
        self, *, reviewer: str | None, reviewers: Sequence[str], is_live: bool, is_blind: bool
    ) -> dict[str, Any]:
        """Return what is said once about the dataset; docs/review.md defines it."""
        return dataset_meta(self.generation.dataset, self.dataset_id, self.columns) | {
            "reviewer": reviewer,
            "reviewers": list(reviewers),
            "is_live": is_live,
            "is_blind": is_blind,
            "has_map": MAP in self.generation.tables,
            "pictures": self.pictures_token if is_live else "",
        }

    def keys(self) -> Iterator[str]:
        """Yield the keys of all samples, in their order."""
        columns = ["key", "outcome"]
        for batch in self.folder.batches(self.generation, "samples", columns=columns):
            kept = pc.not_equal(batch.column("outcome"), "missing")
            yield from batch.column("key").filter(kept).to_pylist()

    def facts(self, sample_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return what was scanned of some samples, in their order: columns of the table `samples`."""
        if not sample_ids:
            return []
        with self._reading:
            table = self._samples.take(np.array(sample_ids, dtype=np.int64))
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def details(self, sample_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the words about some samples, in their order; without what people decided."""
        details = [self._detail(facts) for facts in self.facts(sample_ids)]
        arguing = [near for words in details for near in arguing_neighbours(words)]
        for near, sample_id in zip(arguing, self.ids_of_keys([n["key"] for n in arguing]), strict=True):
            near["sample_id"] = int(sample_id)
        return details

    def _detail(self, facts: dict[str, Any]) -> dict[str, Any]:
        sample_id = facts["sample_id"]
        return {
            **{name: facts[name] for name in ("sample_id", "key", "image_path", "split", "given_label")},
            "image_id": str(facts["image_id"]),
            "width": facts["width"],
            "height": facts["height"],
            "error": facts["error"],
            "content_digest": facts["pixels_digest"] or facts["bytes_digest"],
            **self._found(sample_id),
            "partners": self._pairs.of(sample_id),
        }

    def _found(self, sample_id: int) -> dict[str, Any]:
        with self._reading:
            boxes, n_boxes = self._boxes.of(sample_id)
            return {"findings": self._issues.of(sample_id), "boxes": boxes, "n_boxes": n_boxes}

    def subjects(self, sample_ids: Sequence[int]) -> list[Subject]:
        """Return what decisions note of some samples, in their order. Cost: some 5 us a sample."""
        with self._reading:
            found = list(self._issues.noted(sample_ids))
        return [
            Subject(facts["key"], facts["pixels_digest"] or facts["bytes_digest"], *noted)
            for facts, noted in zip(self.facts(sample_ids), found, strict=True)
        ]

    def contents(self, sample_ids: np.ndarray) -> list[tuple[str, ...]]:
        """Return the digests of some samples, none for the id -1, in their order. Cost: 1 us a sample."""
        known = np.flatnonzero(sample_ids >= 0)
        found: list[tuple[str, ...]] = [()] * len(sample_ids)
        with self._reading:
            digests = contents_of(self._contents, sample_ids[known])
        for place, content in zip(known.tolist(), digests, strict=True):
            found[place] = content
        return found

    def pictures(self, sample_ids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield some samples and their thumbnails as JPEG; those whose image cannot be read are left out."""
        for start in range(0, len(sample_ids), PICTURES_PER_READ):
            some = sample_ids[start : start + PICTURES_PER_READ]
            with self._reading:
                found = self.thumbnails.encoded(some)
            yield from ((i, jpeg) for i, jpeg in zip(some, found, strict=True) if jpeg is not None)

    def thumbnail(self, sample_id: int) -> bytes | None:
        """Return the thumbnail of a sample as JPEG; None where its image cannot be read."""
        with self._reading:
            return self.thumbnails.encoded([sample_id])[0]

    def original(self, sample_id: int) -> tuple[bytes, str] | None:
        """Return the bytes of an image as they lie in the source, and its media type; None if it is gone."""
        with self._reading:
            rows = self._places.take(np.array([sample_id], dtype=np.int64))
        (fetched,) = fetch(refs_from(rows))
        kind = rows.column("format")[0].as_py() or ""
        return None if fetched.data is None else (fetched.data, MEDIA_TYPES.get(kind, UNKNOWN_TYPE))

    def is_outdated(self) -> bool:
        """Tell whether the workspace was scanned or searched since this was read. Cost: reads a file."""
        try:
            return self.folder.current().number != self.generation.number
        except WorkspaceError:
            return False

    def search(self, text: str, *, limit: int) -> list[int]:
        """Return the samples whose path, id or label holds a text, in any case. Cost: .4 s a million."""
        found: list[int] = []
        hit_by_label = self._with_label(text)
        for batch in self.folder.batches(
            self.generation, "samples", columns=["sample_id", "image_path", "image_id"]
        ):
            ids = batch.column("sample_id").to_numpy()
            words = [pc.cast(batch.column(name), "string") for name in ("image_path", "image_id")]
            path, image_id = (pc.match_substring(w, text, ignore_case=True) for w in words)
            hit = pc.fill_null(pc.or_kleene(path, image_id), False).to_numpy(zero_copy_only=False)
            found += ids[(hit | hit_by_label[ids]) & self._is_there[ids]].tolist()
            if len(found) >= limit:
                break
        return found[:limit]

    def _with_label(self, text: str) -> np.ndarray:
        """Return which samples' given label holds a text, in any case, by sample id, bool."""
        found = np.zeros(self.generation.n_samples, dtype=bool)
        names = enumerate(self.columns.classes)
        codes = [code for code, name in names if text.casefold() in name.casefold()]
        found[self.sample_ids[np.isin(self.columns.values["given"], codes)]] = True
        return found

    def similar(self, sample_id: int, *, k: int) -> list[tuple[int, float]] | None:
        """Return the k samples most like one, nearest first, by the vectors made last; None if it has none.

        Cost: one pass over the vectors, .5 s for a million of 384 numbers.
        """
        names = embedder_names(self.generation)
        if not names:
            return None
        vectors = read_vectors(self.folder, self.generation, names[-1])
        own = unit_rows(vectors[sample_id : sample_id + 1])[0]
        if not own.any():
            return None
        likeness = np.concatenate(
            [unit_rows(vectors[i : i + ROWS_PER_BLOCK]) @ own for i in range(0, len(vectors), ROWS_PER_BLOCK)]
        )
        likeness[sample_id] = -np.inf
        nearest = np.argsort(-likeness[self.sample_ids], kind="stable")[:k]
        ids = self.sample_ids[nearest]
        return [(int(i), round(float(likeness[i]), 4)) for i in ids if likeness[i] > 0]

    def ids_of_keys(self, keys: Sequence[str]) -> np.ndarray:
        """Return the sample id of each key, int64; -1 where no sample has it. Cost: 1 us a key."""
        return self._keys.ids(keys)


def arguing_neighbours(words: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the neighbours in the evidence of an image's findings that argue about its label."""
    for finding in words["findings"]:
        for side in ("for", "against"):
            yield from finding["evidence"].get(side, ())


class _PairIndex:
    """Finds the partners of a sample in the pairs of all methods. Cost: about 60 bytes a pair."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation) -> None:
        self._methods: list[str] = []
        self._words: list[str] = [""]
        blocks = list(self._blocks(folder, generation))
        a, b, similarity, method, transform = (
            np.concatenate([block[i] for block in blocks] or [np.empty(0, np.int64)]) for i in range(5)
        )
        first, second = np.concatenate([a, b]), np.concatenate([b, a])
        order = np.lexsort((second, -np.tile(similarity, 2), first))
        self._first, self._second = first[order], second[order]
        self._similarity = np.tile(similarity, 2)[order]
        self._method, self._transform = np.tile(method, 2)[order], np.tile(transform, 2)[order]

    def _blocks(self, folder: WorkspaceFolder, generation: Generation) -> Iterator[tuple[np.ndarray, ...]]:
        n_left = MAX_PAIRS_INDEXED
        for scope, method in scopes(generation):
            pairs = read_pairs(folder, generation, scope=scope, method=method)
            self._methods.append(method)
            blocks = expand_pairs(pairs, sides(folder, generation, scope))
            while n_left > 0 and (block := next(blocks, None)) is not None:
                n_left -= len(block.edge)
                yield (
                    block.sample_a,
                    block.sample_b,
                    pairs.similarity[block.edge],
                    np.full(len(block.edge), len(self._methods) - 1),
                    self._codes(transforms_of(pairs, block)),
                )

    def _codes(self, words: Sequence[str]) -> np.ndarray:
        """Return the code of each word; new words get new codes."""
        known = {word: code for code, word in enumerate(self._words)}
        for word in dict.fromkeys(words):
            known.setdefault(word, len(known))
        self._words = list(known)
        return np.array([known[word] for word in words], dtype=np.int64)

    def of(self, sample_id: int) -> list[dict[str, Any]]:
        """Return the partners of a sample, each once, the strongest first."""
        low, high = np.searchsorted(self._first, [sample_id, sample_id + 1])
        found: dict[int, dict[str, Any]] = {}
        for row in range(int(low), int(high)):
            partner = int(self._second[row])
            if partner not in found and len(found) < MAX_PARTNERS:
                found[partner] = {
                    "sample_id": partner,
                    "method": self._methods[int(self._method[row])],
                    "similarity": round(float(self._similarity[row]), 4),
                    "transform": self._words[int(self._transform[row])] or None,
                }
        return list(found.values())
