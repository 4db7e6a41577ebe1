"""What a finding says about a sample in words: key, label, content digest; read from the published table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer

_COLUMNS = ["key", "given_label", "pixels_digest"]


@dataclass(frozen=True, slots=True)
class SampleText:
    """The words for one sample."""

    key: str
    """Key of the sample."""
    given_label: str | None
    """Label it came with."""
    content: str
    """Digest of its pixels; the key where there is none."""


def read_texts(
    folder: WorkspaceFolder, generation: Generation, sample_ids: Iterable[int]
) -> dict[int, SampleText]:
    """Read the words for some samples of a workspace. Cost: 300 bytes a sample."""
    wanted = np.unique(np.fromiter(sample_ids, dtype=np.int64))
    if not len(wanted):
        return {}
    rows = RowGatherer(folder.files(generation, "samples"), _COLUMNS).take(wanted).to_pylist()
    return {
        sample: SampleText(row["key"], row["given_label"], row["pixels_digest"] or row["key"])
        for sample, row in zip(wanted.tolist(), rows, strict=True)
    }
