"""The routes for a team, and for finding images by words or likeness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request

from chaffinch.curate.agreement import Estimate
from chaffinch.curate.state import SubjectState
from chaffinch.curate.team import Dispute, TeamReport, report_of
from chaffinch.serve.board import Board
from chaffinch.serve.guard import viewer_of
from chaffinch.serve.leases import Leases
from chaffinch.serve.manifest import add_manifest_route
from chaffinch.serve.schema import (
    DisputeOut,
    DisputesOut,
    EstimateOut,
    LeaseHeld,
    LeaseIn,
    LeaseOut,
    ReviewerOut,
    SampleId,
    SearchOut,
    SimilarItem,
    SimilarOut,
    TeamOut,
    VerdictOut,
)

MAX_FOUND = 10_000
"""Samples that a search gives at most."""
MAX_SIMILAR = 500


def add_team_routes(app: FastAPI, board: Board, leases: Leases) -> None:
    """Add the routes about what several reviewers said, and who looks at what."""

    @app.get("/api/agreement")
    def agreement(request: Request) -> TeamOut:
        board.look()
        return _team(board, viewer_of(request))

    @app.get("/api/disputes")
    def disputes(request: Request) -> DisputesOut:
        board.look()
        return _disputes(board, viewer_of(request))

    @app.post("/api/leases")
    def lease(wanted: LeaseIn, request: Request) -> LeaseOut:
        granted, held = leases.hold(wanted.sample_ids, viewer_of(request) or wanted.reviewer)
        return LeaseOut(granted=granted, held=[LeaseHeld(**asdict(lease)) for lease in held])

    add_manifest_route(app, board)


def _report(board: Board, states: Mapping[str, SubjectState]) -> TeamReport:
    return report_of(states, gold=board.gold, adjudicators=board.adjudicators)


def _team(board: Board, viewer: str) -> TeamOut:
    """Return how the team agrees; how one did on gold items would tell which images those are."""
    report, is_adjudicator = _report(board, board.states()), viewer in board.adjudicators
    return TeamOut(
        action=_estimate(report.action),
        tags={tag: _estimate(estimate) for tag, estimate in report.tags.items()},
        reviewers=[
            ReviewerOut(
                reviewer=figures.reviewer,
                n_subjects=figures.n_subjects,
                n_shared=figures.n_shared,
                agreement=_number(figures.agreement),
                gold=_estimate(figures.gold) if is_adjudicator else None,
                weight=_number(figures.weight) if is_adjudicator else None,
            )
            for figures in report.reviewers
        ],
        n_disputes=len(report.disputes),
        n_settled=report.n_settled,
    )


def _disputes(board: Board, viewer: str) -> DisputesOut:
    """Return the disputes that the viewer may see; that there is one would tell what others said."""
    states = board.states()
    found = _report(board, states).disputes
    ids = board.data.ids_of_keys([dispute.key for dispute in found]).tolist()
    return DisputesOut(
        disputes=[
            _dispute(dispute, sample_id, states[dispute.key])
            for dispute, sample_id in zip(found, ids, strict=True)
            if sample_id >= 0 and board.shows_all(sample_id, viewer)
        ],
        is_adjudicator=viewer in board.adjudicators,
    )


def _dispute(dispute: Dispute, sample_id: int, state: SubjectState) -> DisputeOut:
    return DisputeOut(
        sample_id=sample_id,
        version=state.version,
        key=dispute.key,
        verdicts=[VerdictOut(**asdict(said)) for said in state.verdicts],
        proposed=dispute.proposed,
        new_label=dispute.new_label,
    )


def add_finding_routes(app: FastAPI, board: Board) -> None:
    """Add the routes that find images: by words, and by likeness."""

    @app.get("/api/search")
    def search(q: Annotated[str, Query(min_length=1, max_length=200)]) -> SearchOut:
        found = board.data.search(q, limit=MAX_FOUND + 1)
        return SearchOut(sample_ids=found[:MAX_FOUND], is_cut=len(found) > MAX_FOUND)

    @app.get("/api/similar/{sample_id}")
    def similar(sample_id: SampleId, k: Annotated[int, Query(ge=1, le=MAX_SIMILAR)] = 100) -> SimilarOut:
        if board.data.row(sample_id) is None:
            raise HTTPException(404, "there is no such sample")
        found = board.data.similar(sample_id, k=k)
        if found is None:
            raise HTTPException(404, "there is no vector of it: chaffinch scan SOURCE -w WS --embedder NAME")
        return SimilarOut(items=[SimilarItem(sample_id=i, similarity=s) for i, s in found])


def _estimate(estimate: Estimate) -> EstimateOut:
    return EstimateOut(
        value=_number(estimate.value),
        low=_number(estimate.low),
        high=_number(estimate.high),
        n_items=estimate.n_items,
    )


def _number(value: float) -> float | None:
    """Return a figure as JSON can hold it."""
    return None if math.isnan(value) else value
