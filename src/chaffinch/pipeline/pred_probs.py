"""Ties a user's predicted probabilities to the samples and classes of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaffinch.curate.labels import Labels
from chaffinch.errors import TableError
from chaffinch.formats.pred_probs import PredProbs, read_pred_probs
from chaffinch.pipeline.columns import load_is_ok
from chaffinch.storage.folder import Generation, WorkspaceFolder


@dataclass(frozen=True, slots=True, eq=False)
class LinkedProbs:
    """Probabilities of R samples, whose images are there, for C labels."""

    values: np.ndarray
    """Shape (R, C), floating."""
    sample_ids: np.ndarray
    """Shape (R,), int64: the sample of each row; each once."""
    labels: list[str]
    """C labels, spelled as the given ones are."""


def link_pred_probs(folder: WorkspaceFolder, generation: Generation, path: Path) -> LinkedProbs:
    """Read a file of probabilities and find the sample of each row and the label of each column.

    Rows of images that are gone or broken are passed over.

    Raises:
        SourceError: If it cannot be read.
        TableError: If a row is no distribution, names no sample or several, or a column is no class.
    """
    probs = read_pred_probs(path)
    samples = _samples(folder, generation, probs)
    labels = _labels(folder, generation, probs)
    is_ok = load_is_ok(folder, generation)[samples]
    if is_ok.all():
        return LinkedProbs(probs.values, samples, labels)
    return LinkedProbs(probs.values[is_ok], samples[is_ok], labels)


def _samples(folder: WorkspaceFolder, generation: Generation, probs: PredProbs) -> np.ndarray:
    if probs.ids is None or probs.id_column is None:
        if len(probs.values) != generation.n_samples:
            raise TableError(
                f"has {len(probs.values):,} rows, the workspace {generation.n_samples:,} samples",
                path=probs.where,
                hint="rows are samples in order of sample_id; or give a table with a column 'key'",
            )
        return np.arange(generation.n_samples)
    known: dict[str, int] = {}
    repeated: set[str] = set()
    for batch in folder.batches(generation, "samples", columns=["sample_id", probs.id_column]):
        for sample, name in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            repeated |= {str(name)} & known.keys()
            known[str(name)] = sample
    return np.array(_looked_up(probs, probs.ids, known, repeated), dtype=np.int64)


def _looked_up(probs: PredProbs, ids: Sequence[str], known: dict[str, int], repeated: set[str]) -> list[int]:
    found: list[int] = []
    seen: set[str] = set()
    for number, name in enumerate(ids):
        wrong = (
            "names no sample"
            if name not in known
            else "stands for several samples"
            if name in repeated
            else "stands there twice"
            if name in seen
            else None
        )
        if wrong is not None:
            raise TableError(
                wrong,
                path=probs.where,
                row=probs.first_row + number,
                column=probs.id_column,
                got=name,
                hint="'chaffinch table samples' lists key and image_id; a key is always unique",
            )
        seen.add(name)
        found.append(known[name])
    return found


def _labels(folder: WorkspaceFolder, generation: Generation, probs: PredProbs) -> list[str]:
    spelling = Labels.of(folder, generation)
    entries = sorted(folder.read(generation, "classes").to_pylist(), key=lambda entry: entry["index"])
    if probs.classes is None:
        if len(entries) != probs.values.shape[1]:
            raise TableError(
                f"has {probs.values.shape[1]:,} columns, the dataset {len(entries):,} classes",
                path=probs.where,
                hint="columns are classes as 'chaffinch table classes' has them; or give a table",
            )
        return [spelling.spelled(entry["class_id"]) or entry["class_id"] for entry in entries]
    found: list[str] = []
    for name in probs.classes:
        label = spelling.spelled(name)
        if label is None or label in found:
            what = "is no class of this dataset" if label is None else "is the same class as another column"
            hint = "'chaffinch table classes' lists them; drop other columns"
            raise TableError(what, path=probs.where, column=name, hint=hint)
        found.append(label)
    return found
