"""Lists hold one id a line, and no id that would be read as two."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaffinch.apply.lists import ChangedSample, ListsSpec, write_lists
from chaffinch.errors import IdentityError

SPEC = ListsSpec("pets", ("all",), has_integer_labels=False, has_folder_rows=False, has_unique_ids=True)


def removed(image_id: str) -> ChangedSample:
    return ChangedSample(image_id, "all", None, None, None)


def test_write_lists__any_id_but_one_with_a_line_break(tmp_path: Path) -> None:
    write_lists(tmp_path, SPEC, [removed("cat/a b,c.jpg"), removed("cat/\u2028ü.jpg")])
    assert (tmp_path / "pets_removal_list.txt").read_text("utf-8") == "cat/a b,c.jpg\ncat/\u2028ü.jpg\n"
    for name in ("cat/a\nb.jpg", "cat/a\rb.jpg"):
        with pytest.raises(IdentityError, match=r"holds a line break"):
            write_lists(tmp_path, SPEC, [removed(name)])
    assert (tmp_path / "pets_removal_list.txt").read_text("utf-8").count("\n") == 2, "kept as it was"
