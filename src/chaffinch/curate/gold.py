"""Gold items: images whose right verdict is known, shown among the others without a mark.

How a reviewer does on them says how far their other verdicts can be trusted. They are read from a CSV with a
column `key` or `image_id`, `user_action` and, for `relabel`, `new_label`, as manifests have them, and kept in
the workspace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from chaffinch.curate.labels import Labels
from chaffinch.curate.state import Verdict
from chaffinch.curate.tagging import ID_COLUMNS
from chaffinch.curate.where import FindingsQuery, Selected
from chaffinch.errors import TableError, UsageError, WorkspaceError
from chaffinch.formats.export_table import ExportTable
from chaffinch.storage.files import write_json
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.taxonomy import ACTIONS, Action

GOLD = "gold.json"
"""The file of a workspace that holds them."""


@dataclass(frozen=True, slots=True)
class Right:
    """The right verdict on an image."""

    action: Action
    """keep, remove or relabel."""
    label: str | None = None
    """For relabel, spelled as the given labels are."""

    def is_said_by(self, verdict: Verdict) -> bool:
        """Tell whether a verdict is the right one."""
        return (verdict.action, verdict.new_label if verdict.action == "relabel" else None) == (
            self.action,
            self.label,
        )


def remembered_gold(root: Path) -> dict[str, Right]:
    """Return the right verdicts of a workspace by key.

    Raises:
        WorkspaceError: If the file that holds them is damaged.
    """
    path = root / GOLD
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return {key: Right(right["action"], right["label"]) for key, right in value.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "give the file to chaffinch review --gold again"
        raise WorkspaceError(f"cannot be read: {error}", where=str(path), hint=hint) from error


def remember_gold(root: Path, path: Path) -> dict[str, Right]:
    """Take the gold items of a file in place of those before; a file without rows takes them back.

    Raises:
        UsageError: If there is no such file.
        TableError: If a row cannot be used; nothing is changed then.
        WorkspaceError: If no scan has ended yet.
    """
    if not path.is_file():
        raise UsageError("there is no such file of gold items", where=str(path))
    gold = _read(root, path)
    value = {key: {"action": right.action, "label": right.label} for key, right in sorted(gold.items())}
    write_json(root / GOLD, value)
    return gold


def _read(root: Path, path: Path) -> dict[str, Right]:
    folder = WorkspaceFolder(root)
    generation = folder.published()
    labels = Labels.of(folder, generation)
    rows = list(_rows(path))
    with FindingsQuery(folder, generation, {}) as query:
        found = query.by_name([name for _, name, _, _ in rows])
    samples = _by_name(found.samples)
    return {
        _key(samples, name, path=path, row=row): _right(action, label, labels, where=(path, row))
        for row, name, action, label in rows
    }


def _rows(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Yield row number, key or image id, action and label of each row."""
    table = ExportTable(path, where=str(path))
    names = [name for name in ID_COLUMNS if name in table.columns]
    missing = "key" if not names else "user_action" if "user_action" not in table.columns else None
    if missing is not None:
        raise TableError(
            f"is missing; the columns are {', '.join(table.columns)}",
            path=str(path),
            row=1,
            column=missing,
            hint="gold items have a key or image_id, user_action and, for relabel, new_label",
        )
    wanted = (names[0], "user_action", "new_label")
    places = [table.columns.index(name) if name in table.columns else None for name in wanted]
    for row in table.rows():
        name, action, label = ("" if place is None else row.cells[place].strip() for place in places)
        yield row.number, name, action, label


def _by_name(samples: list[Selected]) -> Mapping[str, str]:
    """Return the key of each sample by image id and by key; the key goes first where both read alike."""
    return {sample.image_id: sample.key for sample in samples} | {s.key: s.key for s in samples}


def _key(samples: Mapping[str, str], name: str, *, path: Path, row: int) -> str:
    if name not in samples:
        raise TableError(
            "is the key or image id of no image, or of several",
            path=str(path),
            row=row,
            got=name,
            hint="chaffinch table samples -w WS --to FILE lists the keys",
        )
    return samples[name]


def _right(action: str, label: str, labels: Labels, *, where: tuple[Path, int]) -> Right:
    path, row = where
    if action not in ACTIONS or action == "none":
        what = "a gold item says keep, remove or relabel"
        raise TableError(what, path=str(path), row=row, column="user_action", got=action)
    if action != "relabel":
        return Right(cast("Action", action))
    if not label:
        what = "a gold item to be relabelled names the right label"
        raise TableError(what, path=str(path), row=row, column="new_label")
    return Right("relabel", labels.checked(label, where=f"{path} row {row}"))
