"""Keys are found by their hash, and still right where two hashes are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.storage.key_index import KeyIndex

KEYS = ["all/a.png", "all/b.png", "all/ü.png", "train/c,\n.png"]


@pytest.fixture
def samples(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "samples-0.parquet", tmp_path / "samples-1.parquet"]
    for path, ids in zip(paths, ([0, 1, 2], [3]), strict=True):
        pq.write_table(pa.table({"sample_id": np.array(ids), "key": [KEYS[i] for i in ids]}), path)
    return paths


@pytest.mark.parametrize("hashed", [hash, len, lambda key: 7], ids=["own", "some twins", "all twins"])
def test_ids__of_each_key(samples: list[Path], hashed: Callable[[str], int]) -> None:
    index = KeyIndex(samples, hashed=hashed)
    assert index.ids([KEYS[3], KEYS[0], "all/none.png", KEYS[3], KEYS[2]]).tolist() == [3, 0, -1, 3, 2]
    assert index.ids([]).tolist() == []


def test_ids__of_an_empty_table(tmp_path: Path) -> None:
    assert KeyIndex([]).ids(["all/a.png"]).tolist() == [-1]
