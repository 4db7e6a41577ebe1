"""Streams the objects of one long list inside a JSON file, in bounded memory.

`{"info": {...}, "media_items": [{...}, {...}, ...]}` may hold millions of items: the standard library's
scanner takes one item at a time out of a text buffer that is refilled from the file. Memory is that of the
buffer and one item, whatever the size of the file.

Why not ijson: its C backend takes 1.2 times the CPU time on the same file, and its errors name neither byte
nor item (benchmarks/results/import_export.json).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from chaffinch.errors import SourceError

CHUNK_BYTES = 1 << 20
MAX_VALUE_CHARS = 1 << 26
"""A single value longer than this is taken for a fault of the file, not read to its end."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_BEGUN_WORD = re.compile(r"[\w+.\-\\]*")
"""A fault with only this behind it is the end of the file itself, perhaps inside a number or a word."""
_HINT = "export or fetch the file again; nothing of it was taken"


class JsonListReader:
    """The items of one list at the top of a JSON object; other top-level values are kept whole.

    Iterate once. `top_level` holds the other values met so far, and all of them once the iteration has ended.
    """

    def __init__(self, file: BinaryIO, *, where: str, list_key: str) -> None:
        """Read from `file`, which is UTF-8 with or without byte order mark.

        Args:
            file: Where to read.
            where: Its name, for messages.
            list_key: Name of the list.
        """
        self._file = file
        self._where = where
        self._list_key = list_key
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._n_bytes_read = 0
        self._is_ended = False
        self._n_items = 0
        self.top_level: dict[str, Any] = {}
        """Top-level values beside the list, by name."""

    def __iter__(self) -> Iterator[Any]:
        """Stream the items.

        Raises:
            SourceError: With byte and item where the file is cut off or no JSON, and with the names that are
                there where the list is missing.
        """
        if self._peek() != "{":
            raise self._fault("does not begin with '{', so it is no export of this kind")
        self._at += 1
        is_found = False
        while self._peek() == '"':
            name = self._value()
            self._take(":")
            if name == self._list_key and self._peek() == "[":
                is_found = True
                yield from self._items()
            else:
                self.top_level[str(name)] = self._value()
            if self._peek() == ",":
                self._at += 1
        self._take("}")
        if self._peek():
            raise self._fault("goes on behind its end")
        if not is_found:
            there = ", ".join(map(repr, self.top_level)) or "nothing"
            raise SourceError(
                f"has no list {self._list_key!r}; at its top level are {there}",
                where=self._where,
                hint="an export of schema 1.1 has 'info' and 'media_items'",
            )

    def _items(self) -> Iterator[Any]:
        self._at += 1
        while self._peek() != "]":
            self._n_items += 1
            yield self._value()
            mark = self._peek()
            self._at += mark == ","
            if mark not in (",", "]") or (mark == "," and self._peek() == "]"):
                raise self._fault("has neither ',' and an item nor ']' behind an item")
        self._at += 1

    def _take(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._fault(f"has no {mark!r} where one must be")
        self._at += 1

    def _peek(self) -> str:
        """Pass over blanks and return the next character, '' at the end."""
        while True:
            match = _BLANKS.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._refill():
                return ""

    def _value(self) -> Any:
        """Read one value, refilling while it is not whole."""
        self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                n_waiting = len(self._text) - self._at
                if n_waiting > MAX_VALUE_CHARS or not self._refill(n_waiting):
                    raise self._fault(error.msg, at=error.pos) from error
                continue
            # A number near the end of the buffer ("1.") may go on behind it.
            if _BEGUN_WORD.fullmatch(self._text, end) and self._refill():
                continue
            self._at = end
            return value

    def _refill(self, at_least: int = 0) -> bool:
        """Drop what was read and append more text; False at the end of the file."""
        if self._is_ended:
            return False
        data = self._file.read(max(CHUNK_BYTES, at_least))
        self._n_bytes_read += len(data)
        self._is_ended = not data
        try:
            more = self._decoder.decode(data, final=self._is_ended)
        except UnicodeDecodeError as error:
            if self._is_ended:
                raise self._fault("is cut off inside a character") from error
            at_byte = self._n_bytes_read - len(data) + error.start
            raise SourceError(f"not UTF-8 near byte {at_byte}", where=self._where, hint=_HINT) from error
        self._text = self._text[self._at :] + more
        self._at = 0
        return True

    def _fault(self, what: str, *, at: int | None = None) -> SourceError:
        """Say where the file is no JSON, or ends."""
        at = self._at if at is None else at
        is_begun_word = _BEGUN_WORD.fullmatch(self._text, at) is not None
        is_cut = self._is_ended and (is_begun_word or what.startswith("Unterminated"))
        n_left = len(self._text[at:].encode("utf-8", "surrogatepass"))
        pending = len(self._decoder.getstate()[0])
        at_byte = self._n_bytes_read - pending - n_left
        item = f", in item {self._n_items} of {self._list_key!r}" if self._n_items else ""
        if is_cut:
            what = f"the file is cut off: it ends at byte {self._n_bytes_read} inside a value"
            return SourceError(f"{what}{item}", where=self._where, hint=_HINT)
        return SourceError(f"not JSON at byte {at_byte}{item}: {what}", where=self._where, hint=_HINT)
