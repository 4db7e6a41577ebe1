"""Pairs of classes that are taken for one another more often than chance would have it.

What it finds: for two classes, how many images labelled as one look like the other, both ways, beside the
number expected if those that look like another class looked like any other, large ones more often.
Why it matters: such a pair is a matter of the labelling guide or of the class definitions rather than of
single images: one decision may settle hundreds of findings.
False alarms: classes that the vectors cannot tell apart (two breeds) look confused though every label is
right. Images whose label is only just not the likeliest count too, so counts exceed the flagged mislabels.
Source: tails are Poisson's; pairs are chosen by Y. Benjamini, Y. Hochberg, "Controlling the False Discovery
Rate", JRSS B 57, 1995. (Counts expected from both margins of the table miss a pair that makes up most of it.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import pdtrc

N_EXAMPLES = 5
"""Images shown for a pair, the most suspect."""
MAX_FALSE_SHARE = 0.05
"""Share of the pairs found that chance may have brought about."""


@dataclass(frozen=True, slots=True)
class ClassPair:
    """Two classes that are taken for one another."""

    class_a: int
    """Number of the first class, the smaller."""
    class_b: int
    """Number of the second."""
    n_a_like_b: int
    """Images labelled a that look like b."""
    n_b_like_a: int
    """Images labelled b that look like a."""
    expected: float
    """How many of both kinds were to be expected by chance."""
    p_value: float
    """How often chance alone would bring about so many, 0..1; lower is surer."""
    examples: tuple[int, ...]
    """Places of the most suspect images of either kind, at most `N_EXAMPLES`."""


def confused_pairs(
    labels: np.ndarray, best_other: np.ndarray, margin: np.ndarray, *, n_classes: int
) -> list[ClassPair]:
    """Find pairs of classes that are confused more than expected; those with most images first.

    R images, C classes.

    Args:
        labels: Shape (R,), int64: given classes.
        best_other: Shape (R,): the likeliest other class.
        margin: Shape (R,): above 0 where the other class is likelier than the given one.
        n_classes: C.

    Cost: 40 bytes for each image that looks like another class.
    """
    places = np.flatnonzero(margin > 0)
    # Examples are the first places of each pair.
    places = places[np.argsort(-margin[places], kind="stable")]
    given, other = labels[places].astype(np.int64), best_other[places].astype(np.int64)
    low, high = np.minimum(given, other), np.maximum(given, other)
    codes, pair_of, counts = np.unique(low * n_classes + high, return_inverse=True, return_counts=True)
    class_a, class_b = codes // n_classes, codes % n_classes
    n_a_like_b = np.bincount(pair_of, given == low, minlength=len(codes)).astype(np.int64)
    expected = _expected(given, np.bincount(labels, minlength=n_classes), (class_a, class_b))
    p_values = pdtrc(counts - 1, expected)
    grouped = np.split(places[np.argsort(pair_of, kind="stable")], np.cumsum(counts)[:-1])
    kept = np.flatnonzero(p_values <= _largest_p_value(p_values, n_classes))
    return [
        ClassPair(
            class_a=int(class_a[pair]),
            class_b=int(class_b[pair]),
            n_a_like_b=int(n_a_like_b[pair]),
            n_b_like_a=int(counts[pair] - n_a_like_b[pair]),
            expected=float(expected[pair]),
            p_value=float(p_values[pair]),
            examples=tuple(grouped[pair][:N_EXAMPLES].tolist()),
        )
        for pair in kept[np.lexsort((codes[kept], -counts[kept]))].tolist()
    ]


def _expected(given: np.ndarray, sizes: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the count expected for each pair, both ways together."""
    gives = np.bincount(given, minlength=len(sizes))
    a, b = pairs
    total = sizes.sum()
    found: np.ndarray = gives[a] * sizes[b] / (total - sizes[a]) + gives[b] * sizes[a] / (total - sizes[b])
    return found


def _largest_p_value(p_values: np.ndarray, n_classes: int) -> float:
    """Return the largest p-value that counts as found; pairs that never occur have p-value 1."""
    ordered = np.sort(p_values)
    n_pairs = n_classes * (n_classes - 1) / 2
    is_within = ordered <= MAX_FALSE_SHARE * np.arange(1, len(ordered) + 1) / n_pairs
    return float(ordered[np.flatnonzero(is_within)[-1]]) if is_within.any() else -1.0
