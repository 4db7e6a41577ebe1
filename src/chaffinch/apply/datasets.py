"""Datasets for training: another dataset without what was removed, and with the labels that go out.

They read what `chaffinch resolve` and `chaffinch apply` wrote. Nothing here needs torch: whatever has a
length and items is a map-style dataset to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from chaffinch.errors import TableError, UsageError
from chaffinch.identity import is_canonical_int


class IndexedDataset(Protocol):
    """Anything that has a length and items by number: of Hugging Face, of torchvision, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class CleanedDataset:
    """A dataset without the removed samples and with corrected labels; drop-in for the guide's class.

    A sample is known by its row number in `dataset`. Each item is a pair of the image, as RGB, and its label.

    >>> CleanedDataset(train, "birds_removal_list.txt", "birds_relabel_map.json")  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: IndexedDataset,
        removal_ids: Collection[int | str] | str | Path,
        relabel_map: Mapping[str, Any] | Mapping[int, Any] | str | Path,
        *,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        """Leave out and relabel.

        Args:
            dataset: Its items are mappings with `image` and `label`, or begin with image and label.
            removal_ids: Row numbers, or the path of a list with one a line.
            relabel_map: New label by row number, or the path of a JSON file.
            transform: Called on each image.

        Raises:
            UsageError: If an id is no row number.
            TableError: If the relabel map is no JSON object.
        """
        self.dataset = dataset
        self.removal_ids = _row_numbers(_removal_list(removal_ids), where="removal_ids")
        labels = _relabel_map(relabel_map)
        _row_numbers(labels, where="relabel_map")
        self.relabel_map = {int(row): label for row, label in labels.items()}
        self.transform = transform
        self.valid_indices = [i for i in range(len(dataset)) if i not in self.removal_ids]

    def __len__(self) -> int:
        return len(self.valid_indices)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = self.valid_indices[index]
        sample = self.dataset[row]
        keys = ("image", "label") if isinstance(sample, Mapping) else (0, 1)
        image, given = sample[keys[0]], sample[keys[1]]
        # What is no picture of Pillow, such as a tensor, was made so on purpose.
        image = image.convert("RGB") if hasattr(image, "convert") else image
        if self.transform is not None:
            image = self.transform(image)
        return image, self.relabel_map.get(row, given)


def _removal_list(removal_ids: Collection[int | str] | str | Path) -> Collection[int | str]:
    if not isinstance(removal_ids, str | Path):
        return removal_ids
    return [line for line in Path(removal_ids).read_text(encoding="utf-8").split("\n") if line]


def _relabel_map(relabel_map: Mapping[Any, Any] | str | Path) -> Mapping[Any, Any]:
    if not isinstance(relabel_map, str | Path):
        return relabel_map
    try:
        labels = json.loads(Path(relabel_map).read_text(encoding="utf-8"))
    except ValueError as error:
        raise TableError(f"is no JSON: {error}", path=str(relabel_map)) from error
    if not isinstance(labels, dict):
        raise TableError("is no JSON object of ids and labels", path=str(relabel_map))
    return labels


def _row_numbers(ids: Collection[int | str], *, where: str) -> set[int]:
    for one in ids:
        if isinstance(one, str) and not is_canonical_int(one.strip()):
            raise UsageError(
                f"{one!r} is no row number",
                where=where,
                hint="for an image folder take <dataset>_<split>_removal_rows.txt",
            )
    return {int(one) for one in ids}
