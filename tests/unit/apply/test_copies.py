from __future__ import annotations

from pathlib import Path

import pytest

from chaffinch.apply.artifacts import file_digest, read_checksums, release_files, write_checksums
from chaffinch.apply.copies import NamedPicture, class_folder, release_paths
from chaffinch.apply.swap import recover, replaced_folder


def named(key: str, given: str | None, label: str | None, kind: str | None = "PNG") -> NamedPicture:
    return NamedPicture(key, key.partition("/")[0], given, label, kind)


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("great auk", "great auk"),
        ("a/b", "a%2Fb"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("100%", "100%"),
        ("a%2Fb", "a%252Fb"),
    ],
)
def test_class_folder__holds_any_label(label: str, folder: str) -> None:
    assert class_folder(label) == folder


def test_release_paths__keep_names_apart() -> None:
    paths = release_paths(
        [
            named("train/a/1.png", "a", "b"),
            named("train/b/1.png", "b", "b"),
            named("train/b/deep/1.png", "b", "b"),
            named("train/x", "b", "b", "JPEG"),
            named("val/2.png", None, None),
        ]
    )
    assert paths["train/b/1.png"] == "images/train/b/1.png"
    assert paths["train/x"] == "images/train/b/x.jpg"
    assert paths["val/2.png"] == "images/val/2.png"
    assert len(set(paths.values())) == 5
    assert all(path.startswith("images/train/b/") for key, path in paths.items() if key.startswith("train"))


def test_checksums__hold_any_file_name(tmp_path: Path) -> None:
    for name in ("plain", "two\nlines", "back\\slash", "\\n", "caf\udce9"):
        (tmp_path / name).write_text(name, errors="surrogateescape")
    names = release_files(tmp_path)
    write_checksums(tmp_path, {})
    assert read_checksums(tmp_path) == {name: file_digest(tmp_path / name) for name in names}


def test_replaced_folder__failing_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(KeyError), replaced_folder(target) as folder:
        (folder / "new").write_text("new")
        raise KeyError
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "old"]


def test_recover__brings_back_what_was_taken_away(tmp_path: Path) -> None:
    (tmp_path / ".out.chaffinch-old").mkdir()
    (tmp_path / ".out.chaffinch-old" / "old").write_text("old")
    (tmp_path / ".out.chaffinch-new").mkdir()
    recover(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["old", "out"]
