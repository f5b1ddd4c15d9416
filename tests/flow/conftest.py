from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rung.testing import World, WorldMaker, worlds


@pytest.fixture(scope="session")
async def make_world() -> AsyncIterator[WorldMaker]:
    """One throw-away server for all worlds."""
    async with worlds() as make:
        yield make


@pytest.fixture
async def world(make_world: WorldMaker) -> AsyncIterator[World]:
    """A fresh world with the starter policy."""
    async with make_world() as made:
        yield made
