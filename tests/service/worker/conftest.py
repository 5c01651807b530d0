"""What slow trials of outages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.worker.own_server import Server, own_server


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL server of the test alone."""
    with own_server() as made:
        yield made
