"""Who may ask the server for what: hosts, origins, tokens, content types, and the headers of every answer.

- Host: only names of this server, so that a foreign name that resolves to it (DNS rebinding) is refused. An
  IP address is no such name, so a server for other machines answers to each that it has.
- Origin: what a page of another origin sends is refused, and so is what one of `null` does. Its own has the
  host and port that the request asks at, whatever proxy or tunnel lies between.
- Token: beyond the loopback address every request carries a reviewer's token, as a bearer or as the cookie
  that the page is given when it is opened with ``/?token=...``.
- Content type: writes are ``application/json``, which a form of another page cannot send.
- Length: writes say how long they are, at most `MAX_BODY_BYTES`, so that nobody fills the memory.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from chaffinch.curate.events import spelled_reviewer

COOKIE = "chaffinch_token"
"""Its name goes on with the port that the page was asked at: browsers keep one jar for all ports."""
NOTEBOOKS, NOBODY = "http://127.0.0.1:* http://localhost:*", "'none'"
"""Who may show the page in a frame: pages of this machine, or no page at all."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

MAX_BODY_BYTES = 32 << 20
"""Of a write; twice a decision about `serve.schema.MAX_ITEMS` images."""

Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a server."""

    hosts: frozenset[str]
    """Names under which it may be asked, without port; lower case."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Token to reviewer; empty lets everybody in, which is for the loopback address alone."""
    takes_addresses: bool = False
    """Whether it may also be asked at any IP address: for a server that other machines reach."""

    def is_asked_at(self, host: str) -> bool:
        """Tell whether it answers to a name or address, given in lower case and without brackets."""
        return host in self.hosts or (self.takes_addresses and _is_address(host))

    def reviewer(self, request: Request) -> str | None:
        """Return whose token a request carries; None where it carries none that is known."""
        header = request.headers.get("authorization", "")
        is_bearer = header.startswith("Bearer ")
        return self.owner(
            header.removeprefix("Bearer ") if is_bearer else request.cookies.get(_cookie_name(request), "")
        )

    def owner(self, given: str) -> str | None:
        """Return whose token this is; None where it is nobody's."""
        for token, reviewer in self.tokens.items():
            if secrets.compare_digest(token.encode(), given.encode()):
                return reviewer
        return None


def viewer_of(request: Request) -> str:
    """Return whose eyes see the answer: a token's reviewer, else who says so; '' is nobody.

    A header holds ASCII alone, so the name in it is percent-encoded UTF-8; a name without other letters or
    percent signs is the same as it is.
    """
    return token_reviewer(request) or _said_reviewer(request)


def _said_reviewer(request: Request) -> str:
    return spelled_reviewer(unquote(request.headers.get("x-reviewer", "")))


def token_reviewer(request: Request) -> str | None:
    """Return whose token a request came with; None where no tokens are needed."""
    known: str | None = getattr(request.state, "reviewer", None)
    return known


def content_policy(page: str, *, is_framed: bool = False) -> str:
    """Return the content security policy of the page: its own inline script and style, nothing from afar.

    Args:
        page: The page.
        is_framed: Whether pages of this machine, such as notebooks, may show it in a frame.
    """
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts if script) or "'none'"
    rules = (
        "default-src 'none'",
        f"script-src {hashes}",
        "style-src 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        f"frame-ancestors {NOTEBOOKS if is_framed else NOBODY}",
    )
    return "; ".join(rules)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def guarded(access: Access, policy: str) -> Callable[[Request, Next], Awaitable[Response]]:
    """Return the middleware that lets requests through or refuses them."""

    async def guard(request: Request, call_next: Next) -> Response:
        refusal = _refusal(request, access)
        response = refusal if refusal is not None else await call_next(request)
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return guard


def _refusal(request: Request, access: Access) -> Response | None:
    host = request.headers.get("host", "")
    place = place_of(host)
    if place is None or not access.is_asked_at(place[0]):
        return refusal(421, "this server does not answer to that name", hint="chaffinch review --name NAME")
    origin = request.headers.get("origin")
    if origin is not None and not _is_own_origin(origin, host):
        return refusal(403, "requests of other pages are refused")
    if request.method not in ("GET", "HEAD"):
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return refusal(415, "writes are application/json")
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return refusal(411, "writes say how long they are")
        if int(length) > MAX_BODY_BYTES:
            return refusal(413, f"writes have at most {MAX_BODY_BYTES:,} bytes")
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return refusal(403, "requests of other pages are refused")
    if not access.tokens:
        return None
    if request.url.path == "/" and access.owner(request.query_params.get("token", "")) is not None:
        return _with_cookie(request)
    return _stranger_refusal(request, access)


def _stranger_refusal(request: Request, access: Access) -> Response | None:
    """Note whose token a request carries; refuse one without, and one that is somebody else's."""
    owner = request.state.reviewer = access.reviewer(request)
    if owner is None:
        return refusal(401, "a reviewer's token is needed", hint="open your link once more")
    # Tabs share the cookie: what Ana decided in one must not become Bo's, whose link was opened later, nor
    # may hers show what only Bo may see.
    path, said = request.url.path, _said_reviewer(request)
    if path == "/api/events":
        # An EventSource sends no headers.
        said = said or spelled_reviewer(request.query_params.get("reviewer", ""))
    if path.startswith("/api/") and said not in ("", owner):
        return refusal(403, f"the link that was opened last is that of {owner}", hint=f"open that of {said}")
    return None


def _with_cookie(request: Request) -> Response:
    """Answer the link that a reviewer was sent: the token goes into a cookie and out of the address.

    Lax: a strict cookie is not sent after a click in a mail or chat, so that the link would end at 401.
    Writes of other pages are refused by their origin and content type.
    """
    response = RedirectResponse("/", status_code=303)
    token = request.query_params["token"]
    response.set_cookie(_cookie_name(request), token, httponly=True, samesite="lax")
    return response


def _cookie_name(request: Request) -> str:
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def place_of(text: str, *, port: str = "") -> tuple[str, str] | None:
    """Return host and port of a Host header, origin or option; None where it is none.

    Args:
        text: As `review.lab.org`, `review.lab.org:8080` or `[::1]:8080`.
        port: What stands for a port that is not named.
    """
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@?#\s]+)(?::(\d{1,5}))?", text)
    return (match[1].strip("[]").lower(), match[2] or port) if match else None


def _is_own_origin(origin: str, host: str) -> bool:
    scheme, _, place = origin.partition("://")
    port = {"http": "80", "https": "443"}.get(scheme)
    return port is not None and place_of(place, port=port) == place_of(host, port=port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def refusal(status: int, what: str, *, hint: str = "") -> JSONResponse:
    """Return the answer to a request that is refused; `serve.schema.Refusal`."""
    return JSONResponse({"error": what, "hint": hint}, status_code=status)
