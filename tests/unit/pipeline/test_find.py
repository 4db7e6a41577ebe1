"""The steps of `find`: which run, in which order, and when they are skipped."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.errors import UsageError
from chaffinch.pipeline.find import STEPS, find, parse_steps
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.pipeline.steps import StepReport, StepState, step_state
from chaffinch.settings import FindSettings, LeakSettings, ScanSettings
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.lock import writer_lock


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three pictures of noise in one class folder; the last one is a copy of the first."""
    folder = tmp_path / "images" / "cat"
    folder.mkdir(parents=True)
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    (folder / "2.png").write_bytes((folder / "0.png").read_bytes())
    return tmp_path / "images"


def test_parse_steps__names_what_there_is() -> None:
    assert parse_steps(("duplicates",)) == ("duplicates",)
    assert "duplicates" in parse_steps(())
    with pytest.raises(UsageError, match="no step 'mislabel'"):
        parse_steps(("mislabel",))


def test_find__is_skipped_until_the_images_change(images: Path, tmp_path: Path) -> None:
    settings, spec = FindSettings(only=("duplicates",)), SourceSpec(locations=(str(images),))
    scan(tmp_path / "ws", spec)
    (first,) = find(tmp_path / "ws", settings=settings, skip_done=True)
    assert first.report is not None
    assert first.report.n_flagged == {"duplicate": 2, "label_conflict": 0}
    (again,) = find(tmp_path / "ws", settings=settings, skip_done=True)
    assert again.report is None
    scan(tmp_path / "ws", spec)
    (unchanged,) = find(tmp_path / "ws", settings=settings, skip_done=True)
    assert unchanged.report is None
    (images / "cat" / "2.png").unlink()
    scan(tmp_path / "ws", spec)
    (changed,) = find(tmp_path / "ws", settings=settings, skip_done=True)
    assert changed.report is not None
    assert changed.report.n_flagged == {"duplicate": 0, "label_conflict": 0}


def is_up_to_date(root: Path, step: str) -> bool:
    """Tell whether a whole run would skip a step."""
    return step_state(WorkspaceFolder(root).published(), step, FindSettings()) is StepState.DONE


def test_find__with_other_settings_is_not_up_to_date_for_the_default_ones(
    images: Path, tmp_path: Path
) -> None:
    root, only = tmp_path / "ws", ("duplicates", "quality")
    scan(root, SourceSpec(locations=(str(images),)))
    for pairs in (LeakSettings(methods=("exact",)), LeakSettings(phash_threshold=0)):
        find(root, settings=FindSettings(only=only, pairs=pairs))
        assert not is_up_to_date(root, "duplicates")
        assert is_up_to_date(root, "quality")
        duplicates, quality = find(root, settings=FindSettings(only=only), skip_done=True)
        assert duplicates.report is not None
        assert quality.report is None
        assert is_up_to_date(root, "duplicates")


def test_find__vectors_that_came_later_count(images: Path, tmp_path: Path) -> None:
    root, spec = tmp_path / "ws", SourceSpec(locations=(str(images),))
    scan(root, spec)
    find(root)
    scan(root, spec, settings=ScanSettings(embedder="descriptor"))
    assert [step for step in STEPS if is_up_to_date(root, step)] == ["quality"]
    find(root)
    # Three images are too few to judge labels by, or outliers.
    assert [s for s in STEPS if not is_up_to_date(root, s)] == ["mislabels", "outliers"]
    find(root, settings=FindSettings(embedder="descriptor"))
    assert is_up_to_date(root, "duplicates")


@pytest.mark.parametrize("step", ["duplicates", "quality"])
def test_find__notes_a_step_in_its_own_publication(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    root, settings = tmp_path / "ws", FindSettings(only=(step,))
    scan(root, SourceSpec(locations=(str(images),)))
    run = STEPS[step]

    def run_while_others_write(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
        report = run(root, settings, progress)
        held.enter_context(writer_lock(root))
        return report

    with ExitStack() as held:
        monkeypatch.setattr("chaffinch.pipeline.find.STEPS", {**STEPS, step: run_while_others_write})
        find(root, settings=settings)
    assert is_up_to_date(root, step)


def test_find__a_scan_right_after_a_step_leaves_it_open(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, spec = tmp_path / "ws", SourceSpec(locations=(str(images),))
    scan(root, spec)
    run = STEPS["duplicates"]

    def run_before_a_scan(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
        report = run(root, settings, progress)
        (images / "cat" / "2.png").unlink()
        scan(root, spec)
        return report

    monkeypatch.setattr("chaffinch.pipeline.find.STEPS", {**STEPS, "duplicates": run_before_a_scan})
    find(root, settings=FindSettings(only=("duplicates",)))
    assert not is_up_to_date(root, "duplicates")


def test_find__an_embedder_without_vectors_is_an_error_that_names_those_with(
    images: Path, tmp_path: Path
) -> None:
    root, spec = tmp_path / "ws", SourceSpec(locations=(str(images),))
    scan(root, spec)
    with pytest.raises(UsageError, match=r"no vectors of 'nosuch'\nhint: chaffinch scan"):
        find(root, settings=FindSettings(embedder="nosuch"))
    scan(root, spec, settings=ScanSettings(embedder="descriptor"))
    with pytest.raises(UsageError, match=r"no vectors of 'nosuch'\nhint: there are those of descriptor"):
        find(root, settings=FindSettings(embedder="nosuch"))
