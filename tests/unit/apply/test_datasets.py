from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.errors import TableError, UsageError
from chaffinch.torch import CleanedDataset


def gray(value: int) -> Image.Image:
    return Image.new("L", (2, 2), value)


ROWS = [{"image": gray(10 * i), "label": i} for i in range(5)]


def test_cleaned_dataset__leaves_out_and_relabels() -> None:
    cleaned = CleanedDataset(ROWS, {1, 3}, {"4": 9}, transform=lambda image: image.getpixel((0, 0)))
    assert [cleaned[i] for i in range(len(cleaned))] == [
        ((0, 0, 0), 0),
        ((20, 20, 20), 2),
        ((40, 40, 40), 9),
    ]
    assert cleaned.valid_indices == [0, 2, 4]


def test_cleaned_dataset__reads_the_artifacts(tmp_path: Path) -> None:
    removal, relabel = tmp_path / "removal_list.txt", tmp_path / "relabel_map.json"
    removal.write_text("0\n2\n")
    relabel.write_text('{"1": 7}')
    cleaned = CleanedDataset([(gray(0), i) for i in range(4)], removal, str(relabel))
    assert [label for _, label in cleaned] == [7, 3]


def test_cleaned_dataset__refuses_ids_that_are_no_rows(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'cat/a\.png' is no row number"):
        CleanedDataset(ROWS, ["cat/a.png"], {})
    with pytest.raises(UsageError, match=r"'cat/b\.png' is no row number"):
        CleanedDataset(ROWS, [], {"cat/b.png": "dog"})
    broken = tmp_path / "map.json"
    broken.write_text("[]")
    with pytest.raises(TableError, match="no JSON object"):
        CleanedDataset(ROWS, [], broken)


def test_cleaned_dataset__feeds_a_data_loader() -> None:
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    cleaned = CleanedDataset(ROWS, {0}, {}, transform=np.array)
    loader = data.DataLoader(cleaned, batch_size=4)
    (images, labels), *_ = list(loader)
    assert tuple(images.shape) == (4, 2, 2, 3)
    assert labels.tolist() == [1, 2, 3, 4]
