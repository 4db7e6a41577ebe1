"""Splitting an export: whatever clusters a server lists, the file is complete or refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.errors import RemoteError
from chaffinch.formats.visual_layer_http import VisualLayerClient
from chaffinch.pipeline.progress import Silent
from chaffinch.pipeline.visual_layer_export import ExportOptions, ExportSummary, export_dataset

Levels = list[list[list[int]]]


class Server(VisualLayerClient):
    """Answers from memory, at once; first page is page `first_page`."""

    def __init__(
        self, levels: Levels, *, n_items: int, cap: int, has_previews: bool, tells: bool, first_page: int
    ) -> None:
        self.base_url = "http://example.org"
        self._levels = levels
        self._all = list(range(n_items))
        self._cap = cap
        self._has_previews = has_previews
        self._tells = tells
        self._first_page = first_page
        self.asked: list[Mapping[str, str]] = []

    def get_json(
        self, path: str, params: Mapping[str, str] | None = None, *, is_repeatable: bool = True
    ) -> Any:
        params = params or {}
        if path.startswith("/explore"):
            return {"clusters": self._page(int(params["threshold"]), int(params["page_number"]))}
        if path.endswith("export_context_async"):
            return self._export(params)
        return {"status": "READY", "n_images": len(self._all)} if self._tells else {"status": "READY"}

    def _page(self, threshold: int, page: int) -> list[dict[str, Any]]:
        clusters = self._levels[threshold] if threshold < len(self._levels) else []
        at = 2 * (page - self._first_page)
        return [
            {
                "cluster_id": str(number),
                "n_images": len(cluster),
                "previews": [{"media_id": str(cluster[0])}] if self._has_previews and cluster else None,
            }
            for number, cluster in list(enumerate(clusters))[max(at, 0) : max(at + 2, 0)]
        ]

    def _export(self, params: Mapping[str, str]) -> dict[str, Any]:
        self.asked.append(params)
        ids = self._all
        if "cluster_id" in params:
            ids = self._levels[int(params["threshold"])][int(params["cluster_id"])]
        if len(ids) > self._cap:
            return {"error": f"{len(ids)} entities exceeds threshold {self._cap}"}
        return {"id": "t", "status": "COMPLETED", "download_uri": json.dumps(ids)}

    def download(self, uri: str, target: Path) -> None:
        items = [{"media_id": str(number)} for number in json.loads(uri)]
        target.write_text(json.dumps({"info": {}, "media_items": items}))


def run(server: Server) -> tuple[ExportSummary, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.json"
        try:
            summary = export_dataset(server, "d", target, options=ExportOptions(), progress=Silent())
        except RemoteError:
            assert not target.exists()
            raise
        export = json.loads(target.read_text())
        assert [path.name for path in Path(folder).iterdir()] == ["out.json"]
        ids = [item["media_id"] for item in export["media_items"]]
        assert export["info"]["total_media_items"] == len(ids)
        return summary, ids


N_ITEMS = 12
clusters = st.lists(
    st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=N_ITEMS, unique=True), max_size=6
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(clusters, max_size=6), st.integers(1, N_ITEMS), st.booleans(), st.booleans(), st.integers(0, 1)
)
def test_export_dataset__is_complete_or_refused(
    levels: Levels, cap: int, has_previews: bool, tells: bool, first_page: int
) -> None:
    server = Server(
        levels, n_items=N_ITEMS, cap=cap, has_previews=has_previews, tells=tells, first_page=first_page
    )
    small = {number for level in levels for c in level if len(c) <= cap for number in c}
    can_be_had = cap >= N_ITEMS or len(small) == N_ITEMS
    if can_be_had:
        _, ids = run(server)
        assert sorted(ids, key=int) == [str(number) for number in range(N_ITEMS)]
    else:
        with pytest.raises(RemoteError):
            run(server)
    assert all("offset" not in params and "limit" not in params for params in server.asked)


def test_export_dataset__takes_the_coarsest_threshold_that_fits_and_nothing_else() -> None:
    levels = [[[0, 1, 2, 3], [4, 5]], [[0, 1], [2, 3], [4, 5]], [[n] for n in range(6)]]
    server = Server(levels, n_items=6, cap=2, has_previews=False, tells=True, first_page=0)
    summary, ids = run(server)
    assert ids == ["0", "1", "2", "3", "4", "5"]
    assert (summary.n_items, summary.n_parts, summary.n_expected) == (6, 3, 6)
    assert [(p["threshold"], p["cluster_id"]) for p in server.asked[1:]] == [
        ("1", "0"),
        ("1", "1"),
        ("1", "2"),
    ]


def test_export_dataset__skips_clusters_whose_previews_are_there() -> None:
    # Threshold 1 lacks image 5, and only the last cluster of threshold 2 begins with something new.
    levels = [[[0, 1, 2, 3, 4]], [[0, 1], [2, 3], [4]], [[0], [1], [2], [3], [4], [5]]]
    server = Server(levels, n_items=6, cap=2, has_previews=True, tells=True, first_page=0)
    _, ids = run(server)
    assert sorted(ids) == ["0", "1", "2", "3", "4", "5"]
    assert [(p["threshold"], p["cluster_id"]) for p in server.asked[4:]] == [("2", "5")]
