"""One throw-away server for all tests of the store; a fresh database for each test that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rung.store.postgres import Store
from rung.store.scratch import Scratch, scratch


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[Scratch]:
    """A real embedded server."""
    async with scratch() as running:
        yield running


@pytest.fixture
async def store(server: Scratch) -> AsyncIterator[Store]:
    """A store on a database of its own."""
    async with server.store() as opened:
        yield opened
