"""The links that let reviewers in: each carries a token that holds as long as the workspace's secret does.

A token is the HMAC of the reviewer's name under that secret, so a server that starts again knows the links
that were sent, and no token is stored. A new secret ends all of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from chaffinch.errors import WorkspaceError

SECRET = "review.secret"
"""The file of a workspace that holds it; nobody but its owner may read it."""
SECRET_BYTES = 32
TOKEN_BYTES = 24
"""Of the 32 that the HMAC has: nobody guesses 192 bits."""


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


def _secret(path: Path) -> bytes:
    hint = "chaffinch review --new-links makes another one, and new links"
    try:
        # Two servers that start at once must not both think that theirs is the secret: who is second reads.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
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
