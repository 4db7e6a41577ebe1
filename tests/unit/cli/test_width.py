"""What is printed fits into 80 columns, paths aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chaffinch.cli.main import app
from chaffinch.cli.output import hint_next
from chaffinch.compute.models import MODELS
from chaffinch.pipeline.models import ModelState
from chaffinch.report.workspace_status import Fact, WorkspaceStatus


def test_models_list__fits(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = replace(MODELS[2], name="clip-vit-b32-384", good_at="many things, " * 12)
    states = [*(ModelState(card, None) for card in MODELS), ModelState(longest, Path("/root/" + "x/" * 60))]
    monkeypatch.setattr("chaffinch.pipeline.models.list_models", lambda: states)
    printed = CliRunner().invoke(app, ["models", "list"]).output.splitlines()
    assert max(map(len, printed)) < 80
    assert next(line for line in printed if line.startswith("dinov2-small")).endswith("  on the hub")
    assert next(line for line in printed if line.startswith("clip-vit-b32-384")).endswith("  in the cache")


def test_status__a_long_list_goes_on_in_the_next_line() -> None:
    issues = "110 duplicate, 86 leak, 40 blur, 19 mislabel, 16 label_outlier, 8 label_conflict, 7 bright"
    status = WorkspaceStatus((Fact("issues", issues), Fact("release", "/a b/" + 90 * "x")), next_command="")
    assert status.lines == [
        "issues     110 duplicate, 86 leak, 40 blur, 19 mislabel, 16 label_outlier,",
        "           8 label_conflict, 7 bright",
        "release    /a b/" + 90 * "x",
    ]


def test_hint_next__is_one_line_where_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    hint_next("chaffinch find -w ws", "chaffinch review -w ws")
    hint_next("open chaffinch-demo/workspace/reports/demo_train_val_leaks_report.html", "chaffinch review")
    assert capsys.readouterr().err.splitlines() == [
        "next: chaffinch find -w ws   or   chaffinch review -w ws",
        "next: open chaffinch-demo/workspace/reports/demo_train_val_leaks_report.html",
        "  or: chaffinch review",
    ]
