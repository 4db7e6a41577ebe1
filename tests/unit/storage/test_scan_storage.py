"""Plan, shards and the published table, with made-up measurements."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.errors import IdentityError, WorkspaceError
from chaffinch.records import Measurement, SampleRef
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.plan import KnownSamples, Planner, ScanPlan, text_digests
from chaffinch.storage.samples import (
    read_thumbs,
    remove_unused_thumbs,
    rows_of_keys,
    settle_image_ids,
    thumb_places,
    write_samples,
)
from chaffinch.storage.shards import (
    forget_pending,
    pending_fingerprint,
    pending_plans,
    read_plan,
    shard_path,
    thumbs_path,
    write_shard,
)


def make_ref(name: str, *, split: str = "train", label: str | None = "cat", stamp: str = "1") -> SampleRef:
    return SampleRef(
        split=split,
        rel_path=name,
        image_path=f"data/{split}/{name}",
        uri=f"/data/{split}/{name}",
        member="",
        given_label=label,
        source_id=None,
        size_bytes=10,
        stamp=stamp,
    )


def made_up(ref: SampleRef) -> Measurement:
    text = f"{ref.rel_path} {ref.stamp}"
    if "broken" in ref.rel_path:
        return Measurement("broken", "cut off", size_bytes=3, bytes_digest="b" * 32)
    if "gone" in ref.rel_path:
        return Measurement("missing", "vanished while it was scanned")
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return Measurement(
        "ok",
        size_bytes=len(text),
        width=4,
        height=3,
        format="JPEG",
        mode="RGB",
        bytes_digest=digest,
        pixels_digest=digest,
        phash=int(digest[:16], 16),
        phash_d4=np.full(8, int(digest[:16], 16), dtype=np.uint64),
        micro=bytes(768),
        thumbnail=text.encode(),
    )


def plan_only(
    folder: WorkspaceFolder, refs: Iterable[SampleRef], *, shard_size: int = 3, trust: bool = True
) -> ScanPlan:
    planner = Planner.open(
        folder, folder.current(), fingerprint="f", shard_size=shard_size, trust_stamps=trust
    )
    return planner.plan(refs, on_listed=lambda n: None, extra_digest="")


def measure(folder: WorkspaceFolder, shards: list[int]) -> list[str]:
    measured = []
    for number in shards:
        sample_ids, refs = read_plan(folder, number)
        write_shard(folder, number, sample_ids=sample_ids, measurements=[made_up(r) for r in refs])
        measured += [r.rel_path for r in refs]
    return measured


def publish(folder: WorkspaceFolder, plan: ScanPlan) -> Generation:
    generation = replace(folder.current(), dataset="pets")
    tables = {"samples": write_samples(folder, generation, plan, ids=settle_image_ids(plan))}
    new = folder.publish(
        generation,
        n_samples=plan.n_samples,
        next_shard=plan.next_shard,
        listing_digest=plan.listing_digest,
        tables=tables,
    )
    remove_unused_thumbs(folder, new)
    forget_pending(folder)
    return new


def scan(folder: WorkspaceFolder, refs: Iterable[SampleRef]) -> tuple[Generation, list[str]]:
    plan = plan_only(folder, refs)
    measured = measure(folder, plan.shards)
    return publish(folder, plan), measured


def rows(folder: WorkspaceFolder) -> dict[str, dict[str, object]]:
    return {row["key"]: row for row in folder.read(folder.published(), "samples").to_pylist()}


@pytest.fixture
def folder(tmp_path: Path) -> WorkspaceFolder:
    return WorkspaceFolder.create(tmp_path / "ws")


def test_scan__publishes_one_row_per_image(folder: WorkspaceFolder) -> None:
    generation, measured = scan(folder, [make_ref(f"{i}.jpg") for i in range(7)])
    assert measured == [f"{i}.jpg" for i in range(7)]
    table = folder.read(generation, "samples")
    assert table.column("sample_id").to_pylist() == list(range(7))
    assert table.column("image_id").to_pylist() == list(range(7))
    assert table.column("split_row").to_pylist() == list(range(7))
    assert set(table.column("outcome").to_pylist()) == {"ok"}
    assert pending_plans(folder) == []


def test_rescan__measures_only_what_is_new_or_changed(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("a.jpg"), make_ref("b.jpg"), make_ref("c.jpg")])
    before = rows(folder)
    refs = [make_ref("a.jpg"), make_ref("b.jpg", stamp="2"), make_ref("bb.jpg"), make_ref("c.jpg")]
    _, measured = scan(folder, refs)
    after = rows(folder)
    assert measured == ["b.jpg", "bb.jpg"]
    assert {k: r["sample_id"] for k, r in after.items()} == {
        "train/a.jpg": 0,
        "train/b.jpg": 1,
        "train/c.jpg": 2,
        "train/bb.jpg": 3,
    }
    assert after["train/a.jpg"]["bytes_digest"] == before["train/a.jpg"]["bytes_digest"]
    assert after["train/b.jpg"]["bytes_digest"] != before["train/b.jpg"]["bytes_digest"]


def test_rescan__vanished_image_stays_as_missing_and_comes_back(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("a.jpg"), make_ref("b.jpg")])
    digest = rows(folder)["train/b.jpg"]["bytes_digest"]
    _, measured = scan(folder, [make_ref("a.jpg")])
    gone = rows(folder)["train/b.jpg"]
    assert (measured, gone["outcome"], gone["bytes_digest"], gone["sample_id"]) == ([], "missing", digest, 1)
    _, measured = scan(folder, [make_ref("a.jpg"), make_ref("b.jpg")])
    assert measured == ["b.jpg"]
    assert rows(folder)["train/b.jpg"]["outcome"] == "ok"


def test_rescan__unreadable_image_is_tried_again_and_a_broken_one_is_not(folder: WorkspaceFolder) -> None:
    refs = [make_ref("broken.jpg"), make_ref("gone.jpg"), make_ref("ok.jpg")]
    scan(folder, refs)
    _, measured = scan(folder, refs)
    assert measured == ["gone.jpg"]


def test_rescan__new_label_or_spelling_needs_no_measuring(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("a.jpg"), make_ref("b.jpg")])
    moved = [replace(make_ref("a.jpg", label="dog"), image_path="/abs/a.jpg"), make_ref("b.jpg")]
    generation, measured = scan(folder, moved)
    row = rows(folder)["train/a.jpg"]
    assert (measured, row["given_label"], row["image_path"]) == ([], "dog", "/abs/a.jpg")
    assert generation.number == 2


def test_plan__resumes_with_the_shards_that_are_missing(folder: WorkspaceFolder) -> None:
    refs = [make_ref(f"{i}.jpg") for i in range(8)]
    plan = plan_only(folder, refs)
    assert plan.shards == [0, 1, 2]
    measure(folder, [1])
    again = plan_only(folder, refs)
    assert again.shards == [0, 2]
    assert again.n_samples == 8
    measure(folder, again.shards)
    publish(folder, again)
    assert [r["sample_id"] for r in rows(folder).values()] == list(range(8))


def test_plan__resume_after_a_file_changed_measures_it_once_more(folder: WorkspaceFolder) -> None:
    refs = [make_ref("a.jpg"), make_ref("b.jpg")]
    measure(folder, plan_only(folder, refs).shards)
    _, measured = scan(folder, [make_ref("a.jpg", stamp="9"), make_ref("b.jpg")])
    assert measured == ["a.jpg"]
    expected = made_up(make_ref("a.jpg", stamp="9")).bytes_digest
    assert rows(folder)["train/a.jpg"]["bytes_digest"] == expected


def test_plan__listing_broken_off_keeps_the_shards_it_planned(folder: WorkspaceFolder) -> None:
    def cut_off() -> Iterable[SampleRef]:
        for i in range(5000):
            yield make_ref(f"{i}.jpg")
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        plan_only(folder, cut_off(), shard_size=1000)
    planned = pending_plans(folder)
    assert planned
    assert not list(folder.root.glob(".*.tmp"))
    plan = plan_only(folder, [make_ref(f"{i}.jpg") for i in range(5000)], shard_size=1000)
    assert plan.n_samples == 5000
    assert plan.shards[: len(planned)] == planned


def test_plan__image_that_vanished_before_it_was_published_leaves_no_row(folder: WorkspaceFolder) -> None:
    refs = [make_ref(f"{name}.jpg") for name in "abcdefg"]
    measure(folder, plan_only(folder, refs).shards[:1])
    plan = plan_only(folder, [*refs[1:2], *refs[3:], make_ref("h.jpg")])
    assert (plan.vanished, plan.n_samples) == ([], 6)
    measure(folder, plan.shards)
    publish(folder, plan)
    found = {key: (row["sample_id"], row["bytes_digest"]) for key, row in rows(folder).items()}
    expected = [make_ref(f"{name}.jpg") for name in "bdefgh"]
    assert found == {f"train/{r.rel_path}": (i, made_up(r).bytes_digest) for i, r in enumerate(expected)}


def test_plan__list_that_failed_half_way_leaves_nothing_once_corrected(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("old.jpg")])

    def broken_list() -> Iterable[SampleRef]:
        yield make_ref("old.jpg")
        for i in range(3000):
            yield make_ref(f"wrong/{i}.jpg")
        raise OSError("row 3002")

    with pytest.raises(OSError, match="row 3002"):
        plan_only(folder, broken_list())
    scan(folder, [make_ref("old.jpg"), make_ref("right.jpg")])
    assert {k: r["sample_id"] for k, r in rows(folder).items()} == {"train/old.jpg": 0, "train/right.jpg": 1}


def test_known_samples__the_later_entry_of_a_key_counts() -> None:
    known = KnownSamples(3)
    known.put(["train/b", "train/a"], ["1", "1"], np.array([7, 8]))
    known.put(["train/b"], ["2"], np.array([9]))
    known.settle()
    assert len(known) == 2
    ids, same = known.look_up(text_digests(["train/a", "train/b", "train/c"]), ["1", "1", "1"])
    assert (ids.tolist(), same.tolist()) == ([8, 9, -1], [True, False, False])


def test_known_samples__take_little_memory() -> None:
    n, block = 100_000, 5_000
    tracemalloc.start()
    known = KnownSamples(n)
    for start in range(0, n, block):
        names = [f"train/{number}" for number in range(start, start + block)]
        known.put(names, names, np.arange(start, start + block))
    known.settle()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 75 * n


def test_plan__same_key_twice_is_refused(folder: WorkspaceFolder) -> None:
    with pytest.raises(IdentityError, match=r"train/a\.jpg"):
        plan_only(folder, [make_ref("a.jpg"), make_ref("a.jpg")])


def test_plan__same_key_in_far_apart_places_is_refused(folder: WorkspaceFolder) -> None:
    refs = [make_ref(f"{i}.jpg") for i in range(3000)]
    with pytest.raises(IdentityError, match="twice"):
        plan_only(folder, [*refs, refs[0]])


def test_plan__untrusted_stamps_measure_all_again_under_the_same_numbers(folder: WorkspaceFolder) -> None:
    refs = [make_ref("a.jpg"), make_ref("b.jpg")]
    scan(folder, refs)
    plan = plan_only(folder, refs, trust=False)
    assert measure(folder, plan.shards) == ["a.jpg", "b.jpg"]
    assert (plan.n_samples, plan.n_new, plan.n_changed) == (2, 0, 2)


def test_plan__digest_follows_order_and_content(folder: WorkspaceFolder) -> None:
    a, b = make_ref("a.jpg"), make_ref("b.jpg")
    digests = [plan_only(folder, refs).listing_digest for refs in ([a, b], [b, a], [a, b], [a])]
    assert digests[0] == digests[2]
    assert len(set(digests)) == 3


def test_pending_fingerprint__is_that_of_the_plan(folder: WorkspaceFolder) -> None:
    assert pending_fingerprint(folder) is None
    plan_only(folder, [make_ref("a.jpg")])
    assert pending_fingerprint(folder) == "f"


def test_image_ids__later_split_continues_after_the_first(folder: WorkspaceFolder) -> None:
    refs = [
        make_ref(f"{i % 2}/{i}.jpg", split=split) for split, n in (("val", 2), ("train", 3)) for i in range(n)
    ]
    scan(folder, refs)
    ids = {key: (row["image_id"], row["split_row"]) for key, row in rows(folder).items()}
    assert ids == {
        "train/0/0.jpg": (0, 0),
        "train/1/1.jpg": (1, 1),
        "train/0/2.jpg": (2, 2),
        "val/0/0.jpg": (3, 0),
        "val/1/1.jpg": (4, 1),
    }


def test_image_ids__moved_file_takes_its_row_number_along(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("a/0.jpg"), make_ref("a/1.jpg"), make_ref("b/2.jpg")])
    scan(folder, [make_ref("a/0.jpg"), make_ref("b/1.jpg"), make_ref("b/2.jpg")])
    ids = {key: (row["image_id"], row["split_row"]) for key, row in rows(folder).items()}
    assert ids == {
        "train/a/0.jpg": (0, 0),
        "train/a/1.jpg": (1, 1),
        "train/b/1.jpg": (1, 1),
        "train/b/2.jpg": (2, 2),
    }


def test_image_ids__a_vanished_name_keeps_the_column_text(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("0.jpg"), make_ref("1.jpg"), make_ref("notes.jpg", split="val")])
    assert rows(folder)["train/0.jpg"]["image_id"] == "0"
    scan(folder, [make_ref("0.jpg"), make_ref("1.jpg"), make_ref("0.jpg", split="val")])
    ids = {key: row["image_id"] for key, row in rows(folder).items()}
    assert ids == {"train/0.jpg": "0", "train/1.jpg": "1", "val/0.jpg": "2", "val/notes.jpg": "notes.jpg"}


def test_read_thumbs__gives_each_sample_its_own(folder: WorkspaceFolder) -> None:
    names = ["a.jpg", "broken.jpg", "c.jpg", "d.jpg", "e.jpg"]
    generation, _ = scan(folder, [make_ref(n) for n in names])
    thumbs = read_thumbs(folder, thumb_places(folder, generation), np.array([4, 1, 0]))
    assert thumbs == [b"e.jpg 1", None, b"a.jpg 1"]


def test_remove_unused_thumbs__drops_only_blobs_that_nobody_needs(folder: WorkspaceFolder) -> None:
    scan(folder, [make_ref("a.jpg")])
    assert thumbs_path(folder, 0).exists()
    scan(folder, [make_ref("a.jpg", stamp="2")])
    assert not thumbs_path(folder, 0).exists()
    assert thumbs_path(folder, 1).exists()


def test_write_shard__without_thumbnails_leaves_no_blob(folder: WorkspaceFolder) -> None:
    plan_only(folder, [make_ref("broken.jpg")])
    write_shard(folder, 0, sample_ids=[0], measurements=[made_up(make_ref("broken.jpg"))])
    assert shard_path(folder, 0).exists()
    assert not thumbs_path(folder, 0).exists()


def test_publish__keeps_the_files_of_the_generation_before(folder: WorkspaceFolder) -> None:
    first, _ = scan(folder, [make_ref("a.jpg")])
    second, _ = scan(folder, [make_ref("a.jpg"), make_ref("b.jpg")])
    assert len(folder.read(first, "samples")) == 1
    scan(folder, [make_ref("a.jpg")])
    assert not folder.files(first, "samples")[0].exists()
    assert len(folder.read(second, "samples")) == 2


def test_published_table__carries_name_version_and_dataset(folder: WorkspaceFolder) -> None:
    generation, _ = scan(folder, [make_ref("a.jpg")])
    metadata = pq.read_schema(folder.files(generation, "samples")[0]).metadata
    assert metadata[b"chaffinch.table"] == b"samples"
    assert metadata[b"chaffinch.dataset"] == b"pets"
    assert metadata[b"chaffinch.version"] == b"1"


def test_create__refuses_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    with pytest.raises(WorkspaceError, match="not empty"):
        WorkspaceFolder.create(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_published__before_any_scan_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no chaffinch workspace"):
        WorkspaceFolder(tmp_path).published()
    with pytest.raises(WorkspaceError, match="no scan of this workspace has ended"):
        WorkspaceFolder.create(tmp_path / "ws").published()


def test_rows_of_keys__in_the_order_asked_for(folder: WorkspaceFolder) -> None:
    rows = {"sample_id": [0, 1, 2], "key": ["all/a", "all/b", "all/ü"]}
    paths = []
    for number, part in enumerate((pa.table(rows).slice(0, 2), pa.table(rows).slice(2))):
        paths.append(folder.root / f"part-{number}.parquet")
        pq.write_table(part, paths[-1])
    keys = ["all/ü", "all/x", "all/a", "all/ü"]
    assert rows_of_keys(paths, keys).tolist() == [2, -1, 0, 2]
    assert rows_of_keys(paths, []).tolist() == []
