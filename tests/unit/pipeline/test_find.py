"""The steps of `find`: which run, in which order, and when they are skipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.errors import UsageError
from chaffinch.pipeline.find import find, parse_steps
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import FindSettings


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
