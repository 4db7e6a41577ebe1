"""The step `mislabels`: images whose label is probably wrong, ambiguous ones, and confused classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.detect.confident import confident_learning
from chaffinch.detect.confident_issues import METHOD as CONFIDENT
from chaffinch.detect.confident_issues import confident_rows
from chaffinch.detect.confusion import ClassPair, confused_pairs
from chaffinch.detect.label_issues import METHOD as RIDGE
from chaffinch.detect.label_issues import JudgedLabels, label_rows
from chaffinch.detect.mislabels import MIN_CLASS_IMAGES, N_NEIGHBOURS, flag_labels, score_labels
from chaffinch.detect.ridge import LabelledVectors
from chaffinch.detect.sample_texts import read_texts
from chaffinch.pipeline.columns import load_is_ok, load_labels
from chaffinch.pipeline.neighbours import neighbour_graph
from chaffinch.pipeline.pred_probs import link_pred_probs
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport, lacks_vectors, leave_out, noted
from chaffinch.pipeline.usable_vectors import UsableVectors, usable_vectors
from chaffinch.settings import FindSettings
from chaffinch.storage.confusion import CONFUSION, CONFUSION_SCHEMA
from chaffinch.storage.findings import SCOPE_MISLABELS, write_issues
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import AMBIGUOUS_CLASS, MISLABEL, IssueRows
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.vectors import read_vectors


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSamples:
    """The samples whose label can be judged, and how many cannot be."""

    sample_ids: np.ndarray
    """Shape (R,), int64, rising."""
    labels: np.ndarray
    """Shape (R,), int64: position in `classes`."""
    classes: list[str]
    """Labels of classes of `MIN_CLASS_IMAGES` or more, sorted."""
    left_out: dict[str, int]
    """Samples that are not judged, by reason."""


@dataclass(frozen=True, slots=True, eq=False)
class _Findings:
    samples: LabelledSamples
    rows: IssueRows
    pairs: list[ClassPair]
    method: str


def find_mislabels(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Judge the given label of each image that has one and a vector, and publish what is found.

    Args:
        root: The workspace.
        settings: Whose vectors to use; or a file of predicted probabilities, to judge by them instead.
        progress: Who watches.

    Raises:
        WorkspaceError: If no scan has ended yet.
        LockedError: If another process writes to the workspace.
        SourceError: If the file of probabilities cannot be read or does not fit.
    """
    folder = WorkspaceFolder(root)
    folder.published()
    with writer_lock(root):
        generation = folder.published()
        progress.stage("judging labels", total=None, unit="images")
        if settings.pred_probs is not None:
            found = _by_probabilities(folder, generation, Path(settings.pred_probs))
        else:
            usable = usable_vectors(folder, generation, settings.embedder)
            if usable is None:
                return leave_out(
                    folder, generation, SCOPE_MISLABELS, settings=settings, report=lacks_vectors(root)
                )
            samples = labelled_samples(*load_labels(folder, generation), usable)
            if len(samples.classes) < 2:
                report = StepReport(
                    figures=samples.left_out,
                    left_out=f"there are not two labels with at least {MIN_CLASS_IMAGES} images each",
                )
                return leave_out(folder, generation, SCOPE_MISLABELS, settings=settings, report=report)
            found = _by_vectors(folder, generation, usable.info.name, samples=samples)
        _publish(folder, generation, found, info=noted(generation, SCOPE_MISLABELS, settings))
    return StepReport(
        n_flagged={kind: found.rows.issue_type.count(kind) for kind in (MISLABEL, AMBIGUOUS_CLASS)},
        figures={"confused pairs of classes": len(found.pairs), **found.samples.left_out},
    )


def _by_vectors(
    folder: WorkspaceFolder, generation: Generation, name: str, *, samples: LabelledSamples
) -> _Findings:
    judged = _judge(folder, generation, name, samples=samples)
    texts = read_texts(folder, generation, judged.samples_named().tolist())
    scores = judged.scores
    pairs = confused_pairs(samples.labels, scores.best_other, scores.margin, n_classes=len(samples.classes))
    return _Findings(samples, label_rows(judged, texts), pairs, RIDGE)


def _by_probabilities(folder: WorkspaceFolder, generation: Generation, path: Path) -> _Findings:
    probs = link_pred_probs(folder, generation, path)
    codes, names = load_labels(folder, generation)
    column = {label: number for number, label in enumerate(probs.labels)}
    # One more at the end, so that -1, for a missing label, is itself.
    column_of = np.array([*(column.get(name, -1) for name in names), -1])
    labels = column_of[codes[probs.sample_ids]]
    kept = np.flatnonzero(labels >= 0)
    values = probs.values if len(kept) == len(labels) else probs.values[kept]
    reasons = {
        "without predicted probabilities": int(load_is_ok(folder, generation).sum()) - len(labels),
        "without a label among the predicted ones": len(labels) - len(kept),
    }
    samples = LabelledSamples(
        probs.sample_ids[kept],
        labels[kept],
        probs.labels,
        {f"not judged: {reason}": count for reason, count in reasons.items() if count},
    )
    found = confident_learning(values, samples.labels)
    margin = found.other_probability - found.self_confidence
    flagged = samples.sample_ids[found.is_issue].tolist()
    rows = confident_rows(
        found,
        samples.sample_ids,
        read_texts(folder, generation, flagged),
        labels=samples.labels,
        classes=samples.classes,
    )
    pairs = confused_pairs(samples.labels, found.best_other, margin, n_classes=len(samples.classes))
    return _Findings(samples, rows, pairs, CONFIDENT)


def labelled_samples(codes: np.ndarray, labels: Sequence[str], usable: UsableVectors) -> LabelledSamples:
    """Choose the samples with a label and a vector, of classes that are large enough. N samples.

    Args:
        codes: Shape (N,), int64: position in `labels`, -1 for none.
        labels: The labels, sorted.
        usable: The vectors.
    """
    has = np.zeros(len(codes), dtype=bool)
    has[usable.sample_ids] = True
    is_known = (codes >= 0) & has
    sizes = np.bincount(codes[is_known], minlength=len(labels))
    # The last one is for code -1; a dataset without any label has no other.
    is_judged = is_known & np.append(sizes >= MIN_CLASS_IMAGES, False)[codes]
    kept = np.flatnonzero(sizes >= MIN_CLASS_IMAGES)
    sample_ids = np.flatnonzero(is_judged)
    reasons = {
        "without a label": int(((codes < 0) & usable.is_ok).sum()),
        "with a label but no vector": int(((codes >= 0) & usable.is_ok & ~has).sum()),
        f"of classes below {MIN_CLASS_IMAGES} images": int((is_known & ~is_judged).sum()),
    }
    return LabelledSamples(
        sample_ids=sample_ids,
        labels=np.searchsorted(kept, codes[sample_ids]),
        classes=[labels[code] for code in kept.tolist()],
        left_out={f"not judged: {reason}": count for reason, count in reasons.items() if count},
    )


def _judge(
    folder: WorkspaceFolder, generation: Generation, name: str, *, samples: LabelledSamples
) -> JudgedLabels:
    rows = samples.sample_ids
    graph = neighbour_graph(folder, generation, name, rows=rows, k=N_NEIGHBOURS)
    vectors = read_vectors(folder, generation, name)
    data = LabelledVectors(vectors, rows, samples.labels, len(samples.classes))
    scores = score_labels(data, graph)
    return JudgedLabels(data, graph, samples.classes, scores, flag_labels(scores, samples.labels))


def _confusion_table(folder: WorkspaceFolder, generation: Generation, found: _Findings) -> pa.Table:
    """Return the pairs as `CONFUSION_SCHEMA`."""
    samples = found.samples
    sizes = np.bincount(samples.labels, minlength=len(samples.classes)).tolist()
    shown = [samples.sample_ids[list(pair.examples)].tolist() for pair in found.pairs]
    texts = read_texts(folder, generation, (sample for some in shown for sample in some))
    rows = [
        {
            "class_a": samples.classes[pair.class_a],
            "class_b": samples.classes[pair.class_b],
            "n_a": sizes[pair.class_a],
            "n_b": sizes[pair.class_b],
            "n_a_like_b": pair.n_a_like_b,
            "n_b_like_a": pair.n_b_like_a,
            "expected": pair.expected,
            "p_value": pair.p_value,
            "examples": json.dumps([texts[sample].key for sample in some], ensure_ascii=False),
            "method": found.method,
        }
        for pair, some in zip(found.pairs, shown, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=CONFUSION_SCHEMA)


def _publish(
    folder: WorkspaceFolder, generation: Generation, found: _Findings, *, info: dict[str, Any]
) -> None:
    """Publish issues and confused classes in place of those of an earlier run."""
    confusion = _confusion_table(folder, generation, found)
    tables = dict(generation.tables)
    tables |= write_issues(folder, generation, [found.rows], scope=SCOPE_MISLABELS)
    tables[CONFUSION] = [folder.write_table(generation, CONFUSION, [confusion], schema=CONFUSION_SCHEMA)]
    folder.publish(generation, tables=tables, info=info)
