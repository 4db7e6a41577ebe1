"""The review server beside a Python session: in a thread of its own, shown in the notebook or the browser."""

from __future__ import annotations

import sys
import threading
import time
import webbrowser
from html import escape
from pathlib import Path
from types import TracebackType

from chaffinch.errors import WorkspaceError
from chaffinch.serve.run import review_server

START_S = 60.0
"""Longest wait for the server to listen."""


class Review:
    """A review page that is being served until it is closed; every decision is saved as it is made.

    >>> review = Workspace("ws").review()   # doctest: +SKIP
    >>> review.url                          # doctest: +SKIP
    'http://127.0.0.1:40123/'
    >>> review.close()                      # doctest: +SKIP
    """

    def __init__(self, root: Path, *, is_blind: bool = True) -> None:
        """Start serving on a free port of the loopback address.

        Raises:
            WorkspaceError: If no scan has ended yet, the page is not there, or the server does not start.
        """
        ready = review_server(root, host="127.0.0.1", port=0, is_blind=is_blind, is_framed=True)
        self.url = ready.address
        self._server = ready.server
        # A daemon, so that a session that ends does not wait for somebody to close the page.
        self._thread = threading.Thread(target=ready.server.run, name="chaffinch review", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                raise WorkspaceError(f"the review server does not start at {self.url}", hint="try again")
            time.sleep(0.01)

    @property
    def is_open(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop serving; returns when the port is free again. Twice is once."""
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self) -> Review:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<review at {self.url}>" if self.is_open else f"<review at {self.url}, closed>"

    def _repr_html_(self) -> str:
        """Return the page in a frame, for a notebook."""
        link = f'<a href="{escape(self.url)}" target="_blank">{escape(self.url)}</a>'
        if not self.is_open:
            return f"<p>the review at {escape(self.url)} is closed</p>"
        frame = f'<iframe src="{escape(self.url)}" title="review" style="width:100%;height:800px;border:0">'
        return f"<p>{link}</p>{frame}</iframe>"


def open_review(root: Path, *, is_blind: bool = True, is_shown: bool | None = None) -> Review:
    """Serve the review page of a workspace in the background, and show it.

    Args:
        root: The workspace.
        is_blind: Whether reviewers see others' verdicts only after their own.
        is_shown: Whether to open the browser; None where no notebook shows the page anyway.

    Raises:
        WorkspaceError: As `Review`.
    """
    review = Review(root, is_blind=is_blind)
    if is_shown if is_shown is not None else "ipykernel" not in sys.modules:
        webbrowser.open(review.url)
    return review
