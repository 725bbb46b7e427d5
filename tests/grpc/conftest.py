from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.grpc.doors import Door, open_door


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A server that is open to this machine."""
    async with open_door() as door:
        yield door
