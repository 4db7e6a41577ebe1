"""Vectors through scans: in one pass or later, changed and new images, killed runs, several embedders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from chaffinch.compute.embedding import Embedder
from chaffinch.errors import SchemaError, SourceError, UsageError, WorkspaceError
from chaffinch.pipeline import scan as scan_module
from chaffinch.pipeline.embedders import embed_workspace
from chaffinch.pipeline.scan import ScanReport, SourceSpec, scan
from chaffinch.settings import ScanSettings
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.vectors import EmbedderInfo, embedder_info, embedder_names, read_vectors
from chaffinch.workspace import Workspace

COLOURS = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255), "d": (90, 90, 90), "e": (120, 0, 120)}


def paint(data: Path, name: str, colour: tuple[int, int, int]) -> None:
    data.mkdir(exist_ok=True)
    (data / f"{name}.png").unlink(missing_ok=True)
    Image.new("RGB", (12, 10), colour).save(data / f"{name}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        paint(tmp_path / "data", name, colour)
    (tmp_path / "data" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "data"


class Painter:
    """Embedders whose vector is the mean colour, and how many pictures they saw."""

    def __init__(self) -> None:
        self.n_seen = 0
        self.fails_after = 10**9

    def embedder(self, name: str = "mean", fingerprint: str = "1") -> Embedder:
        def embed(pictures: np.ndarray) -> np.ndarray:
            self.n_seen += len(pictures)
            if self.n_seen > self.fails_after:
                raise RuntimeError("out of paint")
            return pictures.mean(axis=(1, 2))

        return Embedder(EmbedderInfo(name, 3, fingerprint, None, name), side=4, embed=embed, batch=2)


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> Painter:
    painter = Painter()
    monkeypatch.setattr(scan_module, "open_vector_maker", lambda spec: painter.embedder(*spec.split("@")))
    return painter


def scanned(data: Path, embedder: str | None = "mean", *, workers: int = 1) -> ScanReport:
    settings = ScanSettings(embedder=embedder, shard_size=2, workers=workers)
    return scan(data.parent / "ws", SourceSpec(locations=(str(data),)), settings=settings)


def colours_of(data: Path, name: str = "mean") -> dict[str, list[float]]:
    """Return the vectors by file name, scaled so that the largest number is 1."""
    folder = WorkspaceFolder(data.parent / "ws")
    generation = folder.published()
    vectors = np.array(read_vectors(folder, generation, name), dtype=np.float64)
    paths = folder.read(generation, "samples", columns=["rel_path"]).column(0).to_pylist()
    scaled = vectors / np.maximum(vectors.max(axis=1, keepdims=True), 1e-9)
    return {Path(path).stem: row for path, row in zip(paths, scaled.round(2).tolist(), strict=True)}


def assert_colours(data: Path, expected: dict[str, tuple[int, int, int]]) -> None:
    want = {name: [round(v / max(colour), 2) for v in colour] for name, colour in expected.items()}
    found = colours_of(data)
    assert {name: row for name, row in found.items() if any(row)} == want


def test_scan__embeds_in_the_pass_that_measures(data: Path, painter: Painter) -> None:
    report = scanned(data, workers=2)
    assert report.embedded is not None
    assert (report.embedded.embedder, report.embedded.n_vectors, report.embedded.n_without) == ("mean", 5, 0)
    assert painter.n_seen == 5
    assert_colours(data, COLOURS)
    folder = WorkspaceFolder(data.parent / "ws")
    assert embedder_info(folder.published()) == painter.embedder().info
    assert list((folder.root / "embedding").iterdir()) == []


def test_scan__embeds_later_without_measuring_again(data: Path, painter: Painter) -> None:
    scanned(data, None)
    report = scanned(data)
    assert report.n_measured == 0
    assert painter.n_seen == 5
    assert_colours(data, COLOURS)
    number = WorkspaceFolder(data.parent / "ws").published().number
    scanned(data)
    assert painter.n_seen == 5
    assert embedder_names(WorkspaceFolder(data.parent / "ws").published()) == ["mean"]
    assert WorkspaceFolder(data.parent / "ws").published().number == number


def test_scan__embeds_changed_and_new_images_alone(data: Path, painter: Painter) -> None:
    scanned(data)
    before = dict(COLOURS)
    paint(data, "b", (50, 100, 0))
    paint(data, "f", (10, 20, 30))
    (data / "c.png").unlink()
    report = scanned(data).embedded
    assert painter.n_seen == 5 + 2
    assert report is not None and (report.n_vectors, report.n_without) == (5, 0)
    # What is gone keeps its vector, in case it comes back.
    assert_colours(data, before | {"b": (50, 100, 0), "f": (10, 20, 30)})


def test_scan__drops_stale_rows_of_embedders_that_were_not_asked(data: Path, painter: Painter) -> None:
    scanned(data)
    paint(data, "b", (50, 100, 0))
    scanned(data, None)
    rest = {name: colour for name, colour in COLOURS.items() if name != "b"}
    assert_colours(data, rest)
    scanned(data)
    assert painter.n_seen == 5 + 1
    assert_colours(data, COLOURS | {"b": (50, 100, 0)})


def test_scan__keeps_rows_of_images_measured_again_with_the_same_bytes(data: Path, painter: Painter) -> None:
    scanned(data)
    settings = ScanSettings(rescan=True, shard_size=2)
    scan(data.parent / "ws", SourceSpec(locations=(str(data),)), settings=settings)
    assert_colours(data, COLOURS)


def test_scan__embeds_all_again_with_other_weights(data: Path, painter: Painter) -> None:
    scanned(data, "mean@1")
    scanned(data, "mean@2")
    assert painter.n_seen == 10
    info = embedder_info(WorkspaceFolder(data.parent / "ws").published())
    assert info is not None and info.fingerprint == "2"


def test_scan__keeps_several_embedders_the_last_used_at_the_end(data: Path, painter: Painter) -> None:
    scanned(data, "mean")
    scanned(data, "other")
    folder = WorkspaceFolder(data.parent / "ws")
    assert embedder_names(folder.published()) == ["mean", "other"]
    scanned(data, "mean")
    assert embedder_names(folder.published()) == ["other", "mean"]
    assert painter.n_seen == 10


@pytest.mark.parametrize("is_scanned_before", [False, True])
def test_scan__goes_on_after_a_failure(data: Path, painter: Painter, is_scanned_before: bool) -> None:
    if is_scanned_before:
        scanned(data, None)
    painter.fails_after = 3
    with pytest.raises(WorkspaceError, match="out of paint"):
        scanned(data)
    n_failed = painter.n_seen
    painter.fails_after = 10**9
    report = scanned(data)
    assert report.embedded is not None and report.embedded.n_vectors == 5
    assert painter.n_seen - n_failed < 5
    assert_colours(data, COLOURS)


def test_embed_workspace__leaves_out_what_has_changed_since(data: Path, painter: Painter) -> None:
    scanned(data, None)
    paint(data, "b", (50, 100, 0))
    report = embed_workspace(data.parent / "ws", painter.embedder())
    assert (report.n_vectors, report.n_without) == (4, 1)
    assert_colours(data, {name: colour for name, colour in COLOURS.items() if name != "b"})


def test_embed_workspace__needs_a_scan(tmp_path: Path, painter: Painter) -> None:
    with pytest.raises(WorkspaceError, match="is no chaffinch workspace"):
        embed_workspace(tmp_path / "ws", painter.embedder())


def test_scan__an_unknown_embedder_is_refused_before_anything_is_read(data: Path) -> None:
    with pytest.raises(UsageError, match="no embedder is called 'resnet'"):
        scanned(data, "resnet")
    assert not (data.parent / "ws").exists()


def test_scan__takes_vectors_that_the_user_has(data: Path) -> None:
    table = pa.table(
        {
            "path": ["d.png", "data/a.png", "nowhere.png", "b.png", "b.png", None],
            "vector": [[0.0, 5.0], [3.0, 0.0], [1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [1.0, 0.0]],
        }
    )
    pq.write_table(table, data.parent / "mine.parquet")
    report = scanned(data, f"vectors:{data.parent / 'mine.parquet'}").embedded
    assert report is not None
    assert (report.embedder, report.n_vectors, report.n_without) == ("vectors:mine", 2, 3)
    assert [warning.split(", such as ")[0] for warning in report.warnings] == [
        "mine.parquet: 1 rows not used (no sample has this id or path)",
        "mine.parquet: 2 rows not used (several samples fit this id or path equally well, "
        "or several rows fit one sample)",
        "mine.parquet: 1 rows not used (it names no image: neither id nor path)",
    ]
    found = colours_of(data, "vectors:mine")
    assert {name: row for name, row in found.items() if any(row)} == {"a": [1, 0], "d": [0, 1]}


def test_scan__rows_without_names_must_be_as_many_as_the_samples(data: Path) -> None:
    np.save(data.parent / "mine.npy", np.eye(6, dtype=np.float32))
    report = scanned(data, f"vectors:{data.parent / 'mine.npy'}").embedded
    assert report is not None and report.n_vectors == 5  # one is broken
    assert colours_of(data, "vectors:mine")["b"] == [0, 1, 0, 0, 0, 0]
    np.save(data.parent / "mine.npy", np.eye(5, dtype=np.float32))
    with pytest.raises(SourceError, match="has 5 rows, and the workspace 6 samples"):
        scanned(data, f"vectors:{data.parent / 'mine.npy'}")


def test_workspace_embed__takes_any_function(data: Path) -> None:
    scanned(data, None)
    workspace = Workspace(data.parent / "ws")
    report = workspace.embed(lambda pictures: pictures.mean(axis=(1, 2)), name="mean", side=4)
    assert report.n_vectors == 5
    assert_colours(data, COLOURS)
    assert workspace.embed("descriptor").n_vectors == 5
    assert repr(workspace).endswith("n_samples=6, embedders=['mean', 'descriptor'])")
    with pytest.raises(SchemaError, match=r"own: gave float64 of shape \(1,\) for one picture"):
        workspace.embed(lambda pictures: pictures.mean(axis=(1, 2, 3)))
