"""Phase 3 of the users' guide, run as it stands there: the guide's own commands, layout and snippet."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICK = """
python train_test_leak_detection.py \\
    --dataset imagenet1k \\
    --train_dir ~/capstone_project_Visual-Layer/capstone_project_visual_layer/data/imagenet_official/train \\
    --test_dir ~/capstone_project_Visual-Layer/capstone_project_visual_layer/data/imagenet_official/val \\
    --output manifests/imagenet1k_leaks_report.csv \\
    --methods perceptual \\
    --phash_threshold 5
"""

COMPREHENSIVE = """
python train_test_leak_detection.py \\
    --dataset imagenet1k \\
    --train_dir ~/capstone_project_Visual-Layer/capstone_project_visual_layer/data/imagenet_official/train \\
    --test_dir ~/capstone_project_Visual-Layer/capstone_project_visual_layer/data/imagenet_official/val \\
    --output manifests/imagenet1k_leaks_report.csv \\
    --methods exact perceptual semantic \\
    --phash_threshold 5 \\
    --semantic_threshold 0.95
"""

HUGGING_FACE = """
python train_test_leak_detection.py --dataset imagenet1k --train_dir data/imagenet1k_for_leak_check/train \
--test_dir data/imagenet1k_for_leak_check/val --output manifests/imagenet1k_leaks_report.csv \
--methods perceptual
"""

VIEW = "cat manifests/imagenet1k_leaks_report_summary.txt"

MERGE = """
import pandas as pd

# Load tagging manifest
manifest = pd.read_csv('manifests/imagenet1k_tagged_manifest.csv')

# Load leak report
leaks = pd.read_csv('manifests/imagenet1k_leaks_report.csv')

# Add leak flags to manifest
test_images_with_leaks = set(leaks['test_image'].tolist())

def flag_leaks(row):
    if row['image_path'] in test_images_with_leaks:
        # Add train_test_leak tag
        existing_tags = row['user_tags'] if pd.notna(row['user_tags']) else ''
        new_tags = existing_tags + ',train_test_leak' if existing_tags else 'train_test_leak'
        return new_tags
    return row['user_tags']

manifest['user_tags'] = manifest.apply(flag_leaks, axis=1)

# Mark leak images for removal
manifest.loc[manifest['image_path'].isin(test_images_with_leaks), 'user_action'] = 'remove'

# Save updated manifest
manifest.to_csv('manifests/imagenet1k_final_cleaning_manifest.csv', index=False)
"""

MANIFEST_COLUMNS = (
    "image_id,image_path,dataset,split,label,vl_flag_type,vl_confidence,vl_suggested_label,vl_reason,"
    "user_tags,user_action,new_label,reviewer_name,reviewed_at,notes"
).split(",")

SCRIPT = Path(__file__).parents[2] / "train_test_leak_detection.py"

TRAIN = ["n01440764/ILSVRC2012_1.JPEG", "n01440764/ILSVRC2012_2.JPEG", "n02007558/ILSVRC2012_3.JPEG"]
VAL_LEAKS = ["n01440764/ILSVRC2012_1.JPEG", "n02007558/ILSVRC2012_9.JPEG"]
"""Copies of the first two train images; the first has the very name that its train image has."""
BACKUP = f"old_backup/val/{VAL_LEAKS[0]}"
"""A file of somewhere else whose path ends as that of a leak does."""
VAL_INNOCENT = ["n02007558/ILSVRC2012_1.JPEG", "n01440764/ILSVRC2012_9.JPEG"]
"""Other pictures, with the file names of the leaks."""
OFFICIAL = "data/imagenet_official"


def picture(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
    return coarse.resize((96, 80), Image.Resampling.BICUBIC)


def save(path: Path, seed: int, *, quality: int = 92) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, "JPEG", quality=quality)


@pytest.fixture
def project(commands) -> Path:
    """The guide's folder below HOME, with the script alone in it."""
    folder = commands.home / "capstone_project_Visual-Layer" / "capstone_project_visual_layer"
    shutil.rmtree(folder, ignore_errors=True)
    official = folder / OFFICIAL
    for seed, name in enumerate(TRAIN):
        save(official / "train" / name, seed)
    shutil.copy(official / "train" / TRAIN[0], _parent(official / "val" / VAL_LEAKS[0]))
    save(official / "val" / VAL_LEAKS[1], 1, quality=60)
    for seed, name in enumerate(VAL_INNOCENT, start=10):
        save(official / "val" / name, seed)
    shutil.copy(SCRIPT, folder)
    return folder


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_manifest(folder: Path, rows: list[tuple[str, str]]) -> Path:
    """Write a manifest of image paths and splits, with two rows that people have tagged."""
    path = _parent(folder / "manifests" / "imagenet1k_tagged_manifest.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        writer.writeheader()
        for number, (image_path, split) in enumerate(rows):
            tagged = {"user_tags": "mislabel_uncertain"} if number == 0 else {}
            tagged |= {"user_action": "keep", "user_tags": "outlier_valid"} if number == 1 else {}
            row = {"image_id": number, "image_path": image_path, "dataset": "imagenet1k", "split": split}
            writer.writerow({**row, "user_action": "none", "label": "3", **tagged})
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def flagged(path: Path) -> set[str]:
    return {row["image_path"] for row in read_rows(path) if "train_test_leak" in row["user_tags"]}


def test_guide__commands_of_step_3_1_and_3_2(commands, project) -> None:
    commands.shell(QUICK, folder=project)
    report = project / "manifests" / "imagenet1k_leaks_report.csv"
    root = project / OFFICIAL
    pairs = {
        (str(root / "train" / train), str(root / "val" / val))
        for train, val in zip(TRAIN, VAL_LEAKS, strict=False)
    }
    assert {(row["train_image"], row["test_image"]) for row in read_rows(report)} == pairs
    assert {row["method"] for row in read_rows(report)} == {"perceptual"}

    commands.shell(COMPREHENSIVE, folder=project)
    by_method = {
        method: {(r["train_image"], r["test_image"]) for r in read_rows(report) if r["method"] == method}
        for method in ("exact", "perceptual", "semantic")
    }
    exact = {pair for pair in pairs if pair[1].endswith(VAL_LEAKS[0])}
    assert by_method == {"exact": exact, "perceptual": pairs, "semantic": set()}
    summary = commands.shell(VIEW, folder=project).stdout
    assert "semantic" in summary and "2 of 4" in summary


SPELLINGS = {
    "relative": OFFICIAL,
    "absolute": f"HOME/capstone_project_Visual-Layer/capstone_project_visual_layer/{OFFICIAL}",
    "tilde": f"~/capstone_project_Visual-Layer/capstone_project_visual_layer/{OFFICIAL}",
    "elsewhere": "/mnt/server/imagenet",
}


@pytest.mark.parametrize(
    "spelling", ["mixed", *(pytest.param(name, marks=pytest.mark.slow) for name in SPELLINGS)]
)
def test_guide__snippet_of_step_3_3(commands, project, spelling) -> None:
    """The manifest spells paths otherwise than the command line; leaks are flagged, namesakes are not."""
    names = [*(f"val/{name}" for name in VAL_LEAKS + VAL_INNOCENT), *(f"train/{name}" for name in TRAIN)]
    styles = [SPELLINGS[spelling]] if spelling in SPELLINGS else list(SPELLINGS.values())
    roots = [style.replace("HOME", str(commands.home)) for style in styles]
    paths = [f"{roots[number % len(roots)]}/{name}" for number, name in enumerate(names)]
    leaks = paths[: len(VAL_LEAKS)]
    rows = [(path, name.partition("/")[0]) for path, name in zip(paths, names, strict=True)]
    manifest = write_manifest(project, [*rows, *([(BACKUP, "val")] if spelling == "mixed" else [])])
    untouched = manifest.read_bytes()

    commands.shell(QUICK, folder=project)
    (project / "merge.py").write_text(MERGE)
    commands.shell("python merge.py", folder=project)
    final = project / "manifests" / "imagenet1k_final_cleaning_manifest.csv"
    assert flagged(final) == set(leaks)
    assert {r["image_path"] for r in read_rows(final) if r["user_action"] == "remove"} == set(leaks)
    assert manifest.read_bytes() == untouched

    options = "--add-to manifests/imagenet1k_tagged_manifest.csv --fail-on-leaks"
    commands.shell(f"{QUICK.strip()} {options}", folder=project, status=3)
    # `--add-to` respects a person's keep, which the guide's snippet overwrites; else both do the same.
    assert flagged(manifest) == {leaks[0]}
    kept = next(row for row in read_rows(manifest) if row["image_path"] == leaks[1])
    assert (kept["user_tags"], kept["user_action"]) == ("outlier_valid", "keep")
    others = [row for row in read_rows(manifest) if row["image_path"] != leaks[1]]
    assert others == [row for row in read_rows(final) if row["image_path"] != leaks[1]]


def test_guide__hugging_face_layout_with_colliding_stems(commands, project) -> None:
    data = project / "data" / "imagenet1k_for_leak_check"
    for i in range(8):
        save(data / "train" / str(i % 3) / f"{i}.jpg", 20 + i)
    for i in range(4):
        seed = 25 if i == 2 else 40 + i
        save(data / "val" / str(i % 2) / f"{i}.jpg", seed, quality=80)
    rows = [(f"data/imagenet1k_for_leak_check/val/{i % 2}/{i}.jpg", "val") for i in range(4)]
    rows += [(f"data/imagenet1k_for_leak_check/train/{i % 3}/{i}.jpg", "train") for i in range(8)]
    write_manifest(project, rows[::-1])
    commands.shell(HUGGING_FACE, folder=project)
    report = read_rows(project / "manifests" / "imagenet1k_leaks_report.csv")
    found = [(row["train_image"], row["test_image"]) for row in report]
    base = "data/imagenet1k_for_leak_check"
    assert found == [(f"{base}/train/2/5.jpg", f"{base}/val/0/2.jpg")]
    (project / "merge.py").write_text(MERGE)
    commands.shell("python merge.py", folder=project)
    final = project / "manifests" / "imagenet1k_final_cleaning_manifest.csv"
    assert flagged(final) == {f"{base}/val/0/2.jpg"}


@pytest.mark.slow
def test_guide__stages_and_exit_status(commands, project) -> None:
    folders = f"--train_dir {OFFICIAL}/train --test_dir {OFFICIAL}/val --output out.csv"
    script = f"python train_test_leak_detection.py {folders}"
    commands.shell(f"{script} --methods exact", folder=project)
    commands.shell(f"{script} --methods perceptual --fail-on-leaks", folder=project, status=3)
    done = commands.shell(f"{script} --methods semantic", folder=project)
    assert [row["method"] for row in read_rows(project / "out.csv")] == ["exact", "perceptual", "perceptual"]
    assert "semantic" in done.stdout and "semantic" in (project / "out_summary.txt").read_text()
