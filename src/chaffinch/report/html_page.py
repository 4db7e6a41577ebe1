"""What every page that stands alone in one file needs: its assets inside, its policy, its texts escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from chaffinch.report.visible_text import visible


def asset(name: str) -> str:
    """Return a style or script that lies beside this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def escaped(content: str) -> str:
    """Return a text from a file, escaped for element or attribute, with nothing hidden in it."""
    return escape(visible(content), quote=True)


def value(content: str) -> str:
    """Return a text for an attribute that a script reads back, exactly as it is."""
    return escape(content, quote=True).replace("\r", "&#13;").replace("\n", "&#10;")


def picture_url(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def page_start(title: str, *, styles: Sequence[str], script: str, named: Mapping[str, str]) -> str:
    """Return everything up to the body: nothing may load, and only these styles and this script run.

    Args:
        title: Plain text.
        styles: Style sheets.
        script: The script that `page_end` puts in.
        named: Further `meta` elements, name to content.
    """
    style = "\n".join(styles)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    more = "".join(f'<meta name="{name}" content="{value(content)}">\n' for name, content in named.items())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n{more}'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def page_end(script: str) -> str:
    """Return the end of the page; '' as `script` puts none in."""
    return (f"<script>{script}</script>\n" if script else "") + "</body>\n</html>\n"


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
