"""Uniqueness of each image, and clusters of similar images with the one that stands for each.

What it finds: `uniqueness`: the mean angle between an image's vector and those of its nearest neighbours, in
right angles: 0 where they equal it, 1 where none is like it. Clusters: images closer to one another than most
images of this dataset are to anything, joined from the closest pair on; a cluster's representative is the
image that is closest to most of it.
Why it matters: a training set gains little from the hundredth view of one thing; whoever reviews images sees
one of a kind instead of all of them.
False alarms: a cluster says that pictures look alike to the embedder, not that they are copies (that is what
duplicates are for), nor of one class.
Source: P. F. Felzenszwalb, D. P. Huttenlocher, "Efficient graph-based image segmentation", IJCV 59(2),
2004, for the rule by which two parts join. It keeps a chain of small steps from swallowing the dataset: the
larger a part has grown, the less a step may exceed those within it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chaffinch.jit import kernel

N_NEIGHBOURS = 10
"""Neighbours that uniqueness is the mean over, and that clusters are joined along."""

SCALE_SHARE = 0.25
"""No two images are joined whose angle is wider than that of this share of the images to their nearest
neighbours. With the median, half of 1,000 photographs of 200 classes ended in clusters, 136 in one, and .60
of a cluster's members were of its main class; with this share a quarter, 9 and .85."""

MIN_SCALE = 0.1
"""Right angles (a cosine of .988): near copies are joined however many of them there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """What is known of N samples."""

    uniqueness: np.ndarray
    """Shape (N,), float32: 0..1, low where many are alike; NaN for a sample without neighbours."""
    cluster: np.ndarray
    """Shape (N,), int64: number of the cluster, the largest first; -1 for a sample in none."""
    is_representative: np.ndarray
    """Shape (N,), bool: true for one sample of each cluster."""

    @property
    def n_clusters(self) -> int:
        """Clusters of two samples or more."""
        return int(self.cluster.max(initial=-1)) + 1


def cluster_samples(neighbours: np.ndarray, similarity: np.ndarray) -> Clusters:
    """Cluster the samples of a neighbour graph. N samples, K neighbours.

    Args:
        neighbours: Shape (N, K), int64: rows of this graph, nearest first; -1 for none.
        similarity: Shape (N, K), float32: their cosines.

    Returns:
        The same whatever the order in which equal edges come.

    Cost: linear in N * K but for one sort; 5 s and 60 bytes an edge for a million samples.
    """
    distance = np.arccos(np.clip(similarity, -1.0, 1.0)) / (np.pi / 2)
    is_there = neighbours >= 0
    nearest = distance[:, 0][is_there[:, 0]]
    scale = max(MIN_SCALE, float(np.quantile(nearest, SCALE_SHARE)) if len(nearest) else 0.0)
    first, second, length = _edges(np.where(distance <= scale, neighbours, -1), distance)
    root = _join(len(neighbours), first, second, length, scale)
    centrality = _centrality(root, first, second, length)
    cluster, is_representative = _numbered(root, centrality)
    return Clusters(_uniqueness(distance, is_there), cluster, is_representative)


def _uniqueness(distance: np.ndarray, is_there: np.ndarray) -> np.ndarray:
    count = is_there.sum(axis=1)
    total = np.where(is_there, np.minimum(distance, 1.0), 0.0).sum(axis=1)
    mean: np.ndarray = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean.astype(np.float32, copy=False)


def _edges(neighbours: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs that count, shortest first: lower row, higher row, length.

    Those are pairs that name each other: an image that everything is near to, as an empty one may be, names
    few of those who name it. Of near copies one name is enough, since of many all name the same few.
    """
    n, k = neighbours.shape
    rows = np.repeat(np.arange(n), k)
    others = neighbours.reshape(-1)
    code = np.where(others >= 0, np.minimum(rows, others) * n + np.maximum(rows, others), -1)
    order = np.argsort(code, kind="stable")
    code = code[order]
    is_mutual = np.diff(code, prepend=-2) == 0
    is_last = np.diff(code, append=-2) != 0
    length = distance.reshape(-1)[order].astype(np.float64)
    is_kept = is_last & (code >= 0) & (is_mutual | (length <= MIN_SCALE))
    code, length = code[is_kept], length[is_kept]
    by_length = np.lexsort((code, length))
    first, second = np.divmod(code[by_length], n)
    return first, second, length[by_length]


@kernel
def _root_of(parent: np.ndarray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@kernel
def _join(n: int, first: np.ndarray, second: np.ndarray, length: np.ndarray, scale: float) -> np.ndarray:
    """Return shape (n,): a row that stands for the part that each row came to be in."""
    parent = np.arange(n)
    size = np.ones(n, np.int64)
    # The longest step by which a part was joined; edges come in rising length, so it is the last one.
    longest = np.zeros(n)
    for edge in range(len(first)):
        a, b = _root_of(parent, first[edge]), _root_of(parent, second[edge])
        if a == b:
            continue
        allowed = min(longest[a] + scale / size[a], longest[b] + scale / size[b])
        if length[edge] <= allowed:
            low, high = min(a, b), max(a, b)
            parent[high] = low
            size[low] += size[high]
            longest[low] = length[edge]
    for row in range(n):
        parent[row] = _root_of(parent, row)
    return parent


def _centrality(root: np.ndarray, first: np.ndarray, second: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return shape (N,): the sum of closeness of each sample to its neighbours in its own cluster."""
    is_inside = root[first] == root[second]
    closeness = 1.0 - np.minimum(length[is_inside], 1.0)
    total: np.ndarray = np.bincount(first[is_inside], closeness, minlength=len(root))
    total += np.bincount(second[is_inside], closeness, minlength=len(root))
    return total


def _numbered(root: np.ndarray, centrality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the parts of two or more, the largest first, and choose the most central sample of each."""
    n = len(root)
    size = np.bincount(root, minlength=n)
    order = np.lexsort((np.arange(n), -size))
    number = np.empty(n, np.int64)
    number[order] = np.arange(n)
    cluster = np.where(size[root] > 1, number[root], -1)
    is_representative = np.zeros(n, dtype=bool)
    inside = np.flatnonzero(cluster >= 0)
    # Sorted by cluster, most central first; rounded, so that equal sums in another order stay equal.
    by_rank = inside[np.lexsort((inside, -np.round(centrality[inside], 6), cluster[inside]))]
    if len(by_rank):
        is_first = np.r_[True, np.diff(cluster[by_rank]) > 0]
        is_representative[by_rank[is_first]] = True
    return cluster, is_representative
