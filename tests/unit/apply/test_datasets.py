from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chaffinch.errors import TableError, UsageError
from chaffinch.torch import CleanedDataset, clean_hf_dataset


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


@pytest.fixture
def hf(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dataset of five rows as `datasets` has it, classes cat and dog by turns."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "id": datasets.Value("string"),
        }
    )
    rows = {"image": [gray(10 * i) for i in range(5)], "label": [0, 1, 0, 1, 0], "id": list("abcde")}
    return datasets.Dataset.from_dict(rows, features=features)


def test_clean_hf_dataset__leaves_out_and_relabels_and_keeps_the_features(hf: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("1\n900\n")
    (tmp_path / "map.json").write_text('{"2": "dog", "4": 1, "700": "dog"}')
    cleaned = clean_hf_dataset(hf, tmp_path / "list.txt", tmp_path / "map.json")
    assert [(row["id"], row["label"]) for row in cleaned] == [("a", 0), ("c", 1), ("d", 1), ("e", 1)]
    assert cleaned.features == hf.features
    assert cleaned.column_names == hf.column_names
    assert cleaned[1]["image"].getpixel((0, 0)) == 20
    assert [row["label"] for row in hf] == [0, 1, 0, 1, 0]


def test_clean_hf_dataset__by_a_column_of_ids_and_with_a_format(hf: Any) -> None:
    shown = hf.with_format("numpy", columns=["label"])
    cleaned = clean_hf_dataset(shown, ["a"], {"b": "cat"}, id_column="id")
    assert cleaned.format["type"] == "numpy"
    assert list(cleaned[0]) == ["label"]
    assert [int(row["label"]) for row in cleaned] == [0, 0, 1, 0]


def test_clean_hf_dataset__refuses_what_would_hit_the_wrong_rows(hf: Any) -> None:
    with pytest.raises(UsageError, match="is no row number"):
        clean_hf_dataset(hf, ["cat/a.png"], {})
    with pytest.raises(UsageError, match="'owl' is no class"):
        clean_hf_dataset(hf, [], {"0": "owl"})
    with pytest.raises(UsageError, match="no column 'labels'"):
        clean_hf_dataset(hf, [], {"0": "dog"}, label_column="labels")
    with pytest.raises(UsageError, match="several splits: train, val"):
        clean_hf_dataset({"train": hf, "val": hf}, [], {})
