"""Files of vectors: what is read, what names their rows, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.vector_file import VectorFile, open_vectors


def rows_of(file: VectorFile) -> list[list[float]]:
    return [row for block in file.blocks() for row in block.tolist()]


def saved(tmp_path: Path, values: object, dtype: str = "float32") -> Path:
    np.save(tmp_path / "v.npy", np.array(values, dtype=dtype))
    return tmp_path / "v.npy"


def test_open_vectors__numpy_without_names(tmp_path: Path) -> None:
    file = open_vectors(saved(tmp_path, [[1, 2], [np.nan, 1], [3, 4]], "float16"))
    assert (file.n_rows, file.dim, file.names) == (3, 2, None)
    assert rows_of(file) == [[1, 2], [0, 0], [3, 4]]


def test_open_vectors__numpy_with_a_csv_beside_it(tmp_path: Path) -> None:
    path = saved(tmp_path, [[1, 2], [3, 4]])
    (tmp_path / "v.csv").write_text('Image-ID,path,split\n007,"a,b.jpg",train\n8,,\n')
    names = open_vectors(path).names
    assert names is not None
    assert (names.ids, names.paths, names.splits) == (["007", "8"], ["a,b.jpg", None], ["train", None])
    (tmp_path / "v.csv").write_text("image_id\n1\n")
    with pytest.raises(SourceError, match=r"v\.csv: names 1 rows, and v\.npy has 2"):
        open_vectors(path)
    (tmp_path / "v.csv").write_text("label,score\ncat,1\ndog,2\n")
    with pytest.raises(TableError, match="no column names the images; there are label, score"):
        open_vectors(path)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 2), pa.large_list(pa.float16())]
)
def test_open_vectors__parquet(tmp_path: Path, kind: pa.DataType) -> None:
    vectors = pa.array([[np.float16(1), np.float16(2)], None, [np.float16(3), np.float16(4)]], kind)
    pq.write_table(pa.table({"image_id": [5, 6, 7], "embedding": vectors}), tmp_path / "v.parquet")
    file = open_vectors(tmp_path / "v.parquet")
    assert (file.n_rows, file.dim) == (3, 2)
    assert rows_of(file) == [[1, 2], [0, 0], [3, 4]]
    assert file.names is not None
    assert (file.names.ids, file.names.paths) == (["5", "6", "7"], [None] * 3)


def test_open_vectors__refuses_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.npy: is not there"):
        open_vectors(tmp_path / "none.npy")
    with pytest.raises(SourceError, match=r"holds int64 of shape \(2,\)"):
        open_vectors(saved(tmp_path, [1, 2], "int64"))
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match=r"o\.npy: cannot be read as an array"):
        open_vectors(tmp_path / "o.npy")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match=r"t\.parquet: is not a Parquet file"):
        open_vectors(tmp_path / "t.parquet")
    pq.write_table(pa.table({"key": ["a"], "x": [1.0]}), tmp_path / "x.parquet")
    with pytest.raises(TableError, match="no column holds vectors; there are key, x"):
        open_vectors(tmp_path / "x.parquet")
    ragged = pa.array([[1.0, 2.0], [1.0]], pa.list_(pa.float32()))
    pq.write_table(pa.table({"key": ["a", "b"], "vector": ragged}), tmp_path / "r.parquet")
    with pytest.raises(
        TableError, match="row 2 column 'vector': has a vector of 1 numbers where the first has 2"
    ):
        rows_of(open_vectors(tmp_path / "r.parquet"))
