"""Whatever the OpenAPI document allows, and much that it does not, is answered as the document says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode

from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
from chaffinch.serve.guard import LOOPBACK, Access
from chaffinch.serve.schema import MAX_ITEMS
from chaffinch.storage.decisions import open_log

ENDLESS = "/api/events"
"""News come as long as somebody listens; tests/integration/test_review_faults.py listens to them."""

CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
N_CASES = 20
"""Of each operation, valid ones, and as many others."""


def test_page__decides_about_as_many_as_the_server_takes() -> None:
    page = Path(__file__).parents[3] / "web" / "src" / "data" / "decisions.ts"
    assert f"MAX_ITEMS = {MAX_ITEMS:_};" in page.read_text(encoding="utf-8")


def faults_of(operation: Any, mode: GenerationMode) -> str:
    """Return what is wrong with the answers to requests of one operation; '' where nothing is."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=N_CASES,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def is_answered(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, headers={"host": "127.0.0.1:8000"})

    try:
        is_answered()
    except Unsatisfiable:
        return ""  # without parameters there is nothing that could be wrong
    except (FailureGroup, Failure) as failure:
        return f"{operation.label}, {mode.value}: {failure}"
    return ""


@pytest.mark.slow
def test_openapi__every_answer_is_as_the_document_says(board: Board, ws: Path) -> None:
    app = create_app(board, page="<html></html>", access=Access(LOOPBACK))
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers={"host": "127.0.0.1:8000"})
    operations = [found.ok() for found in schema.exclude(path=ENDLESS).get_all_operations()]
    assert len(operations) >= 14
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    assert list(filter(None, (faults_of(o, mode) for o in operations for mode in modes))) == []
    assert open_log(ws).audit().is_intact
