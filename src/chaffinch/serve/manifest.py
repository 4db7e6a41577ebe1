"""The manifest that the page's Export button saves: of all decisions, or while blind of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response

from chaffinch.curate.events import spelled_reviewer
from chaffinch.curate.state import SubjectState, Verdict
from chaffinch.formats.manifest_csv import write_manifest
from chaffinch.pipeline.resolve import resolve
from chaffinch.pipeline.resolve_artifacts import write_artifacts
from chaffinch.records import PERSON
from chaffinch.serve.board import Board
from chaffinch.serve.guard import refusal, viewer_of
from chaffinch.storage.plan import in_batches

ROWS_PER_READ = 1000
"""Samples whose words are read at a time."""

Name = Annotated[str, Query(max_length=200)]


def add_manifest_route(app: FastAPI, board: Board) -> None:
    """Add the route of the manifest."""

    @app.get("/api/manifest.csv", response_class=Response)
    def manifest(request: Request, reviewer: Name = "") -> Response:
        board.look()
        viewer = viewer_of(request) or spelled_reviewer(reviewer) or None
        said, dataset = board.states(), board.data.generation.dataset
        if _may_see_all(board, said, viewer):
            return _csv(_final(board), f"{dataset}_final_cleaning_manifest.csv")
        if viewer is None:
            return refusal(
                403,
                "while review is blind each gets their own decisions, and nobody has said whose are wanted",
                hint="say your name; all of them: chaffinch resolve -w WS --to FOLDER, or a reviewer whom "
                "chaffinch review --adjudicator NAME names",
            )
        return _csv(_own(board, said, viewer), f"{dataset}_own_decisions_manifest.csv")


def _may_see_all(board: Board, said: dict[str, SubjectState], viewer: str | None) -> bool:
    """Tell whether nothing is hidden from a viewer: an adjudicator, or one who is alone."""
    people = {v.reviewer for state in said.values() for v in state.verdicts if v.origin == PERSON}
    return not board.is_blind or viewer in board.adjudicators or people <= {viewer}


def _csv(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


def _final(board: Board) -> bytes:
    """Return the final manifest as of now."""
    with TemporaryDirectory() as folder:
        files = write_artifacts(resolve(board.data.root), Path(folder))
        return next(file for file in files if file.name.endswith("_manifest.csv")).read_bytes()


def _own(board: Board, said: dict[str, SubjectState], viewer: str) -> bytes:
    """Return a manifest of the images about which a viewer has said something, and what that was."""
    found = {
        key: verdict
        for key, state in said.items()
        for verdict in state.verdicts
        if verdict.origin == PERSON and verdict.reviewer == viewer
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "own.csv"
        write_manifest(path, _rows(board, found), more=("key",))
        return path.read_bytes()


def _rows(board: Board, found: dict[str, Verdict]) -> Iterator[dict[str, str]]:
    """Yield the rows about some samples, in their order."""
    for ids in in_batches(sorted(board.data.ids_of_keys(list(found)).tolist()), ROWS_PER_READ):
        yield from (_row(board, facts, found[facts["key"]]) for facts in board.data.facts(ids))


def _row(board: Board, facts: dict[str, object], verdict: Verdict) -> dict[str, str]:
    named = ("image_id", "image_path", "split", "key")
    return {name: str(facts[name] or "") for name in named} | {
        "dataset": board.data.generation.dataset,
        "label": str(facts["given_label"] or ""),
        "user_tags": ",".join(verdict.tags),
        "user_action": verdict.action,
        "new_label": verdict.new_label or "",
        "reviewer_name": verdict.reviewer,
        "reviewed_at": verdict.time_utc,
        "notes": verdict.note,
    }
