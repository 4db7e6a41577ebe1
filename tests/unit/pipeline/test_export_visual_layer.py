"""Our findings leave as a Visual Layer export and come back the same: into a workspace, and for the guide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chaffinch.curate.events import Saying
from chaffinch.curate.state import fold
from chaffinch.curate.tagging import plan_tagging, write_tagging
from chaffinch.errors import UsageError
from chaffinch.pipeline.export_visual_layer import export_visual_layer
from chaffinch.pipeline.find import find
from chaffinch.pipeline.import_export import VISUAL_LAYER, import_exports
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.pipeline.tagging_workflow import VLTaggingWorkflow
from chaffinch.settings import FindSettings
from chaffinch.storage.decisions import open_log
from chaffinch.storage.export import read_exported

NAMES = ("None/a, b.png", 'NA/"q".png', "käse/new\nline.png", "käse/plain.png", "käse/dark.png")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five pictures with awkward names: the first two are copies under two labels, the last one is dark."""
    for seed, name in enumerate(NAMES):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(max(seed, 1)).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise // (12 if "dark" in name else 1)).save(path)
    return tmp_path / "images"


@pytest.fixture
def workspace(images: Path, tmp_path: Path) -> Path:
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)))
    find(tmp_path / "ws", settings=FindSettings(only=("duplicates", "quality")))
    return tmp_path / "ws"


def findings(root: Path) -> list[tuple[Any, ...]]:
    rows = read_exported(root, "issues").to_pylist()
    names = ("key", "issue_type", "confidence", "suggested_label", "reason")
    return sorted(tuple(str(row[name]) for name in names) for row in rows)


def test_export__json_comes_back_into_a_scanned_workspace(
    workspace: Path, images: Path, tmp_path: Path
) -> None:
    before = findings(workspace)
    assert {row[1] for row in before} == {"duplicate", "label_conflict", "dark"}
    assert export_visual_layer(workspace, tmp_path / "e.json").n_items == 5
    scan(tmp_path / "other", SourceSpec(locations=(str(images),)))
    import_exports(tmp_path / "other", [tmp_path / "e.json"], tool=VISUAL_LAYER)
    assert findings(tmp_path / "other") == before


def test_export__is_the_same_file_each_time(workspace: Path, tmp_path: Path) -> None:
    for ending in ("csv", "json"):
        export_visual_layer(workspace, tmp_path / f"1.{ending}")
        export_visual_layer(workspace, tmp_path / f"2.{ending}")
        assert (tmp_path / f"1.{ending}").read_bytes() == (tmp_path / f"2.{ending}").read_bytes()


def test_export__csv_feeds_the_tagging_workflow(workspace: Path, tmp_path: Path) -> None:
    n_rows = export_visual_layer(workspace, tmp_path / "e.csv").n_items
    workflow = VLTaggingWorkflow(tmp_path / "e.csv", "pets")
    assert len(workflow.load_vl_export()) == n_rows == len(findings(workspace))
    manifest = workflow.create_tagging_manifest().set_index("image_id")
    assert set(manifest.index) == {"None/a, b.png", 'NA/"q".png', "käse/dark.png"}
    assert manifest.loc["None/a, b.png", "label"] == "None"
    assert manifest.loc['NA/"q".png', "label"] == "NA"
    assert manifest.loc["käse/dark.png", "vl_flag_type"] == "dark"


def test_export__only_of_one_source(workspace: Path, tmp_path: Path) -> None:
    export_visual_layer(workspace, tmp_path / "e.csv", sources=["chaffinch"])
    import_exports(workspace, [tmp_path / "e.csv"], tool=VISUAL_LAYER)
    both = export_visual_layer(workspace, tmp_path / "both.csv", sources=["all"]).n_items
    ours = export_visual_layer(workspace, tmp_path / "ours.csv").n_items
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "e.csv").read_bytes()
    assert both > ours
    with pytest.raises(UsageError, match="no findings of 'cleanlab'"):
        export_visual_layer(workspace, tmp_path / "e.csv", sources=["cleanlab"])
    with pytest.raises(UsageError, match="cannot write"):
        export_visual_layer(workspace, tmp_path / "e.xlsx")


def test_export__a_persons_keep_comes_back_and_what_a_policy_says_stays_here(
    workspace: Path, images: Path, tmp_path: Path
) -> None:
    person = plan_tagging(workspace, Saying(action="keep"), reviewer="Kim", names=["käse/dark.png"])
    write_tagging(workspace, person)
    house = plan_tagging(
        workspace, Saying(("low_quality_blur",), action="remove"), reviewer="x", names=["käse/plain.png"]
    )
    open_log(workspace).append([replace(event, origin="policy:house@1") for event in house.events])
    export_visual_layer(workspace, tmp_path / "e.json")
    scan(tmp_path / "other", SourceSpec(locations=(str(images),)))
    import_exports(tmp_path / "other", [tmp_path / "e.json"], tool=VISUAL_LAYER)
    states = fold(open_log(tmp_path / "other").read())
    assert {key: (state.tags, state.action) for key, state in states.items()} == {
        "all/käse/dark.png": (("keep",), "keep")
    }
