"""One tree of errors, drawn at the top of errors.py, and every error raised through it."""

from __future__ import annotations

import inspect
import re

from chaffinch import errors
from chaffinch.errors import ChaffinchError

DRAWN = re.compile(r"^(?P<branch>[│ ]*[├└]── )?(?P<name>[A-Z]\w+Error)\b", re.MULTILINE)


def drawn_tree() -> dict[str, str | None]:
    """Return the parent of each class, as the picture in the module's docstring shows it."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for match in DRAWN.finditer(errors.__doc__ or ""):
        level = len(match["branch"] or "") // 4
        path[level:] = [match["name"]]
        parents[match["name"]] = path[level - 1] if level else None
    return parents


def coded_tree() -> dict[str, str | None]:
    """Return the parent of each class as coded."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
    return {c.__name__: None if c is ChaffinchError else c.__bases__[0].__name__ for c in classes}


def test_errors__tree_is_drawn_as_coded() -> None:
    assert drawn_tree() == coded_tree()


def test_errors__each_has_a_docstring_and_an_exit_status() -> None:
    for name in coded_tree():
        error = getattr(errors, name)
        assert inspect.getdoc(error), name
        assert error.exit_status in (1, 2), name
