"""Who the client is towards Visual Layer: api key and secret, and the short-lived tokens made of them.

The secret stays inside `Credentials`: it has no `repr`, goes into no message, and `Credentials.redact` takes
it out of texts that a server sends back. What travels is a token signed with it (JWT, HS256), ten minutes
long, which is made anew before it ends.
"""

from __future__ import annotations

import os
import stat
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from chaffinch.errors import UsageError

CLOUD_URL = "https://app.visual-layer.com"
"""Where datasets live unless a base URL is given."""

KEY_VARIABLE = "VL_API_KEY"
SECRET_VARIABLE = "VL_API_SECRET"
BASE_URL_VARIABLE = "VL_BASE_URL"

TOKEN_LIFE_S = 600
"""Life of a token; the server takes at most an hour."""
RENEW_BEFORE_END_S = 60
"""A token this close to its end is replaced, so that none runs out on its way."""
_DISTINCT_ENDS = 60

HIDDEN = "[hidden]"
"""Stands where a secret stood."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An api key and its secret."""

    key: str
    """Names the account; travels in each token."""
    secret: str = field(repr=False)
    """Signs tokens; never travels and is never shown."""

    def redact(self, text: str) -> str:
        """Return `text` without the secret."""
        return text.replace(self.secret, HIDDEN)


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials and the server that they are for."""

    credentials: Credentials
    """Key and secret."""
    base_url: str
    """Scheme, host and port of the server, no slash at its end."""


def read_account(
    environ: Mapping[str, str], *, file: Path | None = None, base_url: str | None = None
) -> Account:
    """Collect key, secret and base URL from the environment or a file.

    Args:
        environ: The environment: VL_API_KEY, VL_API_SECRET, VL_BASE_URL.
        file: Lines ``NAME=value`` with the same names; they win over the environment. Only its owner may be
            able to read it.
        base_url: Wins over both; the cloud where none is given.

    Raises:
        UsageError: If a variable is missing (it is named), or others can read the file.
    """
    values = {**environ, **(_read_file(file) if file else {})}
    missing = [name for name in (KEY_VARIABLE, SECRET_VARIABLE) if not values.get(name, "").strip()]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            where=str(file) if file else "",
            hint=f"take key and secret from your Visual Layer account page; set {KEY_VARIABLE} and "
            f"{SECRET_VARIABLE}, or write both into a file and give it with --credentials",
        )
    credentials = Credentials(values[KEY_VARIABLE].strip(), values[SECRET_VARIABLE].strip())
    return Account(
        credentials, _clean_url(base_url or values.get(BASE_URL_VARIABLE, "").strip() or CLOUD_URL)
    )


def _clean_url(text: str) -> str:
    url = text.strip().rstrip("/").removesuffix("/api/v1").rstrip("/")
    scheme, _, host = url.partition("://")
    if scheme.lower() not in ("http", "https") or not host or "@" in host:
        raise UsageError(
            "is no base URL",
            where=text if "@" not in text else "--base-url",
            hint=f"such as {CLOUD_URL} or http://HOST:2080, without user or password",
        )
    return url


def _read_file(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(
                f"others may read or change this file (mode {stat.S_IMODE(mode):03o}), and it holds a secret",
                where=str(path),
                hint=f"chmod 600 {path}",
            )
        lines = file.read().decode("utf-8-sig", errors="replace").splitlines()
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if "=" in line)
    return {
        name.strip(): value.strip().strip("\"'")
        for name, _, value in pairs
        if not name.lstrip().startswith("#")
    }


class TokenSource:
    """Hands out a token that is still good, making new ones as they end."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token = ""
        self._good_until = 0.0
        self._n_made = 0

    def current(self) -> str:
        """Return a token that is good for at least a minute."""
        if time.time() >= self._good_until:
            self.renew()
        return self._token

    def renew(self) -> None:
        """Make a new token, for when the server takes the current one no more.

        Raises:
            UsageError: If the secret cannot sign.
        """
        now = int(time.time())
        # Two tokens of one second would be the same bytes; a server that dropped the first drops them both.
        life_s = TOKEN_LIFE_S + self._n_made % _DISTINCT_ENDS
        key = self._credentials.key
        claims = {"sub": key, "iat": now, "exp": now + life_s, "iss": "sdk"}
        try:
            with warnings.catch_warnings():
                # The length of the secret is the server's choice; a warning would only worry its user.
                warnings.simplefilter("ignore")
                self._token = jwt.encode(
                    claims, self._credentials.secret, algorithm="HS256", headers={"kid": key}
                )
        except jwt.PyJWTError:
            raise UsageError(
                f"{SECRET_VARIABLE} cannot sign a token", hint="copy it from the account page again"
            ) from None
        self._good_until = now + life_s - RENEW_BEFORE_END_S
        self._n_made += 1
