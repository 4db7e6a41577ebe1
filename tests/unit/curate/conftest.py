"""A small scanned workspace with findings planted into its table `issues`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from chaffinch.curate.events import Act, Saying
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.records import PERSON, Decision
from chaffinch.storage.decisions import AppendResult, DecisionLog
from chaffinch.storage.findings import write_issues
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.issues import IssueRows
from chaffinch.storage.lock import writer_lock

Meanwhile = Callable[..., None]
FINDINGS = (
    (0, "mislabel", 0.95, "dog"),
    (1, "mislabel", 0.6, "nowhere"),
    (1, "blur", 0.99, None),
    (2, "blur", 0.4, None),
)
"""Sample, type, confidence, suggested label."""


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace of train/{cat,dog}/{a,b}.png and val/cat/a.png with `FINDINGS`; copy it to write."""
    base = tmp_path_factory.mktemp("scanned")
    for number, name in enumerate(("train/cat/a", "train/cat/b", "train/dog/a", "train/dog/b", "val/cat/a")):
        path = base / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(path)
    root = base / "ws"
    scan(root, SourceSpec(locations=(str(base / "data"),)))
    folder = WorkspaceFolder(root)
    with writer_lock(root):
        generation = folder.current()
        keys = folder.read(generation, "samples", columns=["key"]).column(0).to_pylist()
        rows = IssueRows()
        for number, (sample, kind, confidence, label) in enumerate(FINDINGS):
            rows.add(
                (sample, keys[sample]),
                kind,
                finding_id=f"f{number}",
                confidence=confidence,
                reason="Planted.",
                evidence={},
                more={"suggested_label": label, "method": "planted"},
            )
        folder.publish(
            generation,
            tables={**generation.tables, **write_issues(folder, generation, [rows], scope="planted")},
        )
    return root


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Return what lets somebody else decide just before each of the next few appends."""

    def decide(key: str, saying: Saying, *, by: str = "Eve", origin: str = PERSON, times: int = 1) -> None:
        append, left = DecisionLog.append, [times]

        def late(log: DecisionLog, new: Iterable[Decision], *, if_seq: int | None = None) -> AppendResult:
            if left[0]:
                left[0] -= 1
                append(log, [Act(reviewer=by, origin=origin).event(0, key, saying)])
            return append(log, new, if_seq=if_seq)

        monkeypatch.setattr(DecisionLog, "append", late)

    return decide
