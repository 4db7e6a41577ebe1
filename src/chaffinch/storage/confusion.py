"""The table `confusion`: pairs of classes that are taken for one another more often than expected."""

from __future__ import annotations

import pyarrow as pa

CONFUSION = "confusion"
"""Name of the stored and of the exported table."""

CONFUSION_SCHEMA = pa.schema(
    [
        pa.field("class_a", pa.string()),
        pa.field("class_b", pa.string()),
        pa.field("n_a", pa.int64()),
        pa.field("n_b", pa.int64()),
        pa.field("n_a_like_b", pa.int64()),
        pa.field("n_b_like_a", pa.int64()),
        pa.field("expected", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("examples", pa.string()),
        pa.field("method", pa.string()),
    ]
)
"""`examples` are keys of the most suspect images, as a JSON list."""
