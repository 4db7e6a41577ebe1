"""Files of predicted probabilities: what is read, and what is refused with file, row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.errors import SourceError
from chaffinch.formats.pred_probs import read_pred_probs

VALUES = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)


def test_read_pred_probs__npy_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", VALUES)
    found = read_pred_probs(tmp_path / "p.npy")
    assert isinstance(found.values, np.memmap)
    assert found.values.tolist() == VALUES.tolist()
    assert (found.ids, found.classes, found.id_column) == (None, None, None)


def test_read_pred_probs__csv_with_a_column_per_class(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('key;cat;"dog;s"\nall/a.png;0.25;0.75\nall/b.png;1;0\n')
    found = read_pred_probs(tmp_path / "p.csv")
    assert found.values.tolist() == VALUES.tolist()
    assert (found.id_column, found.ids, found.classes) == (
        "key",
        ["all/a.png", "all/b.png"],
        ["cat", "dog;s"],
    )


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 2)])
def test_read_pred_probs__parquet_with_a_list(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {"image_id": [7, 8], "pred_probs": pa.array(VALUES.tolist(), type=kind)}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    found = read_pred_probs(tmp_path / "p.parquet")
    assert found.values.tolist() == VALUES.tolist()
    assert (found.id_column, found.ids, found.classes) == ("image_id", ["7", "8"], None)


def test_read_pred_probs__parquet_with_columns(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"key": ["a", "b"], "cat": [0.25, 1.0], "dog": [0.75, 0.0]}), tmp_path / "p.parquet"
    )
    found = read_pred_probs(tmp_path / "p.parquet")
    assert found.values.tolist() == VALUES.tolist()
    assert found.classes == ["cat", "dog"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,cat,dog\na,0.5,0.5\nb,0.9,x\n", "p.csv row 3 column 'dog': is no number, got 'x'"),
        ("key,cat,dog\na,0.5,nan\n", "p.csv row 2 column 'dog': is no probability, got 'nan'"),
        ("key,cat,dog\na,1.5,-0.5\n", "p.csv row 2 column 'dog': is no probability, got '-0.5'"),
        ("key,cat,dog\na,0.5,0.5\nb,2.0,3.0\n", "p.csv row 3: sums to 5.0000, not to 1"),
        ("name,cat\na,1\n", "p.csv: has no column 'key' or 'image_id', only 'name', 'cat'"),
        ("key,image_id\na,1\n", "p.csv: has no column of probabilities"),
    ],
)
def test_read_pred_probs__what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(SourceError) as raised:
        read_pred_probs(tmp_path / "p.csv")
    assert message in str(raised.value)
    assert "hint: " in str(raised.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(3), "must be a float array of rank 2, got float64 of shape (3,)"),
        (np.ones((2, 2), dtype=np.int64), "must be a float array of rank 2, got int64"),
        (np.array([[0.5, 0.5], [np.inf, 0.0]]), "row 1 column '0': is no probability, got 'inf'"),
        (np.array([[0.5, 0.4]]), "row 0: sums to 0.9000, not to 1"),
    ],
)
def test_read_pred_probs__odd_arrays(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "p.npy", values)
    with pytest.raises(SourceError) as raised:
        read_pred_probs(tmp_path / "p.npy")
    assert message in str(raised.value)


def test_read_pred_probs__ragged_lists_and_no_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a", "b"], "pred_probs": [[1.0], [0.5, 0.5]]}), tmp_path / "p.parquet")
    with pytest.raises(SourceError, match="row 2 column 'pred_probs': has 2 numbers where row 1 has 1"):
        read_pred_probs(tmp_path / "p.parquet")
    with pytest.raises(SourceError, match="is no file"):
        read_pred_probs(tmp_path / "absent.npy")
