"""Vectors of images that are gone: kept, and no part of any finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from chaffinch.pipeline.find import find
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.pipeline.usable_vectors import usable_vectors
from chaffinch.settings import FindSettings, LeakSettings
from chaffinch.storage.export import read_exported
from chaffinch.storage.folder import WorkspaceFolder

MakeWorkspace = Callable[[Mapping[str, int], np.ndarray | None], Path]

STEPS = ("duplicates", "mislabels", "outliers", "clusters")


@pytest.fixture
def root(make_workspace: MakeWorkspace) -> Path:
    """Cats and dogs; cat 2 looks like a dog, dog 40 like nothing, dogs 41 and 42 are equal to cat 2."""
    rng = np.random.default_rng(0)
    axis = np.repeat([0, 1], 40)
    axis[2], axis[40] = 1, 5
    vectors = np.eye(24)[axis] + rng.normal(0, 0.1, (80, 24))
    vectors[[41, 42]] = vectors[2]
    return make_workspace({"cat": 40, "dog": 40}, vectors)


def found(root: Path) -> dict[str, str]:
    """Return all rows that tell of findings, as text, by table."""
    pairs = LeakSettings(methods=("exact", "semantic"), semantic_threshold=0.99)
    find(root, settings=FindSettings(only=STEPS, pairs=pairs))
    grouped = [row for row in read_exported(root, "samples").to_pylist() if row["uniqueness"] is not None]
    tables = {name: read_exported(root, name).to_pylist() for name in ("issues", "pairs", "confusion")}
    return {name: repr(rows) for name, rows in (tables | {"clusters": grouped}).items()}


def rescan(root: Path) -> None:
    scan(root, SourceSpec(locations=(str(root.parent / "data"),)))


def test_find__images_that_are_gone_are_in_no_row_and_no_evidence(root: Path) -> None:
    before = found(root)
    gone = [root.parent / "data/dog" / f"00{number}.png" for number in (40, 41, 42)]
    files = {path: path.read_bytes() for path in gone}
    for path in gone:
        assert any(path.name in text for text in before.values())
        path.unlink()
    rescan(root)
    after = found(root)
    assert "cat/0002.png" in after["issues"]
    assert [name for name, text in after.items() if any(path.name in text for path in gone)] == []
    for path, data in files.items():
        path.write_bytes(data)
    rescan(root)
    assert found(root)["pairs"] == before["pairs"]


def test_find__with_all_images_gone(root: Path) -> None:
    for path in (root.parent / "data/dog").iterdir():
        path.unlink()
    for path in list((root.parent / "data/cat").iterdir())[1:]:
        path.unlink()
    rescan(root)
    assert len(found(root)["issues"]) == len("[]")


def test_usable_vectors__counts_images_that_are_there(root: Path) -> None:
    (root.parent / "data/dog/0050.png").unlink()
    rescan(root)
    folder = WorkspaceFolder(root)
    usable = usable_vectors(folder, folder.published(), None)
    assert usable is not None
    assert (usable.n_without, len(usable.sample_ids), 50 in usable.sample_ids) == (0, 79, False)
    assert usable.own().shape == (79, 24)
    assert usable_vectors(folder, folder.published(), "other") is None
