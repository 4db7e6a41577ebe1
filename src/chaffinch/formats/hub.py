"""One file from a model hub that speaks Hugging Face's protocol: pinned, resumed, verified, shared.

The file lies where `huggingface_hub` and its friends look for it (``HF_HUB_CACHE``, ``HF_HOME``, else
``~/.cache/huggingface``), so that neither downloads what the other has. Unlike them this module checks what
it got: by the digest pinned in the table of models, else by the one that the hub states (the etag of a large
file is its SHA-256, that of a small one its Git object id). A file keeps that digest as its name in the cache
and is checked by it whenever it is opened.

``HF_ENDPOINT`` names another hub, ``HF_TOKEN`` is sent to the hub and to nobody it redirects to, and with
``HF_HUB_OFFLINE=1`` nothing is asked at all.

Source: the headers are those of Hugging Face's documentation of the hub's API and of its cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from chaffinch.errors import RemoteError
from chaffinch.records import HubFile

if TYPE_CHECKING:
    import httpx

DEFAULT_ENDPOINT = "https://huggingface.co"
MAX_ATTEMPTS = 6
FIRST_WAIT_S = 0.2
"""Before the second attempt; doubled before each one after."""
TIMEOUT_S = 30.0
MAX_REDIRECTS = 5
CHUNK_BYTES = 1 << 18

T = TypeVar("T")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a hub says of a file before it sends it."""

    url: str
    """Where its bytes are; often on another host."""
    commit: str
    """Commit that the revision means now."""
    digest: str
    """SHA-256, or Git object id, in hexadecimal."""
    size_bytes: int | None
    """None where the hub does not say."""


def cache_root() -> Path:
    """Return the folder of the cache that all tools share."""
    environment = os.environ
    if environment.get("HF_HUB_CACHE"):
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    if environment.get("HF_HOME"):
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "huggingface" / "hub"


def cached_file(file: HubFile) -> Path | None:
    """Return the file if it is in the cache and whole, else None; asks nobody.

    Cost: reads the file once.
    """
    folder = _repo_folder(file)
    reference = folder / "refs" / file.revision
    commit = file.revision
    if not _COMMIT.fullmatch(commit):
        commit = reference.read_text().strip() if reference.is_file() else ""
    path = folder / "snapshots" / commit / file.path
    if not commit or not path.is_file():
        return None
    digest = file.sha256 or path.resolve().name
    return path if not _has_digest(digest) or _digest_of(path, like=digest) == digest else None


def download(file: HubFile, *, on_bytes: Callable[[int, int | None], None]) -> Path:
    """Bring a file into the cache; goes on where an earlier attempt stopped.

    Args:
        file: Which.
        on_bytes: Called with the bytes got since the last call, and the size in all where it is known.

    Returns:
        Its path in the cache.

    Raises:
        RemoteError: If the hub cannot be reached, has no such file, or sends other bytes than it should;
            then nothing of them is kept.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise RemoteError(
            "is not in the cache, and HF_HUB_OFFLINE forbids to fetch it",
            where=f"{file.repo}/{file.path}",
            hint="unset HF_HUB_OFFLINE, or bring the file yourself: --embedder onnx:FILE",
        )
    import httpx

    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
        remote = _retrying(lambda: _ask(client, file), file)
        blob = _repo_folder(file) / "blobs" / remote.digest
        if not blob.exists() or _digest_of(blob, like=remote.digest) != remote.digest:
            _fetch(client, file, remote, on_bytes=on_bytes)
    return _link(file, remote)


def _repo_folder(file: HubFile) -> Path:
    return cache_root() / f"models--{file.repo.replace('/', '--')}"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def _has_digest(text: str) -> bool:
    return bool(_SHA256.fullmatch(text) or _COMMIT.fullmatch(text))


def _digest_of(path: Path, *, like: str) -> str:
    """Return the digest of a file, of the kind that `like` is."""
    with path.open("rb") as stream:
        if _SHA256.fullmatch(like):
            return hashlib.file_digest(stream, "sha256").hexdigest()
        # Git names an object by the SHA-1 of its kind, its size and its bytes.
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


def _retrying(attempt: Callable[[], T], file: HubFile) -> T:
    """Return what `attempt` returns, tried again while the hub hiccups."""
    import httpx

    for wait_s in [FIRST_WAIT_S * 2**n for n in range(MAX_ATTEMPTS - 1)]:
        try:
            return attempt()
        except (httpx.TransportError, _BusyError):
            time.sleep(wait_s)
    try:
        return attempt()
    except (httpx.TransportError, _BusyError) as error:
        raise RemoteError(
            f"cannot be fetched from {_endpoint()}: {str(error) or type(error).__name__}",
            where=f"{file.repo}/{file.path}",
            hint="run the same command again: it goes on where it stopped",
        ) from error


class _BusyError(Exception):
    """The server says that another attempt may do."""


def _ask(client: httpx.Client, file: HubFile) -> RemoteFile:
    """Ask the hub where a file is and what it should be."""
    url = f"{_endpoint()}/{file.repo}/resolve/{file.revision}/{file.path}"
    headers: Mapping[str, str] = {}
    for _ in range(MAX_REDIRECTS):
        response = client.head(url, headers=_token_for(url))
        _check(response, file)
        headers = {**response.headers, **headers}
        location = response.headers.get("location")
        if location is None:
            break
        target = str(response.url.join(location))
        is_elsewhere = not target.startswith(_endpoint() + "/")
        url = target
        if is_elsewhere:
            break
    etag = (headers.get("x-linked-etag") or headers.get("etag") or "").removeprefix("W/").strip('"')
    digest = file.sha256 or etag
    if not _has_digest(digest):
        raise RemoteError(
            f"the server states no checksum (etag {etag!r})",
            where=f"{file.repo}/{file.path}",
            hint="is HF_ENDPOINT a hub? What cannot be verified is not taken",
        )
    size = headers.get("x-linked-size") or headers.get("content-length")
    commit = headers.get("x-repo-commit") or file.revision
    return RemoteFile(url, commit, digest, int(size) if size and size.isdigit() else None)


def _token_for(url: str) -> dict[str, str]:
    token = os.environ.get("HF_TOKEN")
    is_hub = url.startswith(_endpoint() + "/")
    return {"Authorization": f"Bearer {token}"} if token and is_hub else {}


def _check(response: httpx.Response, file: HubFile) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise _BusyError(f"it answers {status}")
    if status >= 400:
        needs_token = "it may need a token: set HF_TOKEN"
        raise RemoteError(
            f"{_endpoint()} answers {status}",
            where=f"{file.repo}/{file.path}",
            status=status,
            hint=needs_token if status in (401, 403) else f"is revision {file.revision} on this hub?",
        )


def _fetch(
    client: httpx.Client, file: HubFile, remote: RemoteFile, *, on_bytes: Callable[[int, int | None], None]
) -> None:
    """Fetch the bytes into ``blobs/<digest>``, verified."""
    blob = _repo_folder(file) / "blobs" / remote.digest
    blob.parent.mkdir(parents=True, exist_ok=True)
    partial = blob.with_name(f"{blob.name}.incomplete")
    _retrying(lambda: _fetch_rest(client, file, remote, partial, on_bytes=on_bytes), file)
    found = _digest_of(partial, like=remote.digest)
    if found != remote.digest:
        partial.unlink()
        raise RemoteError(
            f"has the wrong checksum: {found} instead of {remote.digest}",
            where=f"{file.repo}/{file.path}",
            hint="nothing was kept; try again, or another HF_ENDPOINT",
        )
    partial.replace(blob)


def _fetch_rest(
    client: httpx.Client,
    file: HubFile,
    remote: RemoteFile,
    partial: Path,
    *,
    on_bytes: Callable[[int, int | None], None],
) -> None:
    """Fetch what `partial` lacks; returns when all is there."""
    start = partial.stat().st_size if partial.exists() else 0
    if remote.size_bytes is not None and start > remote.size_bytes:
        partial.unlink()
        start = 0
    if start == remote.size_bytes:
        return
    headers = {**_token_for(remote.url), **({"Range": f"bytes={start}-"} if start else {})}
    with client.stream("GET", remote.url, headers=headers) as response:
        _check(response, file)
        # A server that knows no ranges sends all of it again.
        with partial.open("ab" if response.status_code == 206 else "wb") as target:
            _write_chunks(response, target, remote, on_bytes)
    if remote.size_bytes is not None and partial.stat().st_size < remote.size_bytes:
        raise _BusyError("the connection ended early")


def _write_chunks(
    response: httpx.Response,
    target: BinaryIO,
    remote: RemoteFile,
    on_bytes: Callable[[int, int | None], None],
) -> None:
    for chunk in response.iter_raw():
        target.write(chunk)
        on_bytes(len(chunk), remote.size_bytes)


def _link(file: HubFile, remote: RemoteFile) -> Path:
    """Give a blob its name in the snapshot of its commit, and note what the revision means."""
    folder = _repo_folder(file)
    path = folder / "snapshots" / remote.commit / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(os.path.relpath(folder / "blobs" / remote.digest, path.parent))
    if file.revision != remote.commit:
        reference = folder / "refs" / file.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(remote.commit)
    return path
