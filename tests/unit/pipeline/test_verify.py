"""The proof of a release in each of its forms: what is proven, what is named, what is said to be unproven."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

NAMES = {
    "train/cat/a.png": 1,
    "train/cat/b.png": 2,
    "train/cat/copy.png": 2,
    "train/dog/c.png": 3,
    "val/cat/v.png": 1,
    "val/dog/w.png": 4,
}
"""val/cat/v = train/cat/a; train/cat/copy = train/cat/b."""

ALL_COPIES = "name: house\nversion: 1\nleaks: {side: test}\nduplicates: remove\n"


@pytest.fixture
def source(tmp_path: Path, save_pictures: Callable[..., None]) -> Path:
    save_pictures(tmp_path / "birds", NAMES)
    return tmp_path / "birds"


@pytest.fixture
def shell(source: Path, tmp_path: Path, shell_for: Callable[..., Any]) -> Any:
    """A workspace with a policy that leaves four of the six."""
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("find", "--only", "duplicates")
    run("leaks", "--between", "train", "val", "--methods", "exact,perceptual")
    (tmp_path / "house.yaml").write_text(ALL_COPIES)
    run("policy", "apply", tmp_path / "house.yaml")
    return run


PROVEN = (
    "4 pictures left\n0 residual leaks\n0 leaks waived by a person\n"
    "0 residual duplicates (exact, perceptual, verified)\n0 duplicates kept on purpose\n"
    "all files as they were written, 6 images accounted for\n"
)


@pytest.mark.parametrize("forms", ["lists", "hf", "filelist", "lists,folder,hf,filelist"])
def test_verify__proves_each_form(forms: str, shell: Any, tmp_path: Path) -> None:
    shell("apply", "--to", tmp_path / "out", "--as", forms)
    assert PROVEN.replace("(exact, perceptual, verified)", "(exact)") in shell("verify")


def test_verify__lists_are_proven_on_the_source(
    shell: Any, source: Path, tmp_path: Path, save_pictures: Callable[..., None]
) -> None:
    shell("apply", "--to", tmp_path / "out", "--as", "lists")
    save_pictures(source, {"train/dog/c.png": 4, "train/dog/new.png": 9})
    (source / "train/cat/a.png").unlink()
    text = shell("verify", status=3)
    assert f"changed: {source}/train/dog/c.png" in text
    assert f"added to the source: {source}/train/dog/new.png" in text
    assert "missing: train/cat/a.png (source)" in text
    assert f"1 residual leak\n  {source}/train/dog/c.png = {source}/val/dog/w.png (exact, perceptual)" in text
    source.rename(tmp_path / "elsewhere")
    text = shell("verify")
    assert "residual" not in text
    assert f"not searched again: source cannot be searched: {source}: is not there" in text
    assert "4 pictures left\nall files as they were written" in text


def test_verify__names_lists_that_say_something_else(shell: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shell("apply", "--to", out, "--as", "lists")
    (out / "birds_removal_list.txt").write_text("cat/a.png\n")
    (out / "birds_val_relabel_map.json").write_text('{"dog/w.png": "cat"}')
    text = shell("verify", status=3)
    for name in ("birds_removal_list.txt", "birds_val_relabel_map.json"):
        assert f"changed: {name}" in text
        assert f"not what the manifest says: {name}" in text
    (out / "birds_final_cleaning_manifest.csv").write_text("nothing\n")
    (out / "pictures.csv").unlink()
    text = shell("verify", status=3)
    assert "cannot be read: pictures.csv" in text
    assert "missing: pictures.csv" in text


def test_verify__names_shards_that_were_changed(shell: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shell("apply", "--to", out, "--as", "hf")
    shard = out / "data" / "train-00000-of-00001.parquet"
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[0]["image"]["bytes"] = rows[2]["image"]["bytes"]
    pq.write_table(table.from_pylist(rows, schema=table.schema), shard)
    text = shell("verify", status=3)
    assert "changed: data/train-00000-of-00001.parquet\n" in text
    assert "changed: data/train-00000-of-00001.parquet/0\n" in text
    assert "1 residual duplicate (exact)\n  data/train-00000-of-00001.parquet/0 = " in text
    shard.write_bytes(shard.read_bytes()[:-20])
    text = shell("verify", status=3)
    assert "hf cannot be searched" in text
    shutil.rmtree(out / "data")
    text = shell("verify", status=3)
    assert "missing: data/train-00000-of-00001.parquet" in text
    assert "missing: train/cat/a.png (hf)" in text


def test_verify__names_listed_files_that_changed(
    shell: Any, source: Path, tmp_path: Path, save_pictures: Callable[..., None]
) -> None:
    shell("apply", "--to", tmp_path / "out", "--as", "filelist")
    save_pictures(source, {"val/dog/w.png": 3})
    (source / "train/cat/a.png").unlink()
    text = shell("verify", status=3)
    assert f"changed: {source}/val/dog/w.png" in text
    assert f"missing: {source}/train/cat/a.png" in text
    assert f"{source}/train/dog/c.png = {source}/val/dog/w.png" in text


def test_verify__duplicates_that_persons_keep_are_named(shell: Any, tmp_path: Path) -> None:
    for key in ("train/cat/b.png", "train/cat/copy.png"):
        shell("tag", "--ids", key, "--action", "keep", "--reviewer", "Saeed")
    shell("apply", "--to", tmp_path / "out")
    text = shell("verify")
    assert (
        "0 residual duplicates (exact)\n1 duplicate kept on purpose\n"
        "  images/train/cat/b.png = images/train/cat/copy.png: Saeed keeps it"
    ) in text


def test_verify__equal_copies_of_a_near_copy_are_named(
    source: Path, tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    """b and copy are equal, but found as near copies of a larger picture, which the default policy keeps."""
    with Image.open(source / "train/cat/b.png") as small:
        small.resize((80, 80), Image.Resampling.BICUBIC).save(source / "train/cat/large.png")
    (source / "train/dog/c2.png").write_bytes((source / "train/dog/c.png").read_bytes())
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("find", "--only", "duplicates")
    run("policy", "apply")
    run("apply", "--to", tmp_path / "out", "--as", "lists")
    record = json.loads((tmp_path / "out" / "release.json").read_text())
    assert record["copies"]["methods"] == ["exact"]
    assert record["copies"]["kept"] == {
        "train/cat/b.png": "no policy removes it",
        "train/cat/copy.png": "no policy removes it",
    }
    assert "1 duplicate kept on purpose" in run("verify")


def test_apply__colliding_ids_lose_no_innocent_row(
    tmp_path: Path, save_pictures: Callable[..., None], shell_for: Callable[..., Any]
) -> None:
    """The guide saves train/3/17.jpg and val/5/17.jpg; val row 4 is train row 3 and goes."""
    names = {f"train/{row % 2}/{row}.png": row for row in range(6)}
    names |= {f"val/{row % 2}/{row}.png": 3 if row == 4 else 50 + row for row in range(6)}
    save_pictures(tmp_path / "birds", names)
    run = shell_for(tmp_path / "ws")
    run("scan", tmp_path / "birds")
    run("leaks", "--between", "train", "val", "--methods", "exact")
    run("policy", "apply")
    run("tag", "--ids", "train/1/5.png", "--action", "relabel", "--new-label", "0", "--reviewer", "Saeed")
    out = tmp_path / "out"
    run("apply", "--to", out, "--as", "lists,folder,hf,filelist")
    assert "11 pictures left\n0 residual leaks" in run("verify")

    kept = {str(path.relative_to(out / "images")) for path in (out / "images").rglob("*.png")}
    assert kept == (set(names) - {"val/0/4.png", "train/1/5.png"}) | {"train/0/5.png"}
    with (out / "birds_train_files.csv").open(newline="") as file:
        assert sorted(row["image_id"] for row in csv.DictReader(file)) == list("012345")
    shard = pq.read_table(out / "data" / "train-00000-of-00001.parquet")
    assert sorted(zip(shard["image_id"].to_pylist(), shard["label"].to_pylist(), strict=True)) == [
        (0, 0),
        (1, 1),
        (2, 0),
        (3, 1),
        (4, 0),
        (5, 0),
    ]
    removed = {int(line) for line in (out / "birds_removal_list.txt").read_text().split()}
    assert removed == {10}
    assert (out / "birds_val_removal_list.txt").read_text() == "4\n"


def test_verify__counts_a_pair_once_whatever_the_forms(shell: Any, tmp_path: Path) -> None:
    for key in ("train/cat/a.png", "val/cat/v.png", "train/cat/b.png", "train/cat/copy.png"):
        shell("tag", "--ids", key, "--action", "keep", "--reviewer", "Saeed")
    shell("apply", "--to", tmp_path / "out", "--as", "lists,folder,hf,filelist")
    text = shell("verify")
    assert "\n1 leak waived by a person\n  images/train/cat/a.png = images/val/cat/v.png, by Saeed\n" in text
    assert "\n2 duplicates kept on purpose\n  images/train/cat/a.png = images/val/cat/v.png: " in text


def test_verify__of_images_that_nobody_read_says_that_nothing_is_proven(
    tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    media = [{"media_id": n, "file_path": f"{n}.jpg", "metadata_items": []} for n in "abc"]
    (tmp_path / "e.json").write_text(json.dumps({"info": {"dataset": "far"}, "media_items": media}))
    run = shell_for(tmp_path / "ws")
    run("import", "visual-layer", tmp_path / "e.json")
    run("apply", "--to", tmp_path / "out", "--as", "lists")
    text = run("verify")
    assert "3 images left\n" in text
    assert "nothing about pictures could be proven: none could be read" in text
    assert "residual" not in text


def test_verify__searches_again_with_the_vectors_that_were_compared(
    tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    """A wide crop, which no hash brings near: only its vector makes it a candidate."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    whole = Image.fromarray(small).resize((240, 180), Image.Resampling.BICUBIC)
    for name in ("train/cat/a.png", "train/cat/b.png", "val/cat/c.png", "val/cat/d.png"):
        (tmp_path / "birds" / name).parent.mkdir(parents=True, exist_ok=True)
    whole.save(tmp_path / "birds/train/cat/a.png")
    whole.crop((24, 18, 204, 153)).save(tmp_path / "birds/val/cat/c.png")
    run = shell_for(tmp_path / "ws")
    run("scan", tmp_path / "birds", "--embedder", "chaffinch-s")
    run("leaks", "--between", "train", "val", "--methods", "verified")
    run("apply", "--to", tmp_path / "out")
    (search,) = json.loads((tmp_path / "out" / "release.json").read_text())["searches"]
    assert search["vectors"]["verified"]["spec"] == "chaffinch-s"
    text = run("verify", status=3)
    assert "1 residual leak\n  images/train/cat/a.png = images/val/cat/c.png (verified)" in text
    record = json.loads((tmp_path / "out" / "release.json").read_text())
    record["searches"][0]["vectors"]["verified"]["fingerprint"] = "another"
    (tmp_path / "out" / "release.json").write_text(json.dumps(record))
    text = run("verify", status=3)
    assert "0 residual leaks" in text
    assert (
        "not searched again: verified leaks between train and val through the vectors of chaffinch-s" in text
    )
