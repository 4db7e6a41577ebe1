"""The links that let reviewers in: addresses that others can open, with tokens that outlive the server.

A token is the HMAC of the reviewer's name under that secret, so a server that starts again knows the links
that were sent, and no token is stored. A new secret ends all of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.serve.guard import LOOPBACK, place_of

EVERYWHERE = frozenset({"", "0.0.0.0", "::"})
"""Hosts to listen on that stand for every address of a machine, and that nobody can open."""
SECRET = "review.secret"
"""The file of a workspace that holds it; nobody but its owner may read it."""
SECRET_BYTES = 32
TOKEN_BYTES = 24
"""Of the 32 that the HMAC has: nobody guesses 192 bits."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to be asked."""

    hosts: frozenset[str]
    """Its names, lower case."""
    address: str
    """The address for links, with a slash at the end."""
    plain: str | None = None
    """The same by IP address, for whom the name means nothing; None where the first will do."""


def place(host: str, port: int, names: Sequence[str] = ()) -> Place:
    """Return under which names and addresses a server can be asked.

    Args:
        host: What it listens on.
        port: Its port.
        names: Further names, as `review.lab.org`, or as `https://review.lab.org` where a proxy speaks TLS;
            the first one stands in links.

    Raises:
        UsageError: If one of them is no name of a host.

    Cost: on a host for other machines, asks the resolver for this machine's own name.
    """
    further = [_named(text, port) for text in names]
    hosts = LOOPBACK | {host.lower(), socket.gethostname().lower(), *(name for name, _ in further)}
    if host in LOOPBACK:
        return Place(hosts, further[0][1] if further else _address(host, port))
    hosts |= _own_names()
    plain = None
    if host in EVERYWHERE:
        number = _own_number(host)
        plain = _address(number, port) if number else None
        host = socket.gethostname()
    return Place(hosts, further[0][1] if further else _address(host, port), plain)


def _named(text: str, port: int) -> tuple[str, str]:
    """Return the name of a host and its address."""
    scheme, _, rest = text.strip().rstrip("/").rpartition("://")
    found = place_of(rest)
    if found is None or scheme not in ("", "http", "https"):
        hint = "--name review.lab.org, or --name https://review.lab.org behind a proxy that speaks TLS"
        raise UsageError(f"{text!r} is no name of a host", hint=hint)
    if scheme:
        return found[0], f"{scheme}://{rest}/"
    return found[0], _address(found[0], int(found[1] or port))


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _own_names() -> set[str]:
    """Return the names of this machine in its network: whole, short, and as it announces itself."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {name, short, f"{short}.local", socket.getfqdn().lower()}


def _own_number(host: str) -> str | None:
    """Return the IP address that this machine has in its network; None where it is in none."""
    family, other = (socket.AF_INET6, "2001:db8::1") if ":" in host else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it asks by which of its addresses this machine would go out.
            probe.connect((other, 9))
        except OSError:
            return None
        number: str = probe.getsockname()[0]
        return number


def tokens_of(root: Path, reviewers: Iterable[str]) -> dict[str, str]:
    """Return the reviewers by their tokens; the same ones every time, until `renew_links`.

    Args:
        root: The workspace; its secret is made where there is none.
        reviewers: Their names.

    Raises:
        WorkspaceError: If the secret cannot be written, read or is damaged.
    """
    names = list(reviewers)
    secret = _secret(root / SECRET) if names else b""
    return {_token(secret, name): name for name in names}


def renew_links(root: Path) -> None:
    """End every link that was given out for a workspace; a server that runs goes on until it is stopped."""
    (root / SECRET).unlink(missing_ok=True)


def _token(secret: bytes, reviewer: str) -> str:
    digest = hmac.new(secret, reviewer.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:TOKEN_BYTES]).decode()


def _write_secret(path: Path, number: int) -> None:
    """Write a new secret to an open file; on a full disk nothing is left that would pass for one."""
    try:
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
            file.flush()
            os.fsync(number)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _secret(path: Path) -> bytes:
    hint = "chaffinch review --new-links makes another one, and new links"
    try:
        # Two servers that start at once must not both think that theirs is the secret: who is second reads.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write_secret(path, number)
    except FileExistsError:
        pass
    except OSError as error:
        raise WorkspaceError(f"cannot be written: {error}", where=str(path)) from error
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"cannot be read: {error}", where=str(path), hint=hint) from error
    if len(secret) != SECRET_BYTES:
        raise WorkspaceError("is no secret for links", where=str(path), hint=hint)
    return secret
