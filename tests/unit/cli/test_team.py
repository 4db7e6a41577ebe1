"""`agreement` and `adjudicate` as they are typed, with gold items and an adjudicator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chaffinch.cli.main import app
from chaffinch.curate.gold import remember_gold
from chaffinch.errors import UsageError
from chaffinch.pipeline.resolve_choices import chosen, remember
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.pipeline.team_report import team_report
from chaffinch.workspace import Workspace

SAID = {
    "all/cat/0.png": {"Ana": ("keep",), "Bo": ("keep",), "Cy": ("remove",)},
    "all/cat/1.png": {"Ana": ("relabel", "dog"), "Bo": ("relabel", "dog"), "Cy": ("keep",)},
    "all/cat/2.png": {"Ana": ("keep",), "Bo": ("remove",)},
    "all/dog/3.png": {"Ana": ("keep",), "Bo": ("keep",), "Cy": ("keep",)},
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def ws(tmp_path: Path, save_pictures: Callable[[Path, Mapping[str, int]], None]) -> Path:
    """Return a workspace of four images about which three people spoke."""
    save_pictures(tmp_path / "pets", {"cat/0.png": 0, "cat/1.png": 1, "cat/2.png": 2, "dog/3.png": 3})
    scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "pets"),)))
    for key, verdicts in SAID.items():
        for name, (action, *label) in verdicts.items():
            more = ["--new-label", *label] if label else []
            done = run(
                "tag", "-w", tmp_path / "ws", "--ids", key, "--action", action, "--reviewer", name, *more
            )
            assert done.exit_code == 0, done.output
    return tmp_path / "ws"


def test_agreement__says_who_is_right_on_gold_items(ws: Path, tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_text("key,user_action\nall/cat/0.png,keep\nall/dog/3.png,keep\n")
    remember_gold(ws, tmp_path / "gold.csv")
    lines = run("agreement", "-w", ws).stdout.splitlines()
    assert lines[0].split() == [
        "reviewer", "judged", "shared", "agrees", "weight", "keep", "remove", "relabel", "gold",
    ]  # fmt: skip
    assert lines[1].split()[:3] == ["Ana", "4", "4"]
    assert lines[1].endswith("1.00  [0.34, 1.00]  of 2") and lines[3].endswith("0.50  [0.09, 0.91]  of 2")


def test_adjudicate__accepts_what_most_say(ws: Path) -> None:
    listed = run("adjudicate", "-w", ws).stdout.splitlines()
    assert listed.count("    (majority)          relabel to dog") == 1
    assert listed.count("    (majority)          keep") == 1
    refused = run("adjudicate", "-w", ws, "--accept", "--reviewer", "Guy")
    assert isinstance(refused.exception, UsageError) and "is no adjudicator" in str(refused.exception)
    remember(ws, chosen(ws, leak_side=None, adjudicators=["Guy"]))
    done = run("adjudicate", "-w", ws, "--accept", "--reviewer", "Guy")
    assert done.stdout.splitlines()[:2] == ["2 settled", "all/cat/2.png"]
    assert [dispute.key for dispute in team_report(ws).disputes] == ["all/cat/2.png"]
    assert run("adjudicate", "-w", ws, "--accept", "--reviewer", "Guy").stdout.startswith("0 settled\n")


def test_adjudicate__csv_holds_the_majority(ws: Path) -> None:
    lines = run("adjudicate", "-w", ws, "--format", "csv").stdout.splitlines()
    assert lines[0] == "key,reviewer_name,user_action,new_label,user_tags,notes,majority,majority_label"
    assert "all/cat/1.png,Cy,keep,,,,relabel,dog" in lines


def test_agreement__in_python_as_dataframes(ws: Path) -> None:
    found = Workspace(ws).agreement()
    assert found.reviewers.set_index("reviewer").loc["Cy", ["n_subjects", "n_keep", "n_remove"]].tolist() == [
        3, 2, 1,
    ]  # fmt: skip
    assert found.agreement[["measure", "about"]].values.tolist() == [
        ["alpha", "action"],
        ["kappa", "Ana, Bo"],
        ["kappa", "Ana, Cy"],
        ["kappa", "Bo, Cy"],
    ]
    assert found.agreement["n_items"].tolist() == [4, 4, 3, 3]
    shown = run("adjudicate", "-w", ws, "--format", "csv").stdout
    assert found.disputes.to_csv(index=False, lineterminator="\n") == shown


def test_agreement__in_python_before_anybody_has_spoken(
    tmp_path: Path, save_pictures: Callable[[Path, Mapping[str, int]], None]
) -> None:
    save_pictures(tmp_path / "pets", {"cat/0.png": 0})
    scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "pets"),)))
    found = Workspace(tmp_path / "ws").agreement()
    assert len(found.reviewers) == len(found.disputes) == 0
    assert found.agreement["value"].isna().tolist() == [True]
