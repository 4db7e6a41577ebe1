"""Brings an edited manifest back into a workspace: its differences become decisions, conflicts are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaffinch.curate.current import append_answer, current_decisions, until_current
from chaffinch.curate.events import Act, Saying, check_reviewer
from chaffinch.curate.exported import is_exported
from chaffinch.curate.labels import Labels
from chaffinch.curate.returned import Returned, as_manifest_decision, compare
from chaffinch.curate.state import NOTHING, SubjectState, fold
from chaffinch.curate.where import FindingsQuery, Selected
from chaffinch.errors import UsageError
from chaffinch.formats.manifest_csv import ManifestLine, read_manifest
from chaffinch.pipeline.linking import REASONS, SampleIndex
from chaffinch.records import Decision
from chaffinch.storage.decisions import open_log
from chaffinch.storage.folder import Generation, WorkspaceFolder


@dataclass(frozen=True, slots=True)
class ManifestImport:
    """What the import of a manifest did."""

    n_rows: int
    """Rows of the file."""
    counts: Mapping[str, int]
    """Rows by what became of them: untouched, same, taken, conflict, refused."""
    left: tuple[Returned, ...]
    """Rows that were not taken, each with its reason."""
    batches: tuple[str, ...]
    """Batches written, one for each reviewer."""


def import_manifest(root: Path, path: Path, *, reviewer: str) -> ManifestImport:
    """Compare a manifest with the log and append what people changed in it; nothing is overwritten.

    Args:
        root: The workspace.
        path: The CSV.
        reviewer: Who edited it; rows that name another reviewer than the log does are that person's.

    Raises:
        UsageError: If it is what a review page saved.
        TableError: If it is no manifest, or a row cannot be read; nothing is written then.
        WorkspaceError: If no scan has ended yet.
        StaleLogError: If others went on deciding about the same images; nothing is written then.
    """
    if is_exported(path):
        raise UsageError(
            "is what a review page saved, not a manifest",
            where=str(path),
            hint=f"chaffinch review --collect {path} -w {root}",
        )
    reviewer, lines = check_reviewer(reviewer), list(read_manifest(path))
    return until_current(lambda: _imported(root, lines, reviewer=reviewer))


def _imported(root: Path, lines: Sequence[ManifestLine], *, reviewer: str) -> ManifestImport:
    folder = WorkspaceFolder(root)
    generation = folder.published()
    decided = current_decisions(folder, generation)
    states = fold(decided.log)
    samples = _samples(folder, generation, states, _linked(folder, generation, lines))
    labels = Labels.of(folder, generation)
    returned: list[Returned] = []
    acts: dict[str, Act] = {}
    events: list[Decision] = []
    for came, sample in _compared(lines, samples, states, labels):
        returned.append(came)
        if came.saying is None or sample is None:
            continue
        state = states.get(sample.key, NOTHING)
        name = came.line.reviewer_name if came.line.reviewer_name not in ("", state.reviewer) else reviewer
        act = acts.setdefault(name, Act(reviewer=name))
        events.append(_event(act, len(events), came.saying, sample=sample, labels=labels))
    append_answer(open_log(root), events, seq=decided.seq)
    return ManifestImport(
        n_rows=len(lines),
        counts=Counter(came.kind for came in returned),
        left=tuple(came for came in returned if came.kind in ("conflict", "refused")),
        batches=tuple(act.batch_id for act in acts.values()),
    )


def _linked(
    folder: WorkspaceFolder, generation: Generation, lines: Sequence[ManifestLine]
) -> list[int | str]:
    """Return the sample of each line, or why it has none."""
    index = SampleIndex(folder, generation)
    numbers = index.link_rows(
        [line.image_id or None for line in lines],
        [line.image_path or None for line in lines],
        [line.split or None for line in lines],
    )
    taken: Counter[int] = Counter(numbers[numbers >= 0].tolist())
    twice = "several rows of the file are about this image"
    return [
        REASONS[number] if number < 0 else twice if taken[number] > 1 else number
        for number in numbers.tolist()
    ]


def _samples(
    folder: WorkspaceFolder,
    generation: Generation,
    states: Mapping[str, SubjectState],
    linked: Sequence[int | str],
) -> list[Selected | str]:
    wanted = np.array([number for number in linked if isinstance(number, int)], dtype=np.int64)
    with FindingsQuery(folder, generation, states) as query:
        found = {sample.sample_id: sample for sample in query.by_number(wanted)}
    return [found[number] if isinstance(number, int) else number for number in linked]


def _compared(
    lines: Sequence[ManifestLine],
    samples: Sequence[Selected | str],
    states: Mapping[str, SubjectState],
    labels: Labels,
) -> Iterator[tuple[Returned, Selected | None]]:
    for line, sample in zip(lines, samples, strict=True):
        if isinstance(sample, str):
            yield Returned(line, "refused" if line.is_edited else "untouched", reason=sample), None
            continue
        ours = as_manifest_decision(states.get(sample.key, NOTHING), sample.given_label)
        yield compare(line, ours, spelled=labels.spelled), sample


def _event(act: Act, number: int, saying: Saying, *, sample: Selected, labels: Labels) -> Decision:
    saying = labels.with_suggestion(saying, sample.suggested_label)
    return act.event(
        number, sample.key, saying, content_digest=sample.content_digest, findings=sample.findings
    )
