"""The nearest neighbours of each sample by the cosine of its vector.

Exact where all pairs can be compared in about a minute (`EXACT_PRODUCTS`); beyond that through inverted
lists: the vectors are divided among centroids, and each sample is compared with the lists whose centroids are
nearest to it. What that misses is measured on a sample of rows against exact search and stands in the graph.

Vectors are read block by block from a memory map; nothing of their size is held in memory. Ties go to the
lower row, and the result does not depend on blocks, threads or the number of queries asked at once.

Source: inverted lists: J. Sivic, A. Zisserman, "Video Google", ICCV 2003; assignment to several lists:
H. Jegou et al., "Product quantization for nearest neighbor search", IEEE TPAMI 33(1), 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from chaffinch.detect.block_workers import block_workers
from chaffinch.detect.vector_kernels import ABSENT, dot_margin, offer_columns, offer_rows, unit_block
from chaffinch.errors import SchemaError
from chaffinch.storage.vectors import has_vector

EXACT_PRODUCTS = 15_000_000_000_000
"""Up to so many multiplications all pairs are compared: 200,000 samples of 384 dimensions with each other, or
110,000 of 1,280; two CPU minutes."""

BLOCK_ROWS = 1024
"""Rows on each side of a block of dots: 4 MB of them, so that they are still at hand when looked at."""

ROWS_PER_LIST = 512
"""Samples per inverted list, on average."""
N_PROBES = 32
"""Lists that a sample is compared with."""
TRAIN_ROWS_PER_LIST = 48
"""Sampled rows from which each centroid is learnt."""
TRAIN_ROUNDS = 6
"""Rounds of k-means; more change the recall by less than .005."""
RECALL_ROWS = 400
"""Rows whose neighbours are also searched exactly, to measure the recall."""

MISSING_SIMILARITY = np.float32(-1.0)
"""Where there is no neighbour: the lowest cosine there is, so that rows still fall."""


@dataclass(frozen=True, slots=True, eq=False)
class KnnGraph:
    """The k nearest neighbours of Q samples."""

    neighbours: np.ndarray
    """Shape (Q, k), int64: rows, nearest first; -1 where there are fewer, or the sample has no vector."""
    similarity: np.ndarray
    """Shape (Q, k), float32: their cosines, -1..1, falling; -1 where there is no neighbour."""
    recall: float
    """Share of the true neighbours that are in the graph, 0..1; 1 where all pairs were compared, else
    measured on `n_recall_rows` rows."""
    n_recall_rows: int
    """Rows on which the recall was measured; 0 where all pairs were compared."""


def knn_graph(
    vectors: np.ndarray,
    *,
    k: int,
    queries: np.ndarray | None = None,
    exact_products: int = EXACT_PRODUCTS,
    seed: int = 0,
) -> KnnGraph:
    """Find the k nearest neighbours of each sample by cosine. N samples, D dimensions, Q queries.

    Args:
        vectors: Shape (N, D), float16, as `storage.vectors.read_vectors` maps them. A row of zeros has no
            neighbours and is nobody's.
        k: Neighbours wanted. A sample is not its own neighbour; equal vectors of other samples are.
        queries: Shape (Q,), int64: the rows whose neighbours are wanted, among all rows; None means all.
        exact_products: Queries times samples times dimensions up to which all pairs are compared.
        seed: Of the sample from which centroids are learnt and of the one that measures the recall.

    Raises:
        SchemaError: If the vectors are not float16 of rank 2, k is not positive or a query is no row.

    Cost: 12 * Q * k bytes and some 200 MB; CPU time in benchmarks/results/cosine_search.json.
    """
    _check(vectors, k, queries)
    search = _Search(vectors, queries, k)
    recall, n_recall_rows = 1.0, 0
    with block_workers() as pool:
        if len(search.base) * len(search.places) * vectors.shape[1] <= exact_products:
            _search_all(search, pool)
        else:
            _search_lists(search, pool, seed=seed)
            recall, n_recall_rows = _recall(search, pool, seed=seed)
    near, similarity = search.best
    similarity[similarity == ABSENT] = MISSING_SIMILARITY
    return KnnGraph(near, similarity, recall, n_recall_rows)


def _check(vectors: np.ndarray, k: int, queries: np.ndarray | None) -> None:
    if vectors.ndim != 2 or vectors.dtype != np.float16 or not vectors.flags.c_contiguous:
        raise SchemaError(
            f"must be contiguous float16 of rank 2, got {vectors.dtype} of shape {vectors.shape}",
            where="vectors",
        )
    if k < 1:
        raise SchemaError(f"must be at least 1, got {k}", where="k")
    if queries is not None and len(queries) and not 0 <= queries.min() <= queries.max() < len(vectors):
        raise SchemaError(f"must be rows of the {len(vectors)} vectors", where="queries")


Best = tuple[np.ndarray, np.ndarray]


def _nothing_found(n: int, k: int) -> Best:
    """Return rows (n, k), int64, and similarities (n, k), float32, before anything was compared."""
    return np.full((n, k), -1, dtype=np.int64), np.full((n, k), ABSENT)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some rows with their vectors, and the place of each among those who ask."""

    rows: np.ndarray
    units: np.ndarray
    places: np.ndarray

    def compare(self, base: _Block) -> np.ndarray:
        """Return all dots with another block, shape (rows here, rows there)."""
        tile: np.ndarray = self.units @ base.units.T
        return tile

    def take(self, tile: np.ndarray, base: _Block, best: Best) -> None:
        """Let the rows here keep the best of the other block."""
        units, rows = (self.units, base.units), (self.rows, base.rows)
        offer_rows(tile, units, rows, best, self.places, dot_margin(self.units.shape[1]))

    def take_back(self, tile: np.ndarray, base: _Block, best: Best) -> None:
        """Let the rows of the other block keep the best of those here."""
        units, rows = (self.units, base.units), (self.rows, base.rows)
        offer_columns(tile, units, rows, best, base.places, dot_margin(self.units.shape[1]))


class _Search:
    """What is searched in what, and what was found: rows that have a vector."""

    def __init__(self, vectors: np.ndarray, queries: np.ndarray | None, k: int) -> None:
        has = has_vector(vectors)
        self.bits = np.asarray(vectors).view(np.uint16)
        self.base = np.flatnonzero(has)
        self.is_self = queries is None
        self.wanted = np.arange(len(vectors)) if queries is None else queries.astype(np.int64)
        self.places = np.flatnonzero(has[self.wanted])
        self.best = _nothing_found(len(self.wanted), k)

    def queries(self, places: np.ndarray) -> _Block:
        """Read those who ask."""
        rows = self.wanted[places]
        return _Block(rows, unit_block(self.bits, rows), places)

    def rows(self, rows: np.ndarray) -> _Block:
        """Read rows to compare with; where all ask, they do too."""
        return _Block(rows, unit_block(self.bits, rows), rows)


def _search_all(search: _Search, pool: ThreadPoolExecutor) -> None:
    """Compare every query with every row."""
    pieces = list(_pieces(search.places))
    locks = [Lock() for _ in pieces]

    def ask(number: int) -> None:
        queries = search.queries(pieces[number])
        for rows in _pieces(search.base):
            base = search.rows(rows)
            queries.take(queries.compare(base), base, search.best)

    def ask_both_ways(number: int) -> None:
        # Those who ask are those who are asked, so each product serves both.
        queries = search.queries(pieces[number])
        for other in range(number, len(pieces)):
            base = search.queries(pieces[other])
            tile = queries.compare(base)
            with locks[number]:
                queries.take(tile, base, search.best)
            if other == number:
                continue
            with locks[other]:
                queries.take_back(tile, base, search.best)

    list(pool.map(ask_both_ways if search.is_self else ask, range(len(pieces))))


def _pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), BLOCK_ROWS):
        yield rows[start : start + BLOCK_ROWS]


def _search_lists(search: _Search, pool: ThreadPoolExecutor, *, seed: int) -> None:
    """Compare every query with the rows of the lists nearest to it."""
    centroids = _centroids(search, pool, seed=seed)
    n_probes = min(N_PROBES, len(centroids))
    rows_of_list = _Grouped(_nearest(search, search.base, centroids, n=1, pool=pool), len(centroids))
    probes = _nearest(search, search.wanted[search.places], centroids, n=n_probes, pool=pool)
    probes_of_list = _Grouped(probes, len(centroids))
    lock = Lock()

    def ask(number: int) -> None:
        askers = search.places[probes_of_list.members(number) // n_probes]
        for rows in _pieces(search.base[rows_of_list.members(number)]):
            base = search.rows(rows)
            for places in _pieces(askers):
                queries = search.queries(places)
                tile = queries.compare(base)
                # A query asks several lists, perhaps at once.
                with lock:
                    queries.take(tile, base, search.best)

    list(pool.map(ask, range(len(centroids))))


class _Grouped:
    """Positions by the group that stands there."""

    def __init__(self, groups: np.ndarray, n_groups: int) -> None:
        flat = groups.ravel()
        self._order = np.argsort(flat, kind="stable")
        self.sizes = np.bincount(flat, minlength=n_groups)
        self._offsets = np.concatenate([[0], np.cumsum(self.sizes)])

    def members(self, group: int) -> np.ndarray:
        """Return the positions of a group, rising."""
        return self._order[self._offsets[group] : self._offsets[group + 1]]


def _centroids(search: _Search, pool: ThreadPoolExecutor, *, seed: int) -> np.ndarray:
    """Learn centroids by k-means of directions on a sample of rows; shape (C, D), float16."""
    rng = np.random.default_rng(seed)
    n_lists = max(1, len(search.base) // ROWS_PER_LIST)
    n_sampled = min(len(search.base), n_lists * TRAIN_ROWS_PER_LIST)
    sampled = np.sort(rng.choice(search.base, n_sampled, replace=False))
    centroids = unit_block(search.bits, rng.choice(sampled, n_lists, replace=False)).astype(np.float16)
    for _ in range(TRAIN_ROUNDS):
        lists = _Grouped(_nearest(search, sampled, centroids, n=1, pool=pool), n_lists)
        # A list that lost all its rows keeps its centroid.
        for number in np.flatnonzero(lists.sizes).tolist():
            total = unit_block(search.bits, sampled[lists.members(number)]).sum(axis=0, dtype=np.float64)
            centroids[number] = total / max(np.linalg.norm(total), 1e-12)
    return centroids


def _nearest(
    search: _Search, rows: np.ndarray, centroids: np.ndarray, *, n: int, pool: ThreadPoolExecutor
) -> np.ndarray:
    """Return the numbers of the n centroids nearest to each row, shape (R, n), int32."""
    numbers = np.arange(len(centroids))
    target = _Block(numbers, unit_block(centroids.view(np.uint16), numbers), numbers)

    def ask(piece: np.ndarray) -> np.ndarray:
        # Rows are numbered downwards from -1, so that none is taken for one of the centroids.
        places = np.arange(len(piece))
        block = _Block(-1 - places, unit_block(search.bits, piece), places)
        best = _nothing_found(len(piece), n)
        block.take(block.compare(target), target, best)
        return best[0].astype(np.int32)

    return np.concatenate(list(pool.map(ask, _pieces(rows))))


def _recall(search: _Search, pool: ThreadPoolExecutor, *, seed: int) -> tuple[float, int]:
    """Return the share of true neighbours found, and on how many rows that was counted."""
    near, similarity = search.best
    n_rows = min(RECALL_ROWS, len(search.places))
    places = np.sort(np.random.default_rng(seed).choice(search.places, n_rows, replace=False))
    rows = search.wanted[places]
    queries = _Block(rows, unit_block(search.bits, rows), np.arange(n_rows))
    truth, lock = _nothing_found(n_rows, near.shape[1]), Lock()

    def ask(piece: np.ndarray) -> None:
        base = search.rows(piece)
        tile = queries.compare(base)
        with lock:
            queries.take(tile, base, truth)

    list(pool.map(ask, _pieces(search.base)))
    n_true = np.count_nonzero(truth[0] >= 0)
    # Of equally near rows either may be named: what counts is being no farther than the true k-th.
    is_near = (similarity[places] >= truth[1][:, -1:]) & (near[places] >= 0)
    return (float(is_near.sum() / n_true) if n_true else 1.0), n_rows
