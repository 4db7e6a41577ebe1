"""Texts made fit to be shown: counts, and names from files, which can neither break a line nor turn text."""

from __future__ import annotations

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Replace control, formatting and undecodable characters by escapes such as ``\\n`` and ``\\u202e``.

    Right-to-left overrides, zero-width characters and lone surrogates count among them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def counted(n: int, noun: str) -> str:
    """Spell a number of things: ``1 sample``, ``2,000 samples``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _escaped(character: str) -> str:
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
