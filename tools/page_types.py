"""Print the types of what goes over the wire as TypeScript, from the review server's OpenAPI document.

`make api` writes them to web/src/data/api.ts; tests/contract/test_web.py holds that file against the server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
from chaffinch.serve.guard import Access

HEAD = """\
// What goes over the wire, as types; tools/page_types.py writes them from the server's OpenAPI document. To
// change them: src/chaffinch/serve/schema.py, then `make api`.
"""

WORDS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
"""JSON types that need no more than a word."""


def page_types() -> str:
    """Return the whole file."""
    # The document says what the routes take and give; no workspace is looked at for that.
    board = cast(Board, SimpleNamespace(data=None))
    document = create_app(board, page="", access=Access(frozenset(), 0)).openapi()
    schemas = document["components"]["schemas"]
    return "\n".join([HEAD, *(_interface(name, schemas[name]) for name in sorted(schemas))])


def _interface(name: str, schema: dict[str, Any]) -> str:
    return "\n".join([*_comment(schema, ""), f"export interface {name} {{", *_fields(schema), "}", ""])


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield from _comment(field, "  ")
        yield f"  readonly {name}{'' if name in required else '?'}: {_type(field)};"


def _comment(schema: dict[str, Any], indent: str) -> Iterator[str]:
    if "description" in schema:
        yield f"{indent}/** {' '.join(schema['description'].split())} */"


def _type(schema: dict[str, Any]) -> str:
    """Return a schema as a type; one that it cannot say is an error, since a guess would be a wrong type."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if schema.get("type") == "array":
        item = _type(schema["items"])
        return f"readonly ({item})[]" if " | " in item else f"readonly {item}[]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties", True)
        return f"Readonly<Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>>"
    return WORDS[schema["type"]] if schema.get("type") else "unknown"


if __name__ == "__main__":
    sys.stdout.write(page_types())
