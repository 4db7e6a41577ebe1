"""Who may ask the server for what: hosts, origins, tokens, content types, and the headers of every answer.

- Host: only names of this server, so that a foreign name that resolves to it (DNS rebinding) is refused.
- Origin: a write that a page of another origin sends is refused, and so is one of `null`.
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

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

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
    port: int
    """Port that origins name."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Token to reviewer; empty lets everybody in, which is for the loopback address alone."""

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


def viewer_of(request: Request) -> str | None:
    """Return whose eyes see the answer: a token's reviewer, else who says so; None for everybody's."""
    return token_reviewer(request) or request.headers.get("x-reviewer") or None


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
    host = _host_name(request.headers.get("host", ""))
    if host not in access.hosts:
        return refusal(421, "this server does not answer to that name")
    origin = request.headers.get("origin")
    if origin is not None and not _is_own_origin(origin, access):
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
    request.state.reviewer = access.reviewer(request)
    if request.state.reviewer is None:
        return refusal(401, "a reviewer's token is needed", hint="open your link once more")
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


def _host_name(header: str) -> str:
    """Return the name in a Host header, without the port; '' where it is none."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::\d+)?", header)
    return match[1].strip("[]").lower() if match else ""


def _is_own_origin(origin: str, access: Access) -> bool:
    match = re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::(\d+))?", origin)
    if match is None:
        return False
    default = 443 if origin.startswith("https") else 80
    return match[1].strip("[]").lower() in access.hosts and int(match[2] or default) == access.port


def refusal(status: int, what: str, *, hint: str = "") -> JSONResponse:
    """Return the answer to a request that is refused; `serve.schema.Refusal`."""
    return JSONResponse({"error": what, "hint": hint}, status_code=status)
