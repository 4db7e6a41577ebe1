"""Turns confident learning's findings into issue rows of type `mislabel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chaffinch.detect.confident import ConfidentLabels
from chaffinch.detect.sample_texts import SampleText
from chaffinch.identity import finding_id
from chaffinch.storage.issues import MISLABEL, IssueRows

METHOD = "confident learning"
"""`method` of the rows."""


def confident_rows(
    found: ConfidentLabels,
    sample_ids: np.ndarray,
    texts: Mapping[int, SampleText],
    *,
    labels: np.ndarray,
    classes: Sequence[str],
) -> IssueRows:
    """Return a row for each flagged image, by sample; confidence is 1 - the given label's probability.

    Args:
        found: From `confident_learning`, of R images.
        sample_ids: Shape (R,), int64.
        texts: Words for the flagged images.
        labels: Shape (R,), int64: position in `classes`.
        classes: Labels, as the source writes them.
    """
    rows = IssueRows()
    for place in np.flatnonzero(found.is_issue).tolist():
        sample = int(sample_ids[place])
        given, other = classes[labels[place]], classes[found.best_other[place]]
        own, best = float(found.self_confidence[place]), float(found.other_probability[place])
        usual = float(found.thresholds[labels[place]])
        rows.add(
            (sample, texts[sample].key),
            MISLABEL,
            finding_id=finding_id(MISLABEL, [texts[sample].content], given),
            confidence=1 - own,
            reason=(
                f"Labelled {given!r}, but the model gives {other!r} a probability of {best:.2f} "
                f"and {given!r} {own:.2f}; images labelled {given!r} get {usual:.2f} for it on average."
            ),
            evidence={
                "given_label": given,
                "other_label": other,
                "given_probability": round(own, 6),
                "other_probability": round(best, 6),
                "normalized_margin": round((own - best + 1) / 2, 6),
                "class_threshold": round(usual, 6),
            },
            more={"method": METHOD, "suggested_label": other},
        )
    return rows
