"""Datasets for training: another dataset without what was removed, and with the labels that go out.

They read what `chaffinch resolve` and `chaffinch apply` wrote. Nothing here needs torch: whatever has a
length and items is a map-style dataset to it. Nor is `datasets` imported: who has a dataset of it has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from chaffinch.errors import TableError, UsageError
from chaffinch.identity import is_canonical_int

if TYPE_CHECKING:
    from datasets import Dataset


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


def clean_hf_dataset(
    dataset: Dataset,
    removal_ids: Collection[int | str] | str | Path,
    relabel_map: Mapping[str, Any] | Mapping[int, Any] | str | Path,
    *,
    label_column: str = "label",
    id_column: str | None = None,
) -> Dataset:
    """Return a `datasets.Dataset` without the removed rows and with corrected labels; features stay.

    Pictures are neither decoded nor copied. Ids that the dataset does not have are passed over: the list of
    a whole dataset also names rows of other splits. For a split other than the first take its own lists,
    ``<dataset>_<split>_removal_list.txt`` and ``<dataset>_<split>_relabel_map.json``.

    >>> clean_hf_dataset(train, "birds_removal_list.txt", "birds_relabel_map.json")  # doctest: +SKIP

    Args:
        dataset: One split.
        removal_ids: Ids, or the path of a list with one a line.
        relabel_map: New label by id, or the path of a JSON file: a class's number or name.
        label_column: Where the labels are.
        id_column: Column with the ids; None: an id is a row number.

    Raises:
        UsageError: If there is no such column, an id is no row number, a label is no class, or several
            splits are given at once.
        TableError: If the relabel map is no JSON object.

    Cost: reads the columns of labels and ids; memory of about 100 bytes a row.
    """
    if isinstance(dataset, Mapping):
        hint = (
            "clean each with its own lists: clean_hf_dataset(data['val'], 'birds_val_removal_list.txt', ...)"
        )
        raise UsageError(f"there are several splits: {', '.join(dataset)}", where="dataset", hint=hint)
    removed, labels = _removal_list(removal_ids), _relabel_map(relabel_map)
    ids: Sequence[Any] = range(len(dataset)) if id_column is None else _column(dataset, id_column)
    if id_column is None:
        wanted = _row_numbers(removed, where="removal_ids")
        _row_numbers(labels, where="relabel_map")
        new: dict[Any, Any] = {int(one): label for one, label in labels.items()}
    else:
        # A number in the dataset is a text in the JSON.
        ids, wanted = list(map(str, ids)), set(map(str, removed))
        new = {str(one): label for one, label in labels.items()}
    cleaned = _relabelled(dataset, [new.get(one) for one in ids], label_column) if new else dataset
    return cleaned.select([row for row, one in enumerate(ids) if one not in wanted])


def _relabelled(dataset: Dataset, new: Sequence[Any], column: str) -> Dataset:
    """Put new labels, None for those that stay, into the dataset."""
    given, kind, shown = _column(dataset, column), dataset.features[column], dataset.format
    labels = [old if label is None else _encoded(label, kind) for old, label in zip(given, new, strict=True)]
    plain = dataset.with_format(None)
    changed = plain.remove_columns(column).add_column(column, labels, feature=kind)
    changed = changed.select_columns(plain.column_names)
    if shown["type"] is None:
        return changed
    return changed.with_format(
        shown["type"], shown["columns"], shown["output_all_columns"], **shown["format_kwargs"]
    )


def _column(dataset: Dataset, name: str) -> list[Any]:
    if name not in dataset.column_names:
        columns = ", ".join(dataset.column_names)
        raise UsageError(f"there is no column {name!r}", where="dataset", hint=f"it has {columns}")
    values: list[Any] = dataset.select_columns([name]).with_format("arrow")[:].column(name).to_pylist()
    return values


def _encoded(label: Any, kind: Any) -> Any:
    """Return a label as its column holds it: a class's number, else as it is."""
    names = getattr(kind, "names", None)
    if names is None:
        return int(label) if str(kind.dtype).startswith(("int", "uint")) else str(label)
    # A number is one, also where classes are called by numbers; a text is a name first.
    if isinstance(label, str) and label in names:
        return names.index(label)
    if is_canonical_int(str(label)) and int(label) < len(names):
        return int(label)
    raise UsageError(
        f"{label!r} is no class of the dataset", where="relabel_map", hint=f"such as {names[0]!r}"
    )


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


def _row_numbers(ids: Collection[int | str], *, where: str) -> set[Any]:
    for one in ids:
        if isinstance(one, str) and not is_canonical_int(one.strip()):
            raise UsageError(
                f"{one!r} is no row number",
                where=where,
                hint="for an image folder take <dataset>_<split>_removal_rows.txt",
            )
    return {int(one) for one in ids}
