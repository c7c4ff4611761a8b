"""A student that is served in this process, for the tests of the playground."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from listening import running
from watching import Remembering, student_app


@pytest.fixture(scope="session")
def student() -> Remembering:
    return student_app()


@pytest.fixture(scope="session")
def student_url(student: Remembering) -> Iterator[str]:
    with running(student) as url:
        yield url
