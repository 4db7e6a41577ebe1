"""The columns of the review page, folded from rows made by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from chaffinch.pipeline.review_columns import (
    COLUMNS,
    ISSUE_ROWS,
    NO_CLASS,
    SAMPLE_ROWS,
    folded_columns,
    priority,
)


def test_folded_columns__more_classes_than_16_bits_have_a_code_each() -> None:
    n = 70_000
    samples = pa.table([np.arange(n), ["all"] * n, [f"{i:06}" for i in range(n)]], schema=SAMPLE_ROWS)
    issue = {"confidence": 0.5, "is_of_box": False, "issue_type": "mislabel", "source": "chaffinch"}
    issues = [
        {**issue, "sample_id": 1, "suggested_label": "a new one", "group_id": None},
        {**issue, "sample_id": 2, "suggested_label": "069999", "group_id": None},
    ]
    found = folded_columns(samples, pa.Table.from_pylist(issues, schema=ISSUE_ROWS), n_samples=n)
    assert found.values["given"].tolist() == list(range(n))
    assert found.classes[65_540] == "065540" and len(found.classes) == n + 1
    assert found.values["suggested"][:4].tolist() == [NO_CLASS, n, 69_999, NO_CLASS]
    for name in ("given", "suggested"):
        assert found.values[name].dtype == COLUMNS[name]


def test_priority__images_of_one_confusion_come_one_after_the_other() -> None:
    given = np.array([65_536, 0, 65_536, 0], dtype=np.uint32)
    suggested = np.array([1, NO_CLASS, 1, NO_CLASS], dtype=np.uint32)
    flagged = np.ones(4, dtype=np.uint32)
    values = {"given": given, "suggested": suggested, "issues": flagged, "box_issues": flagged}
    ranked = priority(values, np.full(4, 0.5, dtype=np.float32))
    assert np.argsort(-ranked, kind="stable").tolist() == [1, 3, 0, 2]
