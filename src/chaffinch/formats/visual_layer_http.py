"""Requests to Visual Layer that get through: tokens, retries, redirects and downloads.

- A busy or faulty server is asked again: 429, 500, 502, 503, 504, an answer that is no JSON, a broken or
  timed out connection. Waits begin at 0.1 s, double, and are spread at random; `Retry-After` is honoured.
- 401 renews the token once. A second 401 is final, so a wrong secret costs two requests.
- The token goes to the base URL's scheme, host and port, and nowhere else: redirects are followed by hand,
  and one that leads away goes without it.
"""

from __future__ import annotations

import email.utils
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from chaffinch.errors import RemoteError
from chaffinch.formats.visual_layer_credentials import HIDDEN, Account, TokenSource

API_PREFIX = "/api/v1"
RETRIED_STATUSES = frozenset((429, 500, 502, 503, 504))
MAX_ATTEMPTS = 9
"""Attempts at one request, 25 s of waiting in all; a server that is down longer is reported."""
MAX_CONNECT_ATTEMPTS = 5
"""Attempts where nobody answers at all: mostly a wrong address."""
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 20.0
LONGEST_RETRY_AFTER_S = 600.0
"""A server that wants to be left alone for longer is believed, and the command ends."""
MAX_REDIRECTS = 10
CHUNK_BYTES = 1 << 18
SHOWN_CHARS = 500
"""A server's error text is cut here."""
_NOTED_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Setback:
    """An attempt that failed and may be made again."""

    reason: str
    wait_s: float | None = None
    """What the server asked for; None leaves it to us."""
    max_attempts: int = MAX_ATTEMPTS


def _ignore(text: str) -> None:
    """Take no note."""


class VisualLayerClient:
    """A connection to one Visual Layer server; use as a context manager."""

    def __init__(
        self, account: Account, *, note: Callable[[str], None] = _ignore, read_timeout_s: float = 60.0
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            account: Where to, and as whom.
            note: Is told of long waits, in a sentence.
            read_timeout_s: Silence after which a connection is given up.
        """
        self.base_url = account.base_url
        self._account = account
        self._tokens = TokenSource(account.credentials)
        self._origin = _origin(httpx.URL(account.base_url))
        self._note = note
        timeout = httpx.Timeout(read_timeout_s, connect=10.0)
        self._http = httpx.Client(timeout=timeout, follow_redirects=False)

    def __enter__(self) -> VisualLayerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get_json(
        self, path: str, params: Mapping[str, str] | None = None, *, is_repeatable: bool = True
    ) -> Any:
        """Return what a path below ``/api/v1`` answers: a dict or a list.

        Args:
            path: Begins with a slash.
            params: Query.
            is_repeatable: Whether asking twice does no harm when an answer was lost on its way.

        Raises:
            RemoteError: If the server refuses (with its text) or cannot be brought to answer.
        """
        return self._answer("GET", path, is_repeatable=is_repeatable, params=dict(params or {}))

    def post_form(self, path: str, fields: Mapping[str, str]) -> Any:
        """Send a multipart form and return the answer; not sent again where it may have arrived.

        Raises:
            RemoteError: As `get_json`.
        """
        parts = {name: (None, value) for name, value in fields.items()}
        return self._answer("POST", path, is_repeatable=False, files=parts)

    def download(self, uri: str, target: Path) -> None:
        """Stream what lies at `uri`, absolute or relative to the base URL, into a file.

        The token goes along only while the address is the base URL's own.

        Raises:
            RemoteError: If it cannot be had whole; `target` is then of no use.
        """
        url = httpx.URL(self.base_url + "/").join(uri)

        def attempt() -> _Setback | None:
            with self._sent("GET", url, may_leave=True) as response:
                setback = self._judge(response)
                if setback is None:
                    with target.open("wb") as file:
                        file.writelines(response.iter_bytes(CHUNK_BYTES))
                return setback

        self._repeat(attempt, where=_shown(url), is_repeatable=True)

    # --------------------------------------------------------------------------------------------- attempts

    def _answer(self, method: str, path: str, *, is_repeatable: bool, **content: Any) -> Any:
        url = httpx.URL(self.base_url + API_PREFIX + path)

        def attempt() -> Any:
            with self._sent(method, url, **content) as response:
                setback = self._judge(response)
                if setback is not None:
                    return setback
                value = self._parsed(response)
                return _Setback("the answer is no JSON") if value is None else value

        return self._repeat(attempt, where=_shown(url), is_repeatable=is_repeatable)

    def _repeat(self, attempt: Callable[[], Any], *, where: str, is_repeatable: bool) -> Any:
        n_attempts = 0
        while True:
            outcome = self._try(attempt, where=where, is_repeatable=is_repeatable)
            if not isinstance(outcome, _Setback):
                return outcome
            n_attempts += 1
            if n_attempts >= outcome.max_attempts:
                raise RemoteError(
                    f"{outcome.reason}, {n_attempts} times",
                    where=where,
                    hint="try again later; check --base-url and the network",
                )
            self._wait(outcome, n_attempts)

    def _try(self, attempt: Callable[[], Any], *, where: str, is_repeatable: bool) -> Any:
        try:
            return attempt()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise RemoteError(f"is no address to ask ({error})", where=where) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return _Setback(f"no connection ({error})", max_attempts=MAX_CONNECT_ATTEMPTS)
        except (httpx.TransportError, httpx.DecodingError) as error:
            what = f"the connection broke ({type(error).__name__})"
            if is_repeatable:
                return _Setback(what)
            raise RemoteError(
                f"{what} before the answer came; the server may have done what it was asked",
                where=where,
                hint="look into the web interface whether the dataset is there before you try again",
            ) from error

    def _wait(self, setback: _Setback, n_attempts: int) -> None:
        wait_s = setback.wait_s
        if wait_s is None:
            wait_s = min(FIRST_WAIT_S * 2 ** (n_attempts - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)
        if wait_s >= _NOTED_WAIT_S:
            self._note(f"{setback.reason}; next attempt in {wait_s:.0f} s")
        time.sleep(wait_s)

    # ---------------------------------------------------------------------------------------------- sending

    @contextmanager
    def _sent(
        self, method: str, url: httpx.URL, *, may_leave: bool = False, **content: Any
    ) -> Iterator[httpx.Response]:
        """Send, with a new token after one 401, through redirects; the body is not read yet.

        Args:
            method: GET or POST.
            url: Where to.
            may_leave: Whether to follow a redirect to another server; the token stays behind then.
            content: Query or form, as httpx takes them.
        """
        is_renewed = False
        for _ in range(MAX_REDIRECTS):
            is_ours = _origin(url) == self._origin
            request = self._http.build_request(method, url, **content)
            if is_ours:
                request.headers["Authorization"] = f"Bearer {self._tokens.current()}"
            response = self._http.send(request, stream=True)
            try:
                if response.status_code == 401 and is_ours and not is_renewed:
                    self._tokens.renew()
                    is_renewed = True
                elif response.has_redirect_location:
                    url = url.join(response.headers["location"])
                    self._check_way(url, may_leave=may_leave)
                    content.pop("params", None)
                else:
                    yield response
                    return
            finally:
                response.close()
        raise RemoteError("redirects in a circle", where=_shown(url))

    def _check_way(self, url: httpx.URL, *, may_leave: bool) -> None:
        if not may_leave and _origin(url) != self._origin:
            raise RemoteError(
                f"redirects to {_shown(url)}; nothing was sent there",
                where=self.base_url,
                hint="give that server with --base-url if it is the right one",
            )

    def _judge(self, response: httpx.Response) -> _Setback | None:
        """Return None for an answer to read, a setback for one to ask again.

        Raises:
            RemoteError: If it is a refusal.
        """
        status = response.status_code
        if response.is_success:
            return None
        if status in RETRIED_STATUSES:
            return self._setback(response)
        where = _shown(response.request.url)
        if status == 401 and "Authorization" in response.request.headers:
            raise RemoteError(
                "does not accept these credentials (401)",
                where=where,
                status=status,
                hint="check VL_API_KEY and VL_API_SECRET, the clock of this machine, and --base-url",
            )
        raise RemoteError(
            f"refused with {status}{self._text_of(response)}",
            where=where,
            status=status,
            hint="see whether this account may do that in the web interface" if status == 403 else "",
        )

    def _setback(self, response: httpx.Response) -> _Setback:
        reason = f"the server answered {response.status_code}{self._text_of(response)}"
        wait_s = retry_after_s(response.headers.get("retry-after", ""))
        if wait_s is not None and wait_s > LONGEST_RETRY_AFTER_S:
            raise RemoteError(
                f"{reason} and asks to wait {wait_s:.0f} s",
                where=_shown(response.request.url),
                status=response.status_code,
                hint="run the same command again after that; finished parts are kept",
            )
        return _Setback(reason, wait_s)

    def _parsed(self, response: httpx.Response) -> dict[str, Any] | list[Any] | None:
        try:
            value = json.loads(self._redacted(response.read().decode("utf-8-sig")))
        except ValueError:
            return None
        return value if isinstance(value, dict | list) else None

    def _redacted(self, text: str) -> str:
        """Return a server's text without what it must not tell anybody, should it send it back."""
        return self._account.credentials.redact(text).replace(self._tokens.current(), HIDDEN)

    def _text_of(self, response: httpx.Response) -> str:
        try:
            text = response.read().decode("utf-8", errors="replace")
        except (httpx.TransportError, httpx.DecodingError):
            return ""
        if text.lstrip().startswith("<"):
            return ""
        text = self._redacted(text)
        return f": {text.strip()[:SHOWN_CHARS]}" if text.strip() else ""


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    standard_port = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or standard_port


def _shown(url: httpx.URL) -> str:
    """Return an address without its query, which may hold a signature."""
    return str(url.copy_with(query=None, fragment=None, userinfo=b""))


def retry_after_s(text: str) -> float | None:
    """Read the header Retry-After, seconds or a date, as seconds from now; None where it is neither."""
    try:
        wait_s = float(text)
        return max(wait_s, 0.0) if math.isfinite(wait_s) else None
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(moment.timestamp() - time.time(), 0.0)
