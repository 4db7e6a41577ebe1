"""`uniqueness` and `cluster_id` of an export are columns of the samples, and outlive a rescan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from chaffinch.curate.where import FindingsQuery
from chaffinch.pipeline.import_export import VISUAL_LAYER, import_exports
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.storage.export import read_exported
from chaffinch.storage.folder import WorkspaceFolder

HEADER = "image_id,image_path,issue_type,confidence,uniqueness,cluster_id\n"


def run(root: Path, text: str, name: str = "e.csv") -> None:
    path = root.parent / name
    path.write_text(HEADER + text)
    import_exports(root, [path], tool=VISUAL_LAYER)


def clusters(root: Path) -> dict[str, tuple[Any, Any]]:
    rows = read_exported(root, "samples").to_pylist()
    return {row["image_path"].rpartition("/")[2]: (row["uniqueness"], row["cluster_id"]) for row in rows}


def selected(root: Path, expression: str) -> list[str]:
    folder = WorkspaceFolder(root)
    with FindingsQuery(folder, folder.published(), {}) as query:
        return [sample.image_path.rpartition("/")[2] for sample in query.select(expression)]


def test_import__fills_the_columns_and_a_scan_keeps_them(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    run(
        root, "1,a.png,blur,0.5,0.25,c1\n1,a.png,dark,0.5,0.75,c2\n2,b.png,blur,0.5,,\n3,c.png,blur,0.5,,c1\n"
    )
    expected = {"a.png": (0.25, "c1"), "b.png": (None, None), "c.png": (None, "c1")}
    assert clusters(root) == expected
    assert selected(root, "uniqueness < 0.5") == ["a.png"]
    assert selected(root, "cluster_id = 'c1'") == ["a.png", "c.png"]
    assert selected(root, "uniqueness IS NULL AND is_representative IS NULL") == ["b.png", "c.png"]

    for number, name in enumerate(("c", "b", "a")):
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(tmp_path / "data" / f"{name}.png")
    scan(root, SourceSpec(locations=(str(tmp_path / "data"),)))
    assert clusters(root) == expected


def test_import__a_newer_export_counts_and_rows_that_mean_no_sample_do_not(tmp_path: Path) -> None:
    root, data = tmp_path / "ws", tmp_path / "data"
    data.mkdir()
    for number, name in enumerate(("a", "b")):
        Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(data / f"{name}.png")
    scan(root, SourceSpec(locations=(str(data),)))
    run(root, "1,a.png,blur,0.5,0.25,c1\n2,b.png,blur,0.5,0.5,c1\n9,z.png,blur,0.5,0.125,c1\n")
    run(root, "1,a.png,blur,0.5,0.75,c9\n", name="newer.csv")
    assert clusters(root) == {"a.png": (0.75, "c9"), "b.png": (0.5, "c1")}


def test_import__without_any_writes_no_table(tmp_path: Path) -> None:
    run(tmp_path / "ws", "1,a.png,blur,0.5,,\n")
    tables = WorkspaceFolder(tmp_path / "ws").published().tables
    assert [name for name in tables if name.startswith("clusters/")] == []
    assert clusters(tmp_path / "ws") == {"a.png": (None, None)}
