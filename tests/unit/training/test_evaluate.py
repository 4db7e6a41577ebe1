"""Measuring models: where the figures go."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from training import evaluate


def test_main__makes_the_folder_of_its_figures_before_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "work" / "new" / "figures.json"

    def compare(data: Path, models: object) -> dict[str, dict[str, object]]:
        assert target.parent.is_dir()
        return {"pixels": {"side": 32}}

    monkeypatch.setattr(evaluate, "compare", compare)
    monkeypatch.setattr(
        sys, "argv", ["evaluate", "--data", str(tmp_path), "--to", str(target), "--without-teacher"]
    )
    evaluate.main()
    assert json.loads(target.read_text()) == {"pixels": {"side": 32}}
