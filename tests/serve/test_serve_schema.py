"""What the OpenAPI document allows, and what it does not: answered or refused as it says, never a 500."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import served_app

from serve.config import ServeConfig
from student.config import StudentConfig

pytestmark = pytest.mark.slow
HOST = {"Host": "localhost"}
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="session")
def interface(student: StudentConfig) -> Any:
    config = ServeConfig(models_under=str(Path(student.path).parent))
    return schemathesis.openapi.from_asgi("/openapi.json", served_app(student, config), headers=HOST)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_interface_does_what_its_document_says(interface: Any, mode: GenerationMode) -> None:
    operations = [found.ok() for found in interface.get_all_operations()]
    assert len(operations) >= 12
    for operation in operations:

        @settings(max_examples=20, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def fuzzed(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers=HOST)

        try:
            fuzzed()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "a route without input has no wrong input"
