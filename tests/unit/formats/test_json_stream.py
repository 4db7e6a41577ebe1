"""The streamed list in a JSON file: items, other values, and where a file is at fault."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.errors import SourceError
from chaffinch.formats import json_stream
from chaffinch.formats.json_stream import JsonListReader

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def reader(text: str | bytes) -> JsonListReader:
    data = text.encode() if isinstance(text, str) else text
    return JsonListReader(io.BytesIO(data), where="e.json", list_key="media_items")


def fault(text: str | bytes) -> str:
    with pytest.raises(SourceError) as error:
        list(reader(text))
    return str(error.value).splitlines()[0]


@given(
    items=st.lists(VALUES, max_size=6), info=VALUES, indent=st.sampled_from([None, 1]), size=st.integers(1, 9)
)
def test_json_list_reader__gives_what_json_loads_gives(items, info, indent, size) -> None:
    text = json.dumps({"info": info, "media_items": items, "tail": 12}, indent=indent, ensure_ascii=False)
    before, json_stream.CHUNK_BYTES = json_stream.CHUNK_BYTES, size
    try:
        stream = reader(text.encode("utf-8", "surrogatepass") if text.isprintable() else text)
        assert list(stream) == items
    finally:
        json_stream.CHUNK_BYTES = before
    assert stream.top_level == {"info": info, "tail": 12}


def test_json_list_reader__takes_a_byte_order_mark() -> None:
    assert list(reader(b'\xef\xbb\xbf{"media_items": [1, 2]}')) == [1, 2]


@pytest.mark.parametrize("n_bytes", range(17, 55))
def test_json_list_reader__a_cut_off_file_names_its_end(n_bytes: int) -> None:
    text = '{"media_items": [{"id": "äx", "n": 1.5e3, "t": true}]}'.encode()
    assert len(text) == 55
    message = fault(text[:n_bytes])
    assert message.startswith("e.json: ")
    assert f"byte {n_bytes}" in message or "inside a character" in message


def test_json_list_reader__names_the_item() -> None:
    assert fault('{"media_items": [{"a": 1}, {"a" 2}]}') == (
        "e.json: not JSON at byte 32, in item 2 of 'media_items': Expecting ':' delimiter"
    )
    assert "in item 1 of 'media_items'" in fault('{"media_items": [{"a": 1} {"a": 2}]}')


def test_json_list_reader__names_what_is_there_instead_of_the_list() -> None:
    assert fault('{"info": {}, "items": []}') == (
        "e.json: has no list 'media_items'; at its top level are 'info', 'items'"
    )
    assert "'media_items'" in fault('{"media_items": 3}')


def test_json_list_reader__refuses_other_things() -> None:
    assert "does not begin with '{'" in fault("[1, 2]")
    assert "not UTF-8 near byte 17" in fault(b'{"media_items": [\xff]}')
    assert "goes on behind its end" in fault('{"media_items": []} x')
