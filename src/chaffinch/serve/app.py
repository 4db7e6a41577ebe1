"""The HTTP API of the review page: data by sample id, decisions with versions, news as they happen.

Images are named by number alone: no request carries a path. Routes that read files or the log run in threads.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, cast

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from chaffinch.curate.events import Act, Saying, spelled_reviewer
from chaffinch.errors import ChaffinchError, WorkspaceError
from chaffinch.pipeline.review_columns import PART_ROWS, n_parts, part_bytes
from chaffinch.serve.board import Board, Item, Saved, Seen
from chaffinch.serve.guard import Access, content_policy, guarded, refusal, token_reviewer, viewer_of
from chaffinch.serve.leases import Held, Leases
from chaffinch.serve.schema import (
    Change,
    DecisionIn,
    Detail,
    DetailList,
    LeaseHeld,
    Meta,
    News,
    Refusal,
    SampleId,
    SamplePage,
    SampleRow,
    SavedOut,
    UndoIn,
    VerdictOut,
)
from chaffinch.serve.team import add_finding_routes, add_team_routes

MAX_LIMIT = 1000
MAX_DETAILS = 200
MAX_FAULTS_TOLD = 5
"""Of a request that was not understood."""
OUTDATED = "the workspace was scanned or searched anew since this server started"
START_AGAIN = (
    "stop chaffinch review and start it again at the same --port: the page keeps what is not saved yet"
)
SEQ_HEADER = "X-Log-Seq"
"""Up to where in the log a part of the columns tells; the news go on from there."""
NEWS_EVERY_S = 0.5
"""How often the server looks for decisions of others."""

Name = Annotated[str, Query(max_length=200)]
Offset = Annotated[int, Query(ge=0, le=2**53)]
Ids = Annotated[str, Query(pattern=r"^\d{1,15}(,\d{1,15})*$", max_length=4000)]
Limit = Annotated[int, Query(ge=0, le=MAX_LIMIT)]


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal} for status in (400, 401, 403, 404, 405, 411, 413, 415, 421, 422, 503)
}
"""What any route may answer instead: the guard's refusals, what is not there, and what cannot be done."""


def create_app(board: Board, *, page: str, access: Access, is_framed: bool = False) -> FastAPI:
    """Build the server of one workspace. Its `state.is_stopping`, for who runs it to set, ends open answers.

    Args:
        board: Its data and decisions.
        page: The review page, HTML.
        access: Who may use it.
        is_framed: Whether a notebook on this machine may show the page in a frame.
    """
    app = FastAPI(
        title="chaffinch review",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=REFUSALS,
    )
    app.state.is_stopping = lambda: False
    app.middleware("http")(guarded(access, content_policy(page, is_framed=is_framed)))
    app.add_exception_handler(ChaffinchError, _refusing(board))
    app.add_exception_handler(HTTPException, _not_there)
    app.add_exception_handler(RequestValidationError, _not_understood)
    _add_data_routes(app, board, page=page, access=access)
    _add_sample_routes(app, board)
    _add_image_routes(app, board)
    leases = Leases()
    _add_decision_routes(app, board)
    _add_news_route(app, board, leases)
    add_team_routes(app, board, leases)
    add_finding_routes(app, board)
    return app


def _refusing(board: Board) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    """Return what answers an error that was raised on purpose: what is wrong, and the hint.

    What cannot be read or written now (a full disk, a database that is gone, tables that a later search has
    replaced) is no fault of the request: 503, at which the page keeps the decision and comes again.
    """

    async def refused(request: Request, error: Exception) -> JSONResponse:
        hint = error.hint if isinstance(error, ChaffinchError) else ""
        what = error.what if isinstance(error, ChaffinchError) else str(error)
        if not isinstance(error, WorkspaceError):
            return refusal(422, what, hint=hint)
        if await run_in_threadpool(board.data.is_outdated):
            return refusal(503, OUTDATED, hint=START_AGAIN)
        return refusal(503, what, hint=hint)

    return refused


async def _not_there(request: Request, error: Exception) -> JSONResponse:
    status, what = (
        (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    )
    return refusal(status, what)


async def _not_understood(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with the parameters or the body, and where."""
    found = cast(RequestValidationError, error).errors()[:MAX_FAULTS_TOLD]
    texts = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in found]
    return refusal(422, "; ".join(texts))


def _add_data_routes(app: FastAPI, board: Board, *, page: str, access: Access) -> None:
    data = board.data

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def index() -> str:
        return page

    @app.get("/api/meta")
    def meta(request: Request) -> Meta:
        reviewers = sorted(set(access.tokens.values()))
        # A name that was only typed can be changed in the page.
        facts = data.meta(
            reviewer=token_reviewer(request), reviewers=reviewers, is_live=True, is_blind=board.is_blind
        )
        return Meta(**facts)

    @app.get("/api/columns/{part}", response_class=Response)
    def columns(part: int, request: Request) -> Response:
        if not 0 <= part < n_parts(len(data)):
            raise HTTPException(404, "there is no such part")
        board.look()
        # Taken before the columns are: what comes meanwhile is told once more, and never left out.
        seq = board.seq
        rows = slice(part * PART_ROWS, (part + 1) * PART_ROWS)
        values = {name: column[rows] for name, column in data.columns.values.items()}
        values |= board.columns(viewer_of(request), rows)
        body = part_bytes(values, 0)
        return Response(body, media_type="application/octet-stream", headers={SEQ_HEADER: str(seq)})


def _add_sample_routes(app: FastAPI, board: Board) -> None:
    data = board.data

    @app.get("/api/samples")
    def samples(request: Request, offset: Offset = 0, limit: Limit = 100) -> SamplePage:
        board.look()
        ids = data.sample_ids[offset : offset + limit].tolist()
        viewer = viewer_of(request)
        rows = [_row(facts, board.seen(facts["sample_id"], viewer)) for facts in data.facts(ids)]
        return SamplePage(total=len(data), items=rows)

    @app.get("/api/samples/{sample_id}")
    def sample(sample_id: SampleId, request: Request) -> Detail:
        board.look()
        found = _details(board, [sample_id], viewer_of(request))
        if not found:
            raise HTTPException(404, "there is no such sample")
        return found[0]

    @app.get("/api/details")
    def details(ids: Ids, request: Request) -> DetailList:
        board.look()
        wanted = [int(text) for text in ids.split(",")][:MAX_DETAILS]
        return DetailList(items=_details(board, wanted, viewer_of(request)))


def _row(facts: dict[str, object], seen: Seen) -> SampleRow:
    return SampleRow(
        sample_id=seen.sample_id,
        image_id=str(facts["image_id"]),
        image_path=str(facts["image_path"]),
        version=seen.version,
        user_tags=",".join(seen.tags),
        user_action=seen.action,
    )


def _details(board: Board, sample_ids: list[int], viewer: str) -> list[Detail]:
    known = [sample_id for sample_id in sample_ids if board.data.row(sample_id) is not None]
    found = []
    for words in board.data.details(known):
        seen = board.seen(words["sample_id"], viewer)
        row = _row(words, seen).model_dump()
        verdicts = [VerdictOut(**said) for said in board.verdicts(seen.sample_id, viewer)]
        found.append(Detail(**{**words, **row}, verdicts=verdicts, new_label=seen.new_label, note=seen.note))
    return found


def _add_image_routes(app: FastAPI, board: Board) -> None:
    data = board.data

    def keeping(v: str) -> dict[str, str]:
        # Kept under any other address, it would be shown in place of what a later scan finds.
        is_named = v == data.pictures_token
        return {"Cache-Control": "private, max-age=86400" if is_named else "no-cache"}

    @app.get("/api/thumbs/{sample_id}", response_class=Response)
    def thumbnail(sample_id: SampleId, v: Name = "") -> Response:
        found = data.thumbnail(sample_id) if data.row(sample_id) is not None else None
        if found is None:
            raise HTTPException(404, "there is no picture")
        return Response(found, media_type="image/jpeg", headers=keeping(v))

    @app.get("/api/images/{sample_id}", response_class=Response)
    def image(sample_id: SampleId, v: Name = "") -> Response:
        found = data.original(sample_id) if data.row(sample_id) is not None else None
        if found is None:
            raise HTTPException(404, "there is no picture")
        return Response(found[0], media_type=found[1], headers=keeping(v))


def _add_decision_routes(app: FastAPI, board: Board) -> None:
    @app.post("/api/decisions", response_model=SavedOut, responses={409: {"model": SavedOut}})
    def decide(decision: DecisionIn, request: Request) -> Response:
        ids: Sequence[str | None] = decision.event_ids or [None] * len(decision.items)
        if len(ids) != len(decision.items):
            raise HTTPException(422, "event_ids and items are of one length")
        items = [Item(i.sample_id, i.version, e) for i, e in zip(decision.items, ids, strict=True)]
        unknown = [item.sample_id for item in items if board.data.row(item.sample_id) is None]
        if unknown:
            raise HTTPException(404, f"there is no sample {unknown[0]}")
        saying = Saying(
            tuple(decision.tags_added),
            tuple(decision.tags_removed),
            decision.action,
            decision.new_label,
            decision.note,
        )
        batch = {"batch_id": decision.batch_id} if decision.batch_id is not None else {}
        act = Act(reviewer=viewer_of(request) or decision.reviewer, how=decision.how, **batch)
        return _answer(board.decide(items, saying, act))

    @app.post("/api/undo", response_model=SavedOut)
    def undo(wanted: UndoIn, request: Request) -> Response:
        act = Act(reviewer=viewer_of(request) or wanted.reviewer, how="looked")
        return _answer(board.undo(wanted.batch_id, act))


def _add_news_route(app: FastAPI, board: Board, leases: Leases) -> None:
    @app.get("/api/events", response_class=StreamingResponse, responses={200: {"model": News}})
    async def events(
        request: Request, reviewer: Name = "", after: Annotated[int | None, Query(ge=0, le=2**53)] = None
    ) -> StreamingResponse:
        # A browser's EventSource sends no headers: without a token, the address says who reads.
        viewer = viewer_of(request) or spelled_reviewer(reviewer)
        # A browser that connects again says what it heard last.
        heard = request.headers.get("last-event-id", "")
        wanted = int(heard) if re.fullmatch(r"[0-9]{1,15}", heard) else after
        seq = board.seq if wanted is None else min(wanted, board.seq)

        async def is_over() -> bool:
            # A server that stops waits for its answers, and breaks off loudly those that never end.
            return bool(app.state.is_stopping()) or await request.is_disconnected()

        news = _news(board, leases, viewer=viewer, after_seq=seq, is_over=is_over)
        return StreamingResponse(news, media_type="text/event-stream")


def _answer(saved: Saved) -> Response:
    """Return what became of a decision; spelled here, since the framework holds all up for a large one."""
    told = SavedOut(saved=[_change(s) for s in saved.saved], conflicts=[_change(s) for s in saved.conflicts])
    status = 409 if saved.conflicts else 200
    return Response(told.model_dump_json(), status_code=status, media_type="application/json")


def _change(seen: Seen) -> Change:
    return Change(
        sample_id=seen.sample_id,
        version=seen.version,
        action=seen.action,
        tags=list(seen.tags),
        n_reviewers=seen.n_reviewers,
        new_label=seen.new_label,
        turn=seen.turn,
    )


async def _news(
    board: Board, leases: Leases, *, viewer: str, after_seq: int, is_over: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    """Yield what was decided and who looks at what, as server-sent events, until reader or server goes."""
    seq, held = after_seq, list[Held]()
    while not await is_over():
        await run_in_threadpool(board.look)
        now = leases.held()
        if board.seq > seq or now != held:
            news = await run_in_threadpool(_told, board, seq, now, viewer)
            seq, held = news[0], now
            yield news[1]
        else:
            # A comment keeps proxies from closing the line, and tells when the reader has gone.
            yield ": still here\n\n"
        await asyncio.sleep(NEWS_EVERY_S)


def _told(board: Board, after_seq: int, held: Sequence[Held], viewer: str) -> tuple[int, str]:
    """Return up to where in the log it tells, and the event that tells what is new."""
    seq = board.seq
    items = [_change(board.seen(sample_id, viewer)) for sample_id in board.changed_since(after_seq)]
    news = News(seq=seq, items=items, held=[LeaseHeld(**asdict(lease)) for lease in held])
    return seq, f"id: {seq}\ndata: {news.model_dump_json()}\n\n"
