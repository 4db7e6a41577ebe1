"""The users' guide (docs/guide.md), phases 1.2 to 5: each command and Python block as it stands there.

The blocks are taken from the page, so what is run is what users read. One folder below one HOME is laid out
as the guide says, with copies of the two scripts and nothing else of the repository. The harness supplies
only what the guide leaves to its reader: the hub behind `load_dataset`, the command `open`, and the names
that a training script has (`Dataset`, `full_train_dataset`, `train_transform`). A block that is not run is
listed in `NOT_RUN` with the reason; one that is in neither list fails the test.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
GUIDE = REPOSITORY / "docs" / "guide.md"

# ----------------------------------------------------------------------------------------- the guide's blocks

_PART = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$|`(?P<inline>python [^`]+)`",
    re.MULTILINE | re.DOTALL,
)
_COMMENTED = re.compile(r"^# (python .+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """Something that a reader of the guide may run."""

    name: str
    """Heading above it, and its number below that heading."""
    language: str
    """bash, python, or '' for steps in words."""
    code: str
    """As it stands in the guide."""


def blocks_of(text: str) -> Iterator[Block]:
    """Yield every fenced block, every command in a comment of one, and every command within a sentence."""
    heading, counts = "", Counter[str]()

    def named(language: str, code: str) -> Block:
        counts[heading] += 1
        return Block(f"{heading} ({counts[heading]})", language, code)

    for part in _PART.finditer(text):
        if part["heading"]:
            heading = part["heading"]
        elif part["inline"]:
            yield named("bash", part["inline"])
        else:
            yield named(part["language"], part["code"])
            yield from (named("bash", line) for line in _COMMENTED.findall(part["code"]))


BLOCKS = {block.name: block for block in blocks_of(GUIDE.read_text(encoding="utf-8"))}

MANIFEST = "Step 2.1: Create Initial Tagging Manifest (1)"
OPEN = "Step 2.2: Review and Tag Images (1)"
TAG = "Step 2.2: Review and Tag Images (2)"
QUICK = "Step 3.1: Run Leak Detection on ImageNet1K (1)"
COMPREHENSIVE = "Step 3.1: Run Leak Detection on ImageNet1K (2)"
SAVE = "Step 3.1: Run Leak Detection on ImageNet1K (3)"
SAVED_LEAKS = "Step 3.1: Run Leak Detection on ImageNet1K (4)"
VIEW = "Step 3.2: Review Leak Detection Results (1)"
MERGE = "Step 3.3: Merge Leak Detection with Tagging Manifest (1)"
CLEAN = "Step 4.1: Create Clean Dataset Based on Manifest (1)"
TRAIN = "Step 4.2: Update Training Script to Use Cleaned Data (1)"
COCO_MANIFEST = "Phase 5: Repeat for COCO (1)"
COCO_LEAKS = "Phase 5: Repeat for COCO (2)"

RUN = (
    *(MANIFEST, OPEN, TAG, QUICK, COMPREHENSIVE, SAVE, SAVED_LEAKS),
    *(VIEW, MERGE, CLEAN, TRAIN, COCO_MANIFEST, COCO_LEAKS),
)

NOT_RUN = {
    "1. Install Required Packages (1)": "set-up: fetches packages; the test environment has what is needed",
    "Step 1.1: Upload Dataset to Visual Layer (1)": "steps in words, on the pages of the platform",
    "Step 1.2: Export Visual Layer Results (1)": "steps in words; `lay_out` puts the export where they do",
    "VL Export Format Different (1)": "fragment (`self`, `...`); in a subclass in "
    "tests/unit/pipeline/test_tagging_workflow.py",
    "Leak Detection Too Slow (1)": "fragments (`...`); run with folders in `test_stages__...` below",
    "Out of Memory During Leak Detection (1)": "says what to edit, and runs nothing",
}


def test_guide__every_block_is_run_or_listed_with_its_reason() -> None:
    assert sorted([*RUN, *NOT_RUN]) == sorted(BLOCKS)
    assert all(reason.strip() for reason in NOT_RUN.values())


def test_guide__blocks_in_comments_and_sentences_are_seen() -> None:
    text = (
        "# A\n```python\nx = 1\n# python a.py --b\n```\nRun `python c.py` and `c`.\n## B\n```\nwords\n```\n"
    )
    assert list(blocks_of(text)) == [
        Block("A (1)", "python", "x = 1\n# python a.py --b\n"),
        Block("A (2)", "bash", "python a.py --b"),
        Block("A (3)", "bash", "python c.py"),
        Block("B (1)", "", "words\n"),
    ]


# ------------------------------------------------------------------------------------------------ the harness

N_TRAIN, N_VAL = 124, 5
"""Rows of the hub's dataset: as many train rows as it takes to have the guide's image 123."""
LEAKING_VAL, COPIED_TRAIN = 2, 5
"""Val row 2 shows the same as train row 5."""

EXPORT = """image_id,image_path,label,issue_type,confidence,suggested_label,reason
0,data/imagenet1k_for_leak_check/train/0/0.jpg,0,mislabels,0.97,2,"looks, like 2"
0,data/imagenet1k_for_leak_check/train/0/0.jpg,0,blur,0.99,,=soft
1,data/imagenet1k_for_leak_check/train/1/1.jpg,1,mislabel,0.95,,odd
4,data/imagenet1k_for_leak_check/train/1/4.jpg,1,Mislabeled,0.5,2,unsure
5,data/imagenet1k_for_leak_check/train/2/5.jpg,2,blur,0.2,,soft
123,data/imagenet1k_for_leak_check/train/0/123.jpg,0,outlier,0.7,,edge
126,data/imagenet1k_for_leak_check/val/0/2.jpg,0,outliers,0.4,,far
127,data/imagenet1k_for_leak_check/val/1/3.jpg,1,dark,0.3,,dark
"""
"""The platform's export; val row `i` has the id 124 + `i`."""

COCO_EXPORT = """id,path,class,flag,confidence,suggested_label,reason
139,path/to/coco/val/000000000139.jpg,tv,outlier,61%,,far
285,path/to/coco/val/000000000285.jpg,bear,blur,40%,,soft
"""

HUB = f"""
from supplied import picture

SEEDS = {{"train": list(range({N_TRAIN})), "val": list(range(1000, {1000 + N_VAL}))}}
SEEDS["val"][{LEAKING_VAL}] = SEEDS["train"][{COPIED_TRAIN}]


def load_dataset(name, *, split):
    assert name == "evanarlian/imagenet_1k_resized_256", name
    n_classes = 3 if split == "train" else 2
    rows = enumerate(SEEDS[split])
    return [{{"image": picture(seed), "label": row % n_classes}} for row, seed in rows]
"""

SUPPLIED = """
import numpy as np
from PIL import Image


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC)
"""

RUN_PYTHON = """
import json, sys
from pathlib import Path

names = {"__name__": "__main__"}
if sys.argv[2] == "training script":
    from datasets import load_dataset

    rows = load_dataset("evanarlian/imagenet_1k_resized_256", split="train")
    names |= {"Dataset": object, "full_train_dataset": rows, "train_transform": lambda image: image.mode}
exec(compile(Path(sys.argv[1]).read_text(), sys.argv[1], "exec"), names)
if "cleaned_dataset" in names:
    cleaned = names["cleaned_dataset"]
    Path(sys.argv[1]).with_suffix(".json").write_text(json.dumps([cleaned[i] for i in range(len(cleaned))]))
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A block that was run."""

    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Project:
    """The guide's folder below its own HOME."""

    folder: Path
    harness: Path
    environment: Mapping[str, str]

    def run(self, name: str) -> Finished:
        """Run a block of the guide, unchanged, as its reader would; it must not fail."""
        block = BLOCKS[name]
        if block.language == "python":
            return self.python(block.code, is_training=name == TRAIN)
        return self.shell(block.code)

    def shell(self, script: str, *, status: int = 0) -> Finished:
        """Run bash commands in the folder."""
        return self._finish(["bash", "-euc", script], status=status)

    def python(self, code: str, *, is_training: bool = False) -> Finished:
        """Run Python code in the folder."""
        file = self.harness / "block.py"
        file.write_text(code)
        role = "training script" if is_training else "notebook"
        return self._finish(["python", str(self.harness / "run.py"), str(file), role])

    def _finish(self, command: list[str], *, status: int = 0) -> Finished:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return Finished(done.stdout, done.stderr)

    def trained_on(self) -> list[list[object]]:
        """Return image and label of each row that the training script of the last run sees."""
        rows: list[list[object]] = json.loads((self.harness / "block.json").read_text())
        return rows

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a CSV in `manifests/`."""
        with (self.folder / "manifests" / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def save(path: Path, seed: int, *, quality: int = 92) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC).save(path, quality=quality)


OFFICIAL = "data/imagenet_official"
OFFICIAL_TRAIN = [
    *("n01440764/ILSVRC2012_1.JPEG", "n01440764/ILSVRC2012_2.JPEG"),
    "n02007558/ILSVRC2012_3.JPEG",
]
VAL_LEAKS = ["n01440764/ILSVRC2012_1.JPEG", "n02007558/ILSVRC2012_9.JPEG"]
"""Copies of the first two train images; the first has the very name that its train image has."""
VAL_INNOCENT = ["n02007558/ILSVRC2012_1.JPEG", "n01440764/ILSVRC2012_9.JPEG"]
"""Other pictures, with the file names of the leaks."""


def lay_out(folder: Path) -> None:
    """Lay data and scripts out as the guide says."""
    official, coco = folder / OFFICIAL, folder / "path" / "to" / "coco"
    for seed, name in enumerate(OFFICIAL_TRAIN, start=2000):
        save(official / "train" / name, seed)
    save(official / "val" / VAL_LEAKS[1], 2001, quality=60)
    for seed, name in enumerate(VAL_INNOCENT, start=2100):
        save(official / "val" / name, seed)
    shutil.copy(official / "train" / OFFICIAL_TRAIN[0], official / "val" / VAL_LEAKS[0])
    for number, seed in ((9, 3009), (25, 3025)):
        save(coco / "train" / f"{number:012d}.jpg", seed)
    for number, seed in ((139, 3025), (285, 3285)):
        save(coco / "val" / f"{number:012d}.jpg", seed, quality=60)
    (folder / "vl_exports").mkdir()
    (folder / "vl_exports" / "imagenet1k_vl_export.csv").write_text(EXPORT)
    (folder / "vl_exports" / "coco_vl_export.csv").write_text(COCO_EXPORT)
    for script in ("vl_tagging_workflow.py", "train_test_leak_detection.py"):
        shutil.copy(REPOSITORY / script, folder)


@pytest.fixture(scope="module")
def project(commands, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The guide's folder, laid out, with what the reader has himself; nothing was run yet."""
    harness = tmp_path_factory.mktemp("harness")
    (harness / "bin").mkdir()
    (harness / "bin" / "open").write_text(f'#!/bin/sh\ntest -f "$1" && echo "$1" > {harness}/opened\n')
    (harness / "bin" / "open").chmod(0o755)
    files = {"datasets.py": HUB, "supplied.py": SUPPLIED, "run.py": RUN_PYTHON}
    for name, text in files.items():
        (harness / name).write_text(text)
    folder = commands.home / "capstone_project_Visual-Layer" / "capstone_project_visual_layer"
    lay_out(folder)
    environment = {
        **commands.environment,
        "PATH": f"{harness / 'bin'}:{commands.environment['PATH']}",
        # A script finds modules beside itself; the reader's blocks are typed in the folder.
        "PYTHONPATH": os.pathsep.join([str(folder), str(harness)]),
    }
    return Project(folder, harness, environment)


@dataclass(frozen=True, slots=True)
class After:
    """What a block said, and what `manifests/` held when it had ended."""

    stdout: str
    stderr: str
    files: Mapping[str, bytes]
    trained_on: list[list[object]]
    """Image and label of each row that the training script sees; of that block alone."""

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a CSV as they were then."""
        return list(csv.DictReader(io.StringIO(self.files[name].decode(), newline="")))

    def column(self, name: str, column: str) -> list[str]:
        """Return one column of a CSV as it was then."""
        return [row[column] for row in self.rows(name)]


@pytest.fixture(scope="module")
def after(project: Project) -> Mapping[str, After]:
    """All blocks, run in the guide's order in one folder."""
    found = {}
    for name in RUN:
        done = project.run(name)
        files = {file.name: file.read_bytes() for file in (project.folder / "manifests").iterdir()}
        trained_on = project.trained_on() if name == TRAIN else []
        found[name] = After(done.stdout, done.stderr, files, trained_on)
    return found


# ---------------------------------------------------------------------------------------- what the guide says

TAGGED, TAGGED_2 = "imagenet1k_tagged_manifest.csv", "imagenet1k_tagged_manifest_v2.csv"
REPORT, FINAL = "imagenet1k_leaks_report.csv", "imagenet1k_final_cleaning_manifest.csv"
REMOVAL, RELABEL = "imagenet1k_removal_list.txt", "imagenet1k_relabel_map.json"
SAVED = "data/imagenet1k_for_leak_check"
UNTOUCHED = [["RGB", row % 3] for row in range(N_TRAIN)]
"""What a training script sees of the train rows that nobody decided about."""


def pairs_by_method(rows: list[dict[str, str]]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["method"], []).append((row["train_image"], row["test_image"]))
    return found


def test_step_2_1__manifest_and_page(after: Mapping[str, After]) -> None:
    done = after[MANIFEST]
    assert "8 findings about 7 images" in done.stdout
    assert set(done.files) == {TAGGED, "imagenet1k_tagged_manifest.events.jsonl", "review_interface.html"}
    assert done.column(TAGGED, "image_id") == ["0", "1", "4", "5", "123", "126", "127"]
    assert done.column(TAGGED, "vl_flag_type") == [
        *("blur;mislabel", "mislabel", "mislabel", "blur"),
        *("outlier", "outlier", "dark"),
    ]
    assert set(done.column(TAGGED, "user_action")) == {"none"}
    assert b"<html" in done.files["review_interface.html"]


def test_step_2_2__the_page_opens(after: Mapping[str, After], project: Project) -> None:
    assert (project.harness / "opened").read_text() == "manifests/review_interface.html\n"


def test_step_2_2__batch_tags(after: Mapping[str, After]) -> None:
    done = after[TAG]
    decided = {
        row["image_id"]: (row["user_tags"], row["user_action"], row["new_label"], row["reviewer_name"])
        for row in done.rows(TAGGED_2)
        if row["user_action"] != "none"
    }
    assert decided == {
        "0": ("mislabel_confirmed", "relabel", "2", "Kushagra"),
        "1": ("mislabel_confirmed", "relabel", "1", "Kushagra"),
        "123": ("outlier_valid,keep", "keep", "0", "Saeed"),
    }
    # The export has 123 alone; the others are warned about, not refused.
    assert "not in the manifest, passed over: 456, 789" in done.stderr
    assert done.files[TAGGED] == after[MANIFEST].files[TAGGED]


def test_step_3_1__official_folders(after: Mapping[str, After], project: Project) -> None:
    official = project.folder / OFFICIAL
    pairs = [
        (str(official / "train" / train), str(official / "val" / val))
        for train, val in zip(OFFICIAL_TRAIN, VAL_LEAKS, strict=False)
    ]
    assert pairs_by_method(after[QUICK].rows(REPORT)) == {"perceptual": pairs}
    found = pairs_by_method(after[COMPREHENSIVE].rows(REPORT))
    # By the model that comes along; what else it holds for alike in pictures of noise is its own matter.
    assert set(pairs) <= set(found.pop("semantic"))
    assert found == {"exact": pairs[:1], "perceptual": pairs}
    assert "semantic" in after[COMPREHENSIVE].stdout
    assert b"semantic" in after[COMPREHENSIVE].files["imagenet1k_leaks_report_summary.txt"]


def test_step_3_1__hugging_face(after: Mapping[str, After], project: Project) -> None:
    assert after[SAVE].stdout == ("Saving train images...\nSaved 0/124 images\nSaving val images...\n")
    saved = {
        p.relative_to(project.folder / SAVED).as_posix() for p in (project.folder / SAVED).rglob("*.jpg")
    }
    train = {f"train/{row % 3}/{row}.jpg" for row in range(N_TRAIN)}
    assert saved == train | {f"val/{row % 2}/{row}.jpg" for row in range(N_VAL)}
    # Other folders: the report holds nothing of the run before.
    assert pairs_by_method(after[SAVED_LEAKS].rows(REPORT)) == {
        "perceptual": [(f"{SAVED}/train/2/5.jpg", f"{SAVED}/val/0/2.jpg")]
    }


def test_step_3_2__summary(after: Mapping[str, After]) -> None:
    assert after[VIEW].stdout.encode() == after[VIEW].files["imagenet1k_leaks_report_summary.txt"]
    assert "1 of 5" in after[VIEW].stdout
    header = after[VIEW].files[REPORT].decode().partition("\n")[0]
    assert header.startswith("train_image,test_image,method,similarity,leak_type,hamming_distance")


def test_step_3_3__leaks_are_flagged(after: Mapping[str, After]) -> None:
    rows = {row["image_id"]: (row["user_tags"], row["user_action"]) for row in after[MERGE].rows(FINAL)}
    innocent = ("", "none")
    assert rows == {
        **dict.fromkeys(["0", "1", "4", "5", "123", "127"], innocent),
        "126": ("train_test_leak", "remove"),
    }


def test_step_4__lists_and_training(after: Mapping[str, After], project: Project) -> None:
    assert "Images to remove: 1\nImages to relabel: 0\n" in after[CLEAN].stdout
    assert after[CLEAN].files[REMOVAL] == b"126\n"
    assert json.loads(after[CLEAN].files[RELABEL]) == {}
    assert (project.folder / "data" / "imagenet1k_cleaned").is_dir()
    # The val image's id is no row of train: no innocent row is lost.
    assert after[TRAIN].trained_on == UNTOUCHED


def test_step_4__with_what_was_tagged_in_step_2(after: Mapping[str, After], project: Project) -> None:
    """The guide's tags stand in `..._v2.csv`, its merge reads the first manifest: the reader renames."""
    manifests = project.folder / "manifests"
    (manifests / TAGGED).write_bytes(after[TAG].files[TAGGED_2])
    for name in (MERGE, CLEAN, TRAIN):
        project.run(name)
    assert (manifests / REMOVAL).read_text() == "126\n"
    assert json.loads((manifests / RELABEL).read_text()) == {"0": 2, "1": 1}
    assert project.trained_on() == [["RGB", 2], *UNTOUCHED[1:]]


def test_phase_5__coco(after: Mapping[str, After]) -> None:
    manifest = after[COCO_MANIFEST].rows("coco_tagged_manifest.csv")
    assert [(row["image_id"], row["dataset"], row["vl_confidence"]) for row in manifest] == [
        ("139", "coco", "0.61"),
        ("285", "coco", "0.4"),
    ]
    pair = ("path/to/coco/train/000000000025.jpg", "path/to/coco/val/000000000139.jpg")
    report = pairs_by_method(after[COCO_LEAKS].rows("coco_leaks_report.csv"))
    assert report == {"perceptual": [pair], "verified": [pair]}


# -------------------------------------------------------------------------- train and val with the same names


def test_colliding_names__lose_no_innocent_row(
    after: Mapping[str, After], project: Project, commands
) -> None:
    """`train/2/2.jpg` and `val/0/2.jpg` are both row 2 of their splits; the scripts get ids that differ."""
    workspace, manifests = project.harness / "ws", project.folder / "manifests"
    commands.run("scan", project.folder / SAVED, "-w", workspace, "--dataset", "imagenet1k")
    commands.run("leaks", "-w", workspace, "--between", "train", "val", "--methods", "perceptual")
    commands.run("policy", "apply", "-w", workspace)
    commands.run("resolve", "-w", workspace, "--to", manifests)
    for name in (CLEAN, TRAIN):
        project.run(name)
    assert (manifests / REMOVAL).read_text() == f"{N_TRAIN + LEAKING_VAL}\n"
    assert (manifests / "imagenet1k_val_removal_list.txt").read_text() == f"{LEAKING_VAL}\n"
    assert project.trained_on() == UNTOUCHED


def test_colliding_names__an_export_that_numbers_each_split_is_warned_about(project: Project) -> None:
    export = project.folder / "vl_exports" / "collides.csv"
    export.write_text(EXPORT.replace("\n126,", "\n0,"))
    done = project.python(
        "from vl_tagging_workflow import VLTaggingWorkflow\n"
        "workflow = VLTaggingWorkflow('vl_exports/collides.csv', 'imagenet1k')\n"
        "print(workflow.create_tagging_manifest()['image_id'].tolist())\n"
    )
    assert done.stdout == "[0, 1, 4, 5, 123, 0, 127]\n"
    assert "1 images have an id that another path has too" in done.stderr
    assert "chaffinch import visual-layer" in done.stderr


# ----------------------------------------------------------------- leaks, where the manifest spells otherwise

MANIFEST_COLUMNS = (
    "image_id,image_path,dataset,split,label,vl_flag_type,vl_confidence,vl_suggested_label,vl_reason,"
    "user_tags,user_action,new_label,reviewer_name,reviewed_at,notes"
).split(",")
BACKUP = f"old_backup/val/{VAL_LEAKS[0]}"
"""A file of somewhere else whose path ends as that of a leak does."""
SPELLINGS = {
    "relative": OFFICIAL,
    "absolute": f"HOME/capstone_project_Visual-Layer/capstone_project_visual_layer/{OFFICIAL}",
    "tilde": f"~/capstone_project_Visual-Layer/capstone_project_visual_layer/{OFFICIAL}",
    "elsewhere": "/mnt/server/imagenet",
}


def write_manifest(project: Project, rows: list[tuple[str, str]]) -> Path:
    """Write a manifest of image paths and splits, with two rows that people have tagged."""
    path = project.folder / "manifests" / TAGGED
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        writer.writeheader()
        for number, (image_path, split) in enumerate(rows):
            tagged = {"user_tags": "mislabel_uncertain"} if number == 0 else {}
            tagged |= {"user_action": "keep", "user_tags": "outlier_valid"} if number == 1 else {}
            row = {"image_id": number, "image_path": image_path, "dataset": "imagenet1k", "split": split}
            writer.writerow({**row, "user_action": "none", "label": "3", **tagged})
    return path


def flagged(rows: list[dict[str, str]]) -> set[str]:
    return {row["image_path"] for row in rows if "train_test_leak" in row["user_tags"]}


@pytest.mark.parametrize(
    "spelling", ["mixed", *(pytest.param(name, marks=pytest.mark.slow) for name in SPELLINGS)]
)
def test_step_3_3__the_manifest_spells_paths_in_its_own_way(project: Project, commands, spelling) -> None:
    """The manifest spells paths otherwise than the command line; leaks are flagged, namesakes are not."""
    names = [*(f"val/{name}" for name in VAL_LEAKS + VAL_INNOCENT), *(f"train/{n}" for n in OFFICIAL_TRAIN)]
    styles = [SPELLINGS[spelling]] if spelling in SPELLINGS else list(SPELLINGS.values())
    roots = [style.replace("HOME", str(commands.home)) for style in styles]
    paths = [f"{roots[number % len(roots)]}/{name}" for number, name in enumerate(names)]
    leaks = paths[: len(VAL_LEAKS)]
    rows = [(path, name.partition("/")[0]) for path, name in zip(paths, names, strict=True)]
    manifest = write_manifest(project, [*rows, *([(BACKUP, "val")] if spelling == "mixed" else [])])
    untouched = manifest.read_bytes()

    project.run(QUICK)
    project.run(MERGE)
    final = project.rows(FINAL)
    assert flagged(final) == set(leaks)
    assert {r["image_path"] for r in final if r["user_action"] == "remove"} == set(leaks)
    assert manifest.read_bytes() == untouched

    options = "--add-to manifests/imagenet1k_tagged_manifest.csv --fail-on-leaks"
    project.shell(f"{BLOCKS[QUICK].code.strip()} {options}", status=3)
    # `--add-to` respects a person's keep, which the guide's snippet overwrites; else both do the same.
    added = project.rows(TAGGED)
    assert flagged(added) == {leaks[0]}
    kept = next(row for row in added if row["image_path"] == leaks[1])
    assert (kept["user_tags"], kept["user_action"]) == ("outlier_valid", "keep")
    others = [row for row in added if row["image_path"] != leaks[1]]
    assert others == [row for row in final if row["image_path"] != leaks[1]]


@pytest.mark.slow
def test_stages__are_collected_in_one_report(project: Project) -> None:
    """The stages of "Leak Detection Too Slow", with the folders that its `...` stands for."""
    folders = f"--train_dir {OFFICIAL}/train --test_dir {OFFICIAL}/val --output manifests/staged.csv"
    (project.folder / "manifests").mkdir(exist_ok=True)
    script = f"python train_test_leak_detection.py {folders}"
    project.shell(f"{script} --methods exact")
    project.shell(f"{script} --methods perceptual --fail-on-leaks", status=3)
    done = project.shell(f"{script} --methods semantic")
    methods = [row["method"] for row in project.rows("staged.csv")]
    assert methods[:3] == ["exact", "perceptual", "perceptual"] and set(methods[3:]) == {"semantic"}
    assert "semantic" in done.stdout
    assert "semantic" in (project.folder / "manifests" / "staged_summary.txt").read_text()
