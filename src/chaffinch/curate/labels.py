"""Labels that a decision may name: those of the class table, spelled as the given labels are."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TypeVar

import pyarrow.compute as pc

from chaffinch.curate.events import Saying
from chaffinch.errors import UsageError
from chaffinch.identity import ClassTable
from chaffinch.records import ClassEntry, Decision
from chaffinch.storage.folder import Generation, WorkspaceFolder

S = TypeVar("S", Saying, Decision)


class Labels:
    """The classes of a workspace's dataset, and how its given labels are spelled.

    Hugging Face datasets label by number and folders by name: a new label must be spelled as the given ones
    are, else a training script would meet two spellings of one class. A dataset without classes takes any.
    """

    def __init__(self, table: ClassTable, given_labels: frozenset[str]) -> None:
        self._table = table
        spellings = {
            "class_id": {e.class_id for e in table.entries},
            "name": {e.name for e in table.entries},
            "index": {str(e.index) for e in table.entries},
        }
        fits = (kind for kind, texts in spellings.items() if given_labels and given_labels <= texts)
        self._spelling = next(fits, "name")

    @classmethod
    def of(cls, folder: WorkspaceFolder, generation: Generation) -> Labels:
        """Read the classes and given labels of a workspace."""
        rows = folder.read(generation, "classes").to_pylist()
        given: set[str] = set()
        for batch in folder.batches(generation, "samples", columns=["given_label"], rows=1 << 16):
            given.update(pc.unique(batch.column(0)).to_pylist())
        return cls(ClassTable([ClassEntry(**row) for row in rows]), frozenset(given - {None}))

    def spelled(self, text: str) -> str | None:
        """Return a label as the given labels are spelled; None if it is no class, or could be several."""
        if not self._table.entries:
            return text
        entry = self._table.resolve(text)
        return None if entry is None else str(getattr(entry, self._spelling))

    def with_suggestion(self, said: S, suggested_label: str | None) -> S:
        """Return what was said with the label that is suggested, where it relabels without naming one."""
        if said.action != "relabel" or said.new_label is not None or suggested_label is None:
            return said
        return replace(said, new_label=self.spelled(suggested_label))

    def checked(self, text: str, *, where: str = "") -> str:
        """Return `spelled` of a label that a person named.

        Raises:
            UsageError: If it is no class, or could be several; names the likely ones.
        """
        label = self.spelled(text)
        if label is not None:
            return label
        same = [e.class_id for e in self._table.entries if text in (e.name, e.class_id)]
        if len(same) > 1:
            hint = f"give the id: {', '.join(same)}"
            raise UsageError(f"the label {text!r} could be several classes", where=where, hint=hint)
        names = [t for e in self._table.entries for t in dict.fromkeys((e.name, e.class_id))]
        close = difflib.get_close_matches(text, names, 3, 0.5)
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"there are {len(names):,} classes, such as {', '.join(names[:5])}"
        )
        raise UsageError(f"the label {text!r} is no class of this dataset", where=where, hint=hint)
