from __future__ import annotations

import stat
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.errors import TableError
from chaffinch.formats.manifest_paths import ManifestRow, add_leaks_to_manifest, read_manifest_rows

HEADER = (
    "image_id,image_path,dataset,split,label,vl_flag_type,vl_confidence,vl_suggested_label,vl_reason,"
    "user_tags,user_action,new_label,reviewer_name,reviewed_at,notes"
)


def manifest_line(image: str, *, tags: str = "", action: str = "none", notes: str = "") -> str:
    return f'7,{image},photos,val,cat,,0.50,,"a, ""reason""",{tags},{action},,Saeed,,{notes}'


def guide_step_3_3(manifest: pd.DataFrame, leaking: set[str]) -> pd.DataFrame:
    """The users' guide, step 3.3, as it stands there."""

    def flag_leaks(row: pd.Series) -> object:
        if row["image_path"] in leaking:
            existing_tags = row["user_tags"] if pd.notna(row["user_tags"]) else ""
            return existing_tags + ",train_test_leak" if existing_tags else "train_test_leak"
        return row["user_tags"]

    manifest["user_tags"] = manifest.apply(flag_leaks, axis=1)
    manifest.loc[manifest["image_path"].isin(leaking), "user_action"] = "remove"
    return manifest


def test_read_manifest_rows__paths_splits_and_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('image_id,image_path,split\n1,"a\nb.jpg",val\n2,"c,""d"".jpg",\n', encoding="utf-8")
    assert list(read_manifest_rows(path)) == [
        ManifestRow(2, "a\nb.jpg", "val"),
        ManifestRow(3, 'c,"d".jpg', None),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_read_manifest_rows__as_spreadsheets_save_them(tmp_path: Path, delimiter: str, bom: str) -> None:
    path = tmp_path / "m.csv"
    lines = [["image_path", "notes"], ["ü.jpg", "x"], ["b.jpg", "y"]]
    text = bom + "".join(delimiter.join(line) + "\r\n" for line in lines)
    path.write_bytes(text.encode())
    assert [row.image_path for row in read_manifest_rows(path)] == ["ü.jpg", "b.jpg"]


def test_add_leaks__equals_the_guide(tmp_path: Path) -> None:
    path, output = tmp_path / "m.csv", tmp_path / "final.csv"
    lines = [
        HEADER,
        manifest_line("v/1.jpg"),
        manifest_line("v/2.jpg", tags='"duplicate_near,mislabel_confirmed"', action="relabel"),
        manifest_line("v/3.jpg", action="keep"),
        manifest_line("v/4.jpg", tags="mislabel_uncertain"),
    ]
    path.write_text("\n".join(lines) + "\n")
    leaking = {"v/1.jpg", "v/2.jpg", "v/4.jpg"}
    added = add_leaks_to_manifest(path, leaking, output=output)
    assert (added.n_rows, added.n_leaking, added.n_changed, added.n_without_row) == (4, 3, 3, 0)
    ours, theirs = pd.read_csv(output), guide_step_3_3(pd.read_csv(path), leaking)
    pd.testing.assert_frame_equal(ours, theirs)
    assert ours["user_tags"].fillna("").tolist() == [
        "train_test_leak",
        "duplicate_near,mislabel_confirmed,train_test_leak",
        "",
        "mislabel_uncertain,train_test_leak",
    ]


def test_add_leaks__other_rows_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    untouched = b'"1","v/1.jpg",  ,none,"caf\xe9\r\nau lait"\r\n'
    path.write_bytes(
        b"\xef\xbb\xbfimage_id,image_path,user_tags,user_action,extra\r\n"
        + untouched
        + b'2,v/2.jpg,"",none,"line one\nline two\r"\r\n\r\n'
        + untouched.rstrip()
    )
    add_leaks_to_manifest(path, ["v/2.jpg"])
    assert path.read_bytes() == (
        b"\xef\xbb\xbfimage_id,image_path,user_tags,user_action,extra\r\n"
        + untouched
        + b'2,v/2.jpg,train_test_leak,remove,"line one\nline two\r"\r\n\r\n'
        + untouched.rstrip()
    )


def test_add_leaks__a_persons_keep_is_left_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"{HEADER}\n{manifest_line('v/1.jpg', tags='outlier_valid', action='keep')}\n")
    before = path.read_bytes()
    added = add_leaks_to_manifest(path, {"v/1.jpg", "v/absent.jpg"})
    assert [(row.row, row.image_path) for row in added.kept] == [(2, "v/1.jpg")]
    assert (added.n_leaking, added.n_changed, added.n_without_row) == (1, 0, 1)
    assert path.read_bytes() == before


def test_add_leaks__keeps_the_files_permissions(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"{HEADER}\n{manifest_line('v/1.jpg')}\n")
    path.chmod(0o640)
    add_leaks_to_manifest(path, {"v/1.jpg"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(
    st.lists(st.tuples(fields, st.sampled_from(["", "nan", "keep", "train_test_leak", "a, b"])), max_size=6),
    st.sets(fields),
)
def test_add_leaks__twice_is_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], leaking: set[str]
) -> None:
    path = tmp_path_factory.mktemp("m") / "m.csv"
    quoted = [(image.replace('"', '""'), tags) for image, tags in rows]
    lines = [f'"{image}","{tags}",none,"{image}"\n' for image, tags in quoted]
    path.write_bytes(("image_path,user_tags,user_action,extra\n" + "".join(lines)).encode())
    first = add_leaks_to_manifest(path, leaking)
    once = path.read_bytes()
    assert first.n_changed == sum(image in leaking for image, _ in rows)
    assert add_leaks_to_manifest(path, leaking).n_changed == 0 and path.read_bytes() == once
    assert [row.image_path for row in read_manifest_rows(path)] == [image for image, _ in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image_id,user_tags,user_action\n",
            "row 1 column 'image_path': is missing; the columns are image_id,",
        ),
        ("image_path,user_action\n", "row 1 column 'user_tags': is missing"),
        ("image_path,user_tags,user_tags,user_action\n", "column 'user_tags': is there more than once"),
        ("image_path,user_tags,user_action\na,,none\nb,none\n", "row 3: has 2 fields where the header has 3"),
        ('image_path,user_tags,user_action\na,,none\n"b,,none\n', "row 3: cannot be read as CSV"),
        ("", "row 1 column 'image_path': is missing"),
    ],
)
def test_add_leaks__broken_manifest_is_named_and_left(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(TableError) as caught:
        add_leaks_to_manifest(path, {"a"})
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert path.read_text() == text and [p.name for p in tmp_path.iterdir()] == ["m.csv"]


def test_add_leaks__through_a_link_writes_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("image_path,user_tags,user_action\nv/1.jpg,,none\n")
    (tmp_path / "link.csv").symlink_to("real.csv")
    add_leaks_to_manifest(tmp_path / "link.csv", ["v/1.jpg"])
    assert (tmp_path / "link.csv").is_symlink()
    assert "train_test_leak" in (tmp_path / "real.csv").read_text()
