"""Pairs and issues in the workspace: one table per step, so that a step replaces only its own rows.

Tables are named ``issues/<scope>``, ``groups/<scope>/<method>`` and ``edges/<scope>/<method>``, where the
scope is the step: ``duplicates``, ``leaks/<split>/<split>``, or ``import.<tool>`` for those of other tools.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa

from chaffinch.settings import METHODS
from chaffinch.storage.confusion import CONFUSION
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import ISSUES_SCHEMA, IssueRows
from chaffinch.storage.pairs import PairBlock, PairSet, expand_pairs, take_rows, transforms_of
from chaffinch.storage.samples import RowGatherer
from chaffinch.storage.vectors import EmbedderInfo

EDGES_SCHEMA = pa.schema(
    [
        pa.field("group_a", pa.int64()),
        pa.field("group_b", pa.int64()),
        pa.field("similarity", pa.float32()),
        pa.field("hamming_distance", pa.int16()),
        pa.field("transform", pa.string()),
    ]
)
GROUPS_SCHEMA = pa.schema([pa.field("group", pa.int64()), pa.field("sample_id", pa.int64())])

PAIRS_SCHEMA = pa.schema(
    [
        pa.field("sample_a", pa.int64()),
        pa.field("sample_b", pa.int64()),
        pa.field("key_a", pa.string()),
        pa.field("key_b", pa.string()),
        pa.field("method", pa.string()),
        pa.field("similarity", pa.float32()),
        pa.field("hamming_distance", pa.int16()),
        pa.field("transform", pa.string()),
        pa.field("is_star", pa.bool_()),
    ]
)
"""The exported table `pairs`. `is_star` marks rows of a group too large for all of its pairs."""

SCOPE_DUPLICATES, SCOPE_MISLABELS, SCOPE_OUTLIERS = "duplicates", "mislabels", "outliers"
SCOPE_QUALITY, SCOPE_CLUSTERS = "quality", "clusters"
"""Scopes of the steps of `find`."""
PHASH_THRESHOLDS = "phash_thresholds"
"""Key in a generation's `info`: the pHash threshold that each scope was last searched with."""
PAIR_VECTORS = "pair_vectors"
"""Key in a generation's `info`: by scope of leaks and method, the vectors that the search compared."""

SEARCH_VECTORS = "search_vectors"
"""Key in a generation's `info`: by scope (splits of leaks sorted) and method, whose vectors were compared."""

STEPS = "steps"
"""Key in a generation's `info`: by step of `find` that was asked for on these images, the vectors and
settings that it ran with, and whether it had to be left out."""

LEAK_SEARCHES = "leak_searches"
"""Key in a generation's `info`: by leak scope and method, the vectors and settings of the last search."""

MAP = "map"
"""Table of the images' places on the map, and the step of `find` that makes it."""

IMPORT_SCOPE = "import."
"""What the scope of another tool's findings begins with; its name follows."""


def is_finding(table: str) -> bool:
    """Tell whether a stored table holds findings of ours; not what a scan saw or another tool found."""
    kind, _, scope = table.partition("/")
    return kind in ("issues", "groups", "edges", "clusters", CONFUSION, MAP) and not scope.startswith(
        IMPORT_SCOPE
    )


def leak_scope(first: str, second: str) -> str:
    """Return the scope of leaks between two splits."""
    return f"leaks/{first}/{second}"


def with_search_vectors(
    generation: Generation, scope: str, *, searched: Collection[str], vectors: Mapping[str, EmbedderInfo]
) -> Generation:
    """Note whose vectors a search compared, to be published with what it found.

    Args:
        generation: Its tables.
        scope: What was searched.
        searched: The methods that ran; what was noted of others stays.
        vectors: By method, the embedder, with the smallest cosine of a pair as its threshold.
    """
    known, name = generation.info.get(SEARCH_VECTORS, {}), _unturned(scope)
    kept = {method: entry for method, entry in known.get(name, {}).items() if method not in searched}
    entries = kept | {method: asdict(info) for method, info in vectors.items()}
    return replace(generation, info=generation.info | {SEARCH_VECTORS: known | {name: entries}})


def search_vectors(generation: Generation, scope: str) -> dict[str, EmbedderInfo]:
    """Return whose vectors the searches of a scope compared, by method; methods without any are left out."""
    entries = generation.info.get(SEARCH_VECTORS, {}).get(_unturned(scope), {})
    return {method: EmbedderInfo(**entry) for method, entry in entries.items()}


def _unturned(scope: str) -> str:
    """Return a scope's name whichever way round its splits are: pairs know no side."""
    kind, *splits = scope.split("/")
    return "/".join([kind, *sorted(splits)])


def write_pairs(
    folder: WorkspaceFolder, generation: Generation, pairs: PairSet, *, scope: str
) -> dict[str, list[str]]:
    """Write a pair set for the generation after `generation`; returns its entries for `Generation.tables`."""
    distances = pa.array(pairs.hamming_distance, mask=pairs.hamming_distance < 0)
    edges = {
        "group_a": pairs.edges[:, 0],
        "group_b": pairs.edges[:, 1],
        "similarity": pairs.similarity,
        "hamming_distance": distances,
        "transform": pa.array([t or None for t in pairs.transform], type=pa.string()),
    }
    sizes = np.diff(pairs.group_offsets)
    groups = {"group": np.repeat(np.arange(len(sizes)), sizes), "sample_id": pairs.group_members}
    tables = {
        f"edges/{scope}/{pairs.method}": pa.table(edges, schema=EDGES_SCHEMA),
        f"groups/{scope}/{pairs.method}": pa.table(groups, schema=GROUPS_SCHEMA),
    }
    return {
        name: [folder.write_table(generation, name, [table], schema=table.schema)]
        for name, table in tables.items()
    }


def write_issues(
    folder: WorkspaceFolder, generation: Generation, issues: Iterable[IssueRows], *, scope: str
) -> dict[str, list[str]]:
    """Write a step's issues for the next generation; returns its entry for `Generation.tables`."""
    name = f"issues/{scope}"
    tables = (rows.table() for rows in issues)
    return {name: [folder.write_table(generation, name, tables, schema=ISSUES_SCHEMA)]}


def read_pairs(folder: WorkspaceFolder, generation: Generation, *, scope: str, method: str) -> PairSet:
    """Read a pair set back."""
    edges = folder.read(generation, f"edges/{scope}/{method}")
    groups = folder.read(generation, f"groups/{scope}/{method}")
    group = groups.column("group").to_numpy()
    n_groups = int(group.max()) + 1 if len(group) else 0
    return PairSet(
        method=method,
        group_offsets=np.searchsorted(group, np.arange(n_groups + 1)).astype(np.int64),
        group_members=groups.column("sample_id").to_numpy(),
        edges=np.stack([edges.column("group_a").to_numpy(), edges.column("group_b").to_numpy()], axis=1),
        similarity=edges.column("similarity").to_numpy(),
        hamming_distance=edges.column("hamming_distance").fill_null(-1).to_numpy(),
        transform=tuple(edges.column("transform").fill_null("").to_pylist()),
    )


def scopes(generation: Generation) -> list[tuple[str, str]]:
    """Return scope and method of every pair set that is there, in a fixed order."""
    found = [
        name.removeprefix("edges/").rpartition("/") for name in generation.tables if name.startswith("edges/")
    ]
    return sorted(((scope, method) for scope, _, method in found), key=lambda s: (s[0], METHODS.index(s[1])))


def sides(folder: WorkspaceFolder, generation: Generation, scope: str) -> np.ndarray | None:
    """Return shape (n_samples,), int8: the side of each sample in a leak scope; None for duplicates."""
    if scope == SCOPE_DUPLICATES:
        return None
    _, first, second = scope.split("/")
    side = np.full(generation.n_samples, -1, dtype=np.int8)
    start = 0
    for batch in folder.batches(generation, "samples", columns=["split"]):
        split = np.array(batch.column(0).to_pylist(), dtype=object)
        side[start : start + len(split)][split == first] = 0
        side[start : start + len(split)][split == second] = 1
        start += len(split)
    return side


def export_pairs(folder: WorkspaceFolder, generation: Generation) -> Iterator[pa.Table]:
    """Stream all pairs of all steps, each once per method, groups expanded, as `PAIRS_SCHEMA`."""
    keys = RowGatherer(folder.files(generation, "samples"), ["key"])
    seen = _SeenPairs(generation.n_samples)
    for scope, method in scopes(generation):
        pairs = read_pairs(folder, generation, scope=scope, method=method)
        blocks = expand_pairs(pairs, sides(folder, generation, scope))
        # A leak is a pair of the duplicates too where both steps ran: it is listed once.
        new = (seen.take_new(method, block) for block in blocks)
        yield from (_pairs_table(pairs, block, keys) for block in new if len(block.edge))


def _pairs_table(pairs: PairSet, block: PairBlock, keys: RowGatherer) -> pa.Table:
    distance = pairs.hamming_distance[block.edge]
    columns = {
        "sample_a": block.sample_a,
        "sample_b": block.sample_b,
        "key_a": keys.take(block.sample_a).column(0),
        "key_b": keys.take(block.sample_b).column(0),
        "method": [pairs.method] * len(block.edge),
        "similarity": pairs.similarity[block.edge],
        "hamming_distance": pa.array(distance, mask=distance < 0),
        "transform": [words or None for words in transforms_of(pairs, block)],
        "is_star": block.is_star,
    }
    return pa.table(columns, schema=PAIRS_SCHEMA)


class _SeenPairs:
    """The pairs met so far by each method, whichever sample stands first. Cost: 8 bytes a pair."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._codes: dict[str, list[np.ndarray]] = {}

    def take_new(self, method: str, block: PairBlock) -> PairBlock:
        """Return the rows of a block that are new, and keep them in mind."""
        low, high = np.minimum(block.sample_a, block.sample_b), np.maximum(block.sample_a, block.sample_b)
        codes = low * self._n_samples + high
        earlier = self._codes.setdefault(method, [])
        is_new = np.ones(len(codes), dtype=bool)
        for some in earlier:
            is_new &= ~np.isin(codes, some)
        earlier.append(codes[is_new])
        return take_rows(block, np.flatnonzero(is_new))
