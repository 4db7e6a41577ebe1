"""Starts the review server of a workspace: its page, board, tokens and address."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from chaffinch.curate.events import check_reviewer
from chaffinch.curate.gold import remembered_gold
from chaffinch.errors import UsageError
from chaffinch.pipeline.resolve_choices import remembered
from chaffinch.pipeline.review_choices import remembered_sharing
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.pipeline.review_file import review_page
from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
from chaffinch.serve.guard import LOOPBACK, Access
from chaffinch.serve.links import place, tokens_of
from chaffinch.storage.decisions import open_log

SHUTDOWN_S = 2
"""Seconds that open answers get when the server stops."""


@dataclass(frozen=True, slots=True)
class ReviewServer:
    """A server that is ready to run."""

    server: uvicorn.Server
    """Runs until it is stopped."""
    address: str
    """Where it is."""
    plain: str | None
    """The same by IP address, for whom the name in it means nothing; None where there is no other."""
    links: dict[str, str]
    """By reviewer: the address to open, token included; empty where everybody may come in."""


def review_server(
    root: Path,
    *,
    host: str,
    port: int,
    reviewers: Sequence[str] = (),
    names: Sequence[str] = (),
    is_blind: bool = True,
    is_framed: bool = False,
) -> ReviewServer:
    """Prepare the server of a workspace; it listens when it is run.

    Overlap, gold items and adjudicators are those that the workspace remembers.

    Args:
        root: The workspace.
        host: Address to listen on; the loopback address lets everybody on this machine in.
        port: 0 takes a free one.
        reviewers: Who gets a token, the same at every start, besides the adjudicators; needed beyond the
            loopback address.
        names: Further names of hosts under which it is asked, as `links.place` takes them.
        is_blind: Whether reviewers see others' verdicts only after their own.
        is_framed: Whether a notebook on this machine may show the page in a frame.

    Raises:
        UsageError: If other machines can reach it and no reviewer is named, or a name is empty or none.
        WorkspaceError: If no scan has ended yet, or the page or the secret of the links cannot be read.
    """
    reached = [name for name in (host, *names) if name not in LOOPBACK]
    if reached and not reviewers:
        raise UsageError(
            f"{reached[0]} can be reached from other machines, so reviewers need tokens",
            hint="--reviewer NAME for each of them, or leave --host and --name out",
        )
    page, board = review_page(), _board(root, is_blind=is_blind)
    port = port or _free_port(host)
    # Who settles disagreements has to be let in like those who disagree.
    settling = sorted(board.adjudicators) if reviewers else []
    tokens = tokens_of(root, dict.fromkeys([*map(_checked, reviewers), *settling]))
    where = place(host, port, names)
    access = Access(where.hosts, tokens, takes_addresses=host not in LOOPBACK)
    app = create_app(board, page=page, access=access, is_framed=is_framed)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    app.state.is_stopping = lambda: server.should_exit
    links = {reviewer: f"{where.address}?token={token}" for token, reviewer in tokens.items()}
    return ReviewServer(server, where.address, where.plain, links)


def _checked(reviewer: str) -> str:
    try:
        return check_reviewer(reviewer)
    except UsageError as error:
        what = f"--reviewer {reviewer!r} names nobody"
        raise UsageError(what, hint="is it a variable of the shell that is not set?") from error


def _board(root: Path, *, is_blind: bool) -> Board:
    board = Board(
        ReviewData(root),
        open_log(root),
        is_blind=is_blind,
        sharing=remembered_sharing(root),
        gold=remembered_gold(root),
        adjudicators=remembered(root).adjudicators,
    )
    board.refresh()
    return board


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
