"""`chaffinch vl` against a server on this machine that behaves, and misbehaves, as the real one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

DATASET = "9378d384-c39a-11f0-9df2-d6a6b06514ba"
FAST = ("--poll-interval", "0.02")


def names(n: int) -> list[str]:
    return [f"image-{i:03}" for i in range(n)]


def split_in(ids: list[str], size: int, prefix: str) -> dict[str, list[str]]:
    return {f"{prefix}{i // size}": ids[i : i + size] for i in range(0, len(ids), size)}


def exported(path: Path) -> dict[str, Any]:
    """Read an export and check what each must have."""
    export: dict[str, Any] = json.loads(path.read_text())
    ids = [item["media_id"] for item in export["media_items"]]
    assert len(ids) == len(set(ids)) == export["info"]["total_media_items"]
    assert export["info"]["schema_version"] == "1.1"
    assert all(len(item["metadata_items"]) == 2 for item in export["media_items"])
    return export


def ids_of(path: Path) -> list[str]:
    return sorted(item["media_id"] for item in exported(path)["media_items"])


# ----------------------------------------------------------------------------------- upload and status


def test_upload__prints_the_id_alone(visual_layer, run) -> None:
    status, out, _ = run("vl", "upload", "--name", "imagenet1k", "--bucket", "s3://bucket/imagenet")
    assert (status, out) == (0, f"{DATASET}\n")
    assert visual_layer.requests == ["POST /api/v1/dataset"]
    (claims,) = visual_layer.claims
    assert (claims["sub"], claims["kid"], claims["iss"]) == ("key-of-the-test", "key-of-the-test", "sdk")
    assert 0 < claims["exp"] - claims["iat"] <= 3600


def test_upload__an_on_premises_server_is_asked_to_process_a_folder(visual_layer, run) -> None:
    visual_layer.has_form = False
    assert run("vl", "upload", "--name", "coco", "--bucket", "/data/coco")[:2] == (0, "12345\n")
    assert visual_layer.requests[-1] == "GET /api/v1/process?path=%2Fdata%2Fcoco&name=coco"


def test_upload__a_connection_that_breaks_is_not_tried_again(visual_layer, run, fault) -> None:
    visual_layer.faults.append(fault("/dataset", is_reset=True))
    status, out, err = run("vl", "upload", "--name", "coco", "--bucket", "b")
    assert (status, out) == (1, "")
    assert "may have done" in err
    assert visual_layer.count("POST") == 1


def test_status__waits_until_ready(visual_layer, run) -> None:
    visual_layer.statuses.extend(["INDEXING", "ENRICHING", "READY"])
    visual_layer.statuses.popleft()
    status, out, err = run("vl", "status", DATASET, "--wait", *FAST)
    assert (status, out) == (0, "READY\n")
    assert "INDEXING" in err


def test_status__without_waiting_says_how_far_it_is(visual_layer, run) -> None:
    visual_layer.statuses[0] = "INDEXING"
    assert run("vl", "status", DATASET) == (0, "INDEXING\n", "40 % done\n")


@pytest.mark.parametrize("words", [("status",), ("status", "--wait"), ("export", "--to", "never.json")])
def test_fatal_error__its_text_is_shown(visual_layer, run, words: tuple[str, ...]) -> None:
    visual_layer.statuses[0] = "FATAL_ERROR"
    status, out, err = run("vl", *words, DATASET)
    assert (status, out) == (1, "")
    assert "bucket is not public" in err
    assert not Path("never.json").exists()


def test_unknown_dataset__is_named(visual_layer, run, tmp_path: Path) -> None:
    for words in (("status",), ("export", "--to", tmp_path / "out.json")):
        status, _, err = run("vl", *words, "no-such-id")
        assert status == 1
        assert "'no-such-id'" in err
        assert "hint:" in err
    assert list(tmp_path.iterdir()) == []


# ----------------------------------------------------------------------------------------- credentials


def test_wrong_secret__two_requests_and_a_hint(visual_layer, run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("VL_API_SECRET", "not-the-secret-but-long-enough-to-sign")
    status, out, err = run("vl", "export", DATASET, "--to", tmp_path / "out.json")
    assert (status, out) == (1, "")
    assert "VL_API_SECRET" in err
    assert "not-the-secret" not in err
    assert len(visual_layer.requests) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", [("VL_API_KEY",), ("VL_API_SECRET",), ("VL_API_KEY", "VL_API_SECRET")])
def test_missing_variables__are_named(visual_layer, run, monkeypatch, missing: tuple[str, ...]) -> None:
    for name in missing:
        monkeypatch.delenv(name)
    status, _, err = run("vl", "status", DATASET)
    assert status == 2
    assert err.startswith(" and ".join(missing))
    assert visual_layer.requests == []


def test_credentials_file__only_if_nobody_else_reads_it(
    visual_layer, run, monkeypatch, tmp_path: Path
) -> None:
    file = tmp_path / "visual-layer.env"
    file.write_text(
        "# mine\nVL_API_KEY={VL_API_KEY}\nexport VL_API_SECRET='{VL_API_SECRET}'\n".format_map(os.environ)
    )
    monkeypatch.delenv("VL_API_KEY")
    monkeypatch.delenv("VL_API_SECRET")
    file.chmod(0o644)
    status, _, err = run("vl", "status", DATASET, "--credentials", file)
    assert status == 2
    assert "mode 644" in err
    assert f"hint: chmod 600 {file}" in err
    file.chmod(0o600)
    assert run("vl", "status", DATASET, "--credentials", file)[:2] == (0, "READY\n")


def test_token__is_renewed_when_the_server_takes_it_no_more(visual_layer, run, tmp_path: Path) -> None:
    visual_layer.media_ids = names(4)
    visual_layer.max_uses_of_token = 1
    assert run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)[0] == 0
    assert len(visual_layer.token_uses) > 3


# --------------------------------------------------------------------------------------- whole exports


@pytest.mark.parametrize("link", ["relative", "redirect", "store"])
@pytest.mark.parametrize("file_format", ["zip", "json", "parquet"])
def test_export__below_the_cap(visual_layer, run, tmp_path: Path, link: str, file_format: str) -> None:
    visual_layer.media_ids = [*names(5), "image-004"]
    visual_layer.link, visual_layer.file_format = link, file_format
    visual_layer.size_field = None
    target = tmp_path / "new" / "out.json"
    status, out, _ = run("vl", "export", DATASET, "--to", target, *FAST)
    assert (status, out) == (0, f"{target}: 5 media items\n")
    assert ids_of(target) == names(5)
    assert [path.name for path in target.parent.iterdir()] == ["out.json"]


def test_export__waits_for_the_dataset(visual_layer, run, tmp_path: Path) -> None:
    visual_layer.media_ids = names(2)
    visual_layer.statuses.appendleft("SAVING")
    assert run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)[0] == 0
    assert ids_of(tmp_path / "out.json") == names(2)


def test_export__gets_through_faults(visual_layer, run, fault, tmp_path: Path) -> None:
    visual_layer.media_ids = names(5)
    visual_layer.n_failing_exports = 1
    visual_layer.n_cut_downloads = 1
    visual_layer.faults.extend(
        [
            fault(f"/dataset/{DATASET}", status=429, headers={"Retry-After": "1"}),
            fault(f"/dataset/{DATASET}", body='{"id": "93'),
            fault("/export_context_async", status=503, body="<html>busy</html>"),
            fault("/export_context_async", is_reset=True),
            fault("/export_status", status=502),
            fault("/export_status", body="<html>gateway</html>"),
            fault("/files/", status=500),
        ]
    )
    began = time.monotonic()
    assert run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)[0] == 0
    assert 1.0 < time.monotonic() - began < 6
    assert ids_of(tmp_path / "out.json") == names(5)


def test_export__a_download_that_is_no_export_is_tried_again(
    visual_layer, run, fault, tmp_path: Path
) -> None:
    visual_layer.media_ids = names(3)
    visual_layer.link = "relative"
    visual_layer.faults.extend(
        [fault("/files/", body="<html>"), fault("/files/", status=403, body="expired")]
    )
    assert run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)[0] == 0
    assert len(visual_layer.exported) == 3


def test_export__a_server_that_always_fails_leaves_the_old_file(visual_layer, run, tmp_path: Path) -> None:
    visual_layer.media_ids = names(3)
    visual_layer.n_failing_exports = 99
    (tmp_path / "out.json").write_text("old")
    status, out, err = run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)
    assert (status, out) == (1, "")
    assert "a worker died" in err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.json", "old")]


def test_export__less_than_the_dataset_says_is_refused_unless_accepted(
    visual_layer, run, tmp_path: Path
) -> None:
    visual_layer.media_ids = [*names(3), "image-002"]
    target = tmp_path / "out.json"
    status, _, err = run("vl", "export", DATASET, "--to", target, *FAST)
    assert status == 1
    assert "1 of 4 media items could not be had" in err
    assert list(tmp_path.iterdir()) == []
    status, _, err = run("vl", "export", DATASET, "--to", target, "--accept-missing", *FAST)
    assert status == 0
    assert "written without them" in err
    assert ids_of(target) == names(3)


# --------------------------------------------------------------------------------------- split exports


@pytest.mark.parametrize("rejects_at_once", [True, False])
@pytest.mark.parametrize("tells_sizes_in_refusal", [True, False])
@pytest.mark.parametrize("size_field", ["n_images", None])
def test_export__over_the_cap_is_split(
    visual_layer,
    run,
    tmp_path: Path,
    rejects_at_once: bool,
    tells_sizes_in_refusal: bool,
    size_field: str | None,
) -> None:
    ids = names(40)
    visual_layer.media_ids, visual_layer.cap = ids, 10
    visual_layer.levels = [
        {"big": ids[:25], "small": ids[25:]},
        split_in(ids, 12, "b"),
        split_in(ids, 7, "c"),
    ]
    visual_layer.rejects_at_once = rejects_at_once
    visual_layer.tells_sizes_in_refusal = tells_sizes_in_refusal
    visual_layer.size_field = size_field
    status, out, _ = run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)
    assert status == 0
    # Without sizes in the refusal the coarser thresholds are tried first; one of their clusters fits.
    assert f"40 media items in {6 if tells_sizes_in_refusal else 7} parts" in out
    assert ids_of(tmp_path / "out.json") == ids
    assert visual_layer.count("offset=") + visual_layer.count("limit=") == 0


def test_export__clusters_that_overlap_and_miss_images_are_made_good(
    visual_layer, run, tmp_path: Path
) -> None:
    ids = names(30)
    visual_layer.media_ids, visual_layer.cap = ids, 10
    # The fine clusters overlap and leave out the last two; those are in a coarse cluster only.
    visual_layer.levels = [
        {"large": ids[:25], "rest": ids[25:]},
        {"a": ids[:9], "b": ids[5:14], "c": ids[14:24], "d": ids[24:28]},
    ]
    assert run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)[0] == 0
    assert ids_of(tmp_path / "out.json") == ids


def test_export__a_cluster_too_large_everywhere_is_divided_by_issue(
    visual_layer, run, tmp_path: Path
) -> None:
    ids = names(30)
    visual_layer.media_ids, visual_layer.cap, visual_layer.knows_vql = ids, 10, True
    visual_layer.levels = [{"a": ids[:24], "b": ids[24:]}]
    visual_layer.issues = {"duplicates": set(ids[:8]), "blur": set(ids[5:15])}
    assert run("vl", "export", DATASET, "--to", tmp_path / "out.json", *FAST)[0] == 0
    assert ids_of(tmp_path / "out.json") == ids
    # The small cluster; with duplicates; without: with mislabels (0), then with blur (7), and without (9).
    filters = [query.count('"mode"') for query in visual_layer.exported]
    assert filters == [0, 1, 2, 3, 4, 4]


def test_export__what_cannot_be_split_is_refused_and_resumed(visual_layer, run, tmp_path: Path) -> None:
    ids = names(30)
    visual_layer.media_ids, visual_layer.cap = ids, 10
    visual_layer.levels = [{"a": ids[:24], "b": ids[24:]}]
    target = tmp_path / "out.json"
    status, _, err = run("vl", "export", DATASET, "--to", target, *FAST)
    assert status == 1
    assert "24 of 30 media items could not be had; clusters over the server's cap at each threshold: 1" in err
    assert not target.exists()
    visual_layer.levels.append(split_in(ids, 10, "f"))
    visual_layer.exported.clear()
    status, _, err = run("vl", "export", DATASET, "--to", target, *FAST)
    assert status == 0
    assert "going on with 1 finished parts" in err
    assert ids_of(target) == ids
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_export__parts_of_another_dataset_are_not_mixed_in(visual_layer, run, tmp_path: Path) -> None:
    ids = names(30)
    visual_layer.media_ids, visual_layer.cap = ids, 10
    visual_layer.levels = [{"a": ids[:24], "b": ids[24:]}]
    target = tmp_path / "out.json"
    assert run("vl", "export", DATASET, "--to", target, *FAST)[0] == 1
    visual_layer.media_ids, visual_layer.cap = ["other-1", "other-2"], 100
    assert run("vl", "export", DATASET, "--to", target, *FAST)[0] == 0
    assert ids_of(target) == ["other-1", "other-2"]


def test_export__killed_goes_on_where_it_was(visual_layer, run, tmp_path: Path) -> None:
    ids = names(60)
    visual_layer.media_ids, visual_layer.cap = ids, 10
    visual_layer.levels = [{"all": ids}, split_in(ids, 10, "f")]
    target = tmp_path / "out.json"
    code = "from chaffinch.cli.main import run; run()"
    words = ["vl", "export", DATASET, "--to", str(target), "--poll-interval", "0.3"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while visual_layer.count("/files/") < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    before = [query for query in visual_layer.exported if "cluster_id" in query]
    status, _, err = run("vl", "export", DATASET, "--to", target, *FAST)
    assert status == 0
    assert "finished parts" in err
    assert ids_of(target) == ids
    again = [query for query in visual_layer.exported if "cluster_id" in query][len(before) :]
    assert len(set(before) & set(again)) <= 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_export__two_at_once_into_one_file(visual_layer, run, tmp_path: Path) -> None:
    from chaffinch.storage.lock import writer_lock

    folder = tmp_path / "out.json.parts"
    folder.mkdir()
    with writer_lock(folder):
        status, _, err = run("vl", "export", DATASET, "--to", tmp_path / "out.json")
    assert status == 1
    assert f"pid {os.getpid()}" in err
    assert folder.exists()


def test_export__a_target_that_is_no_json_file(visual_layer, run, tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "out.zip"):
        status, _, err = run("vl", "export", DATASET, "--to", target)
        assert status == 2
        assert "--to FILE.json" in err


def test_unreachable__ends_soon_with_the_address(visual_layer, run) -> None:
    status, _, err = run("vl", "status", DATASET, "--base-url", "http://127.0.0.1:9")
    assert status == 1
    assert "http://127.0.0.1:9" in err


def test_a_server_that_sends_the_secret_back(visual_layer, run, fault) -> None:
    secret = os.environ["VL_API_SECRET"]
    visual_layer.faults.append(fault("/dataset/", status=403, body=json.dumps({"detail": f"bad {secret}"})))
    status, _, err = run("vl", "status", DATASET)
    assert status == 1
    assert "bad [hidden]" in err


def test_api__redirected_to_another_host_sends_nothing_there(visual_layer, run, fault) -> None:
    location = {"Location": f"{visual_layer.store_url}/x"}
    visual_layer.faults.append(fault("/dataset/", status=301, headers=location))
    status, _, err = run("vl", "status", DATASET)
    assert status == 1
    assert "nothing was sent there" in err
