"""One shard: outcomes of reading pass through, images are pulled one by one."""

import io
import tracemalloc

from PIL import Image

from chaffinch.compute.shard import measure_shard
from chaffinch.records import Fetched, SampleRef
from chaffinch.settings import MeasureSettings

FULL = MeasureSettings()


def ref(rel_path: str, *, size_bytes: int = -1, member: str = "") -> SampleRef:
    return SampleRef(
        split="all", rel_path=rel_path, image_path=rel_path, uri="", member=member, given_label=None,
        source_id=None, size_bytes=size_bytes, stamp="",
    )  # fmt: skip


def encoded(container: str) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, container)
    return buffer.getvalue()


def test_measure_shard__keeps_the_order_and_the_outcome_of_reading() -> None:
    fetched = [
        Fetched(ref("a.jpg"), encoded("JPEG"), "ok", None),
        Fetched(ref("b.jpg"), None, "missing", "no such file"),
        Fetched(ref("c.jpg", size_bytes=7), None, "broken", "permission denied"),
        Fetched(ref("d.jpg"), b"", "ok", None),
    ]
    got = measure_shard(fetched, FULL)
    assert [m.outcome for m in got] == ["ok", "missing", "broken", "broken"]
    assert [m.size_bytes for m in got] == [len(fetched[0].data or b""), None, 7, 0]
    assert [m.error for m in got[1:3]] == ["no such file", "permission denied"]


def test_measure_shard__takes_the_ending_of_a_member_before_that_of_the_path() -> None:
    data = encoded("TGA")
    got = measure_shard([Fetched(ref("x", member="d/x.TGA"), data, "ok", None)], FULL)
    assert (got[0].outcome, got[0].format) == ("ok", "TGA")


def test_measure_shard__holds_one_image_at_a_time() -> None:
    megabyte = 1 << 20
    fetched = (
        Fetched(ref(f"{number}.jpg"), encoded("JPEG") + bytes(4 * megabyte), "ok", None)
        for number in range(12)
    )
    measure_shard([Fetched(ref("first.jpg"), encoded("JPEG"), "ok", None)], FULL)
    tracemalloc.start()
    assert len(measure_shard(fetched, FULL)) == 12
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * megabyte
