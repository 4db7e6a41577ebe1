"""What can be asked of Visual Layer: make a dataset, see how far it is, list its clusters, export.

Names of fields differ between versions and installations; they are read here and nowhere else. Retries,
tokens and redirects are `visual_layer_http`'s matter; which exports to ask for is `pipeline`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from chaffinch.errors import RemoteError
from chaffinch.formats.visual_layer_credentials import CLOUD_URL
from chaffinch.formats.visual_layer_http import VisualLayerClient

READY = "READY"
FATAL_ERROR = "FATAL_ERROR"

ENTITY_TYPE = "IMAGES"
"""What is listed and exported in parts: images with their boxes, not boxes alone."""

_TOO_LARGE = "exceeds threshold"
_NO_SUCH_PATH = (404, 405)
_NO_SUCH_DATASET = (400, 404, 422)
_LAST_PAGE = 1_000_000
_URI_FIELDS = ("download_uri", "download_url", "downloadUri", "downloadUrl", "file_url", "url", "uri")
_MESSAGE_FIELDS = ("result_message", "error", "message", "detail")
_DATASET_SIZE_FIELDS = (
    "total_media_items",
    "n_media_items",
    "n_images",
    "num_images",
    "images_count",
    "image_count",
    "total_images",
    "media_count",
    "n_media",
    "total_media",
)
_CLUSTER_SIZE_FIELDS = ("n_images", "n_media", "n_items", "num_images", "size", "count")
_CLUSTER_LIST_FIELDS = ("clusters", "items", "results", "data")


@dataclass(frozen=True, slots=True)
class RemoteDataset:
    """How far a dataset is."""

    dataset_id: str
    """Its id."""
    name: str
    """Its name; empty where the server gives none."""
    status: str
    """NEW, PRE_PROCESSING, ..., READY or FATAL_ERROR; empty where the server gives none."""
    progress: float | None
    """0 to 100."""
    fatal_error: str
    """What went wrong, for FATAL_ERROR."""
    n_media_items: int | None
    """How many media items it holds; None where the server does not say."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One row of an exploration page."""

    cluster_id: str
    """Its id, good for one threshold."""
    n_images: int | None
    """How many images it holds; None where the server does not say."""
    preview_ids: tuple[str, ...]
    """Media ids of the images it is shown with."""


@dataclass(frozen=True, slots=True)
class ExportTask:
    """One export, as the server last described it."""

    task_id: str
    """Its id; empty where it ended at once."""
    state: Literal["running", "completed", "too_large", "rejected", "failed"]
    """too_large: over the server's cap, so that it must be split. rejected: not to be had for another reason.
    failed: worth another try."""
    message: str
    """The server's text."""
    download_uri: str
    """Where the file is, once completed; absolute or relative."""


# --------------------------------------------------------------------------------------------------- datasets


def create_dataset(client: VisualLayerClient, *, name: str, bucket: str) -> str:
    """Make a dataset from a bucket in the cloud, or from a folder of an on-premises server; returns its id.

    The cloud takes a form with the path of a public bucket. An on-premises server does not know that form and
    processes a folder that it can see itself; it is asked for that where the form is not there.

    Raises:
        RemoteError: If the server refuses, or its answer has no id.
    """
    try:
        answer = client.post_form("/dataset", {"dataset_name": name, "bucket_path": bucket})
    except RemoteError as error:
        if error.status not in _NO_SUCH_PATH or client.base_url == CLOUD_URL:
            raise
        answer = client.get_json("/process", {"path": bucket, "name": name}, is_repeatable=False)
    fields = _with_nested(answer, "dataset", "result")
    dataset_id = fields.get("dataset_id") or fields.get("id")
    if not dataset_id:
        message = _message(fields) or "the answer has no dataset id"
        raise RemoteError(
            message, where=client.base_url, hint="no dataset was made; see what the server says"
        )
    return str(dataset_id)


def get_dataset(client: VisualLayerClient, dataset_id: str) -> RemoteDataset:
    """Ask how far a dataset is.

    Raises:
        RemoteError: If the server does not know it, or refuses.
    """
    try:
        answer = client.get_json(f"/dataset/{quote(dataset_id, safe='')}")
    except RemoteError as error:
        if error.status not in _NO_SUCH_DATASET:
            raise
        raise RemoteError(
            f"knows no dataset {dataset_id!r} ({error.what})",
            where=client.base_url,
            status=error.status,
            hint="the id stands in the address of the dataset's page: /dataset/ID/data",
        ) from error
    fields = _with_nested(answer, "dataset")
    progress = fields.get("progress")
    return RemoteDataset(
        dataset_id=dataset_id,
        name=str(fields.get("display_name") or fields.get("name") or ""),
        status=str(fields.get("status") or "").upper(),
        progress=float(progress) if isinstance(progress, int | float) else None,
        fatal_error=str(fields.get("fatal_error_msg") or ""),
        n_media_items=_first_count(fields, _DATASET_SIZE_FIELDS),
    )


def iter_clusters(client: VisualLayerClient, dataset_id: str, *, threshold: int) -> Iterator[Cluster]:
    """Stream the clusters of a dataset at one threshold, each once, page by page.

    A page may hold fewer than a full one, and a server may count pages from 0 or 1, so the end is the first
    page that brings nothing new (page 0 aside).

    Raises:
        RemoteError: If the server refuses a page before the end.
    """
    seen: set[str] = set()
    for page in range(_LAST_PAGE):
        params = {"threshold": str(threshold), "entity_type": ENTITY_TYPE, "page_number": str(page)}
        try:
            answer = client.get_json(f"/explore/{quote(dataset_id, safe='')}", params)
        except RemoteError as error:
            # Beyond the last page, or for a threshold it does not have, a server may refuse.
            if error.status not in _NO_SUCH_DATASET:
                raise
            answer = []
        fresh = {c.cluster_id: c for c in _clusters_of(answer) if c.cluster_id not in seen}
        if not fresh and page > 0:
            return
        seen.update(fresh)
        yield from fresh.values()


def _clusters_of(answer: Any) -> Iterator[Cluster]:
    rows = answer
    while isinstance(rows, dict):
        rows = next((rows[name] for name in _CLUSTER_LIST_FIELDS if rows.get(name)), None)
    for row in rows if isinstance(rows, list) else []:
        cluster_id = row.get("cluster_id") or row.get("id") if isinstance(row, dict) else None
        if cluster_id is not None:
            previews = row.get("previews") or ()
            preview_ids = (p.get("media_id") for p in previews if isinstance(p, dict))
            n_images = _first_count(row, _CLUSTER_SIZE_FIELDS)
            yield Cluster(str(cluster_id), n_images, tuple(str(i) for i in preview_ids if i))


# ---------------------------------------------------------------------------------------------------- exports


def start_export(client: VisualLayerClient, dataset_id: str, filters: Mapping[str, str]) -> ExportTask:
    """Ask for an export without images.

    Args:
        client: The connection.
        dataset_id: Of what.
        filters: None of them: everything. Else `cluster_id`, `threshold`, `entity_type`, `vql`.

    Raises:
        RemoteError: If the server refuses for another reason than size.
    """
    params = {"file_name": "export.zip", "export_format": "json", "include_images": "false", **filters}
    try:
        answer = client.get_json(f"/dataset/{quote(dataset_id, safe='')}/export_context_async", params)
    except RemoteError as error:
        if _TOO_LARGE not in error.what.lower():
            raise
        return ExportTask("", "too_large", error.what, "")
    fields = _with_nested(answer, "result")
    task_id = str(fields.get("id") or fields.get("export_task_id") or fields.get("task_id") or "")
    task = _task(task_id, fields)
    if task.state == "running" and not task_id:
        return ExportTask("", "failed", "the answer has no export id", "")
    return task


def poll_export(client: VisualLayerClient, dataset_id: str, task_id: str) -> ExportTask:
    """Ask how far an export is.

    Raises:
        RemoteError: If the server refuses.
    """
    path = f"/dataset/{quote(dataset_id, safe='')}/export_status"
    answer = client.get_json(path, {"export_task_id": task_id})
    return _task(task_id, _with_nested(answer, "result"))


def _task(task_id: str, fields: Mapping[str, Any]) -> ExportTask:
    status = str(fields.get("status") or "").upper()
    message = _message(fields)
    if status == "COMPLETED":
        uri = next((str(fields[name]) for name in _URI_FIELDS if fields.get(name)), "")
        if uri:
            return ExportTask(task_id, "completed", message, uri)
        return ExportTask(task_id, "failed", "completed without a download link", "")
    if _TOO_LARGE in message.lower():
        return ExportTask(task_id, "too_large", message, "")
    if status == "REJECTED":
        return ExportTask(task_id, "rejected", message, "")
    if status in ("FAILED", "CANCELED", "CANCELLED") or fields.get("error"):
        return ExportTask(task_id, "failed", message or status, "")
    return ExportTask(task_id, "running", message, "")


def sizes_in_refusal(message: str) -> tuple[int | None, int | None]:
    """Read how many entities were asked for and how many are allowed out of ``N ... exceeds threshold M``."""
    before, _, behind = message.lower().partition(_TOO_LARGE)
    asked = re.findall(r"\d[\d,_]*", before)
    allowed = re.findall(r"\d[\d,_]*", behind)
    n_asked = _number(asked[-1]) if asked else None
    n_allowed = _number(allowed[0]) if allowed else None
    if n_asked is not None and n_allowed is not None and n_asked <= n_allowed:
        return None, None
    return n_asked, n_allowed


# ----------------------------------------------------------------------------------------------------- fields


def _with_nested(answer: Any, *names: str) -> dict[str, Any]:
    """Return the fields of an answer and, where it has none of that name, those of its nested parts."""
    fields = dict(answer) if isinstance(answer, dict) else {}
    for name in names:
        inner = fields.get(name)
        if isinstance(inner, dict):
            fields = {**inner, **{key: value for key, value in fields.items() if value is not None}}
    return fields


def _message(fields: Mapping[str, Any]) -> str:
    found = next((fields[name] for name in _MESSAGE_FIELDS if fields.get(name)), "")
    return str(found.get("message") or found) if isinstance(found, dict) else str(found)


def _first_count(fields: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    values = (fields.get(name) for name in names)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v >= 0), None)


def _number(digits: str) -> int:
    return int(re.sub(r"[,_]", "", digits))
