"""Counts over the table that a scan has published: outcomes, and files that were moved."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.compute as pc

from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.plan import ScanPlan
from chaffinch.storage.samples import RowGatherer

EXAMPLES_PER_OUTCOME = 3
"""Paths shown for each outcome but `ok`."""


def count_outcomes(
    folder: WorkspaceFolder, generation: Generation
) -> tuple[Counter[str], dict[str, list[tuple[str, str]]]]:
    """Return images per outcome, and some paths and errors for each outcome but `ok`."""
    outcomes: Counter[str] = Counter()
    examples: dict[str, list[tuple[str, str]]] = {}
    for batch in folder.batches(generation, "samples", columns=["outcome", "image_path", "error"]):
        outcomes.update(batch.column("outcome").to_pylist())
        for row in batch.filter(pc.not_equal(batch.column("outcome"), "ok")).to_pylist():
            shown = examples.setdefault(row["outcome"], [])
            shown += [(row["image_path"], row["error"])] if len(shown) < EXAMPLES_PER_OUTCOME else []
    return outcomes, examples


def count_moved(folder: WorkspaceFolder, generation: Generation, plan: ScanPlan) -> int:
    """Count the vanished samples whose bytes were met under a new path in this scan."""
    if not plan.vanished or not plan.n_new:
        return 0
    rows = RowGatherer(folder.files(generation, "samples"), ["bytes_digest"])
    new_ids = np.arange(plan.n_samples - plan.n_new, plan.n_samples)
    new_digests = set(rows.take(new_ids).column(0).to_pylist()) - {None}
    return sum(d in new_digests for d in rows.take(np.array(plan.vanished)).column(0).to_pylist())
