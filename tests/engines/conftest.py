from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.embedded import EmbeddedBroker
from dskity.broker.engines.listen import Listen

Ours: TypeAlias = type[EmbeddedBroker | BuiltinBroker]

OURS: dict[str, Ours] = {
    "amqtt": EmbeddedBroker,
    "builtin": BuiltinBroker,
}


@pytest.fixture(params=OURS)
def make(request: pytest.FixtureRequest) -> Ours:
    """Each of the engines that run in our process."""
    return OURS[request.param]


@contextlib.asynccontextmanager
async def running(engine: EmbeddedBroker | BuiltinBroker) -> AsyncIterator[int]:
    """The port of an engine, while it runs."""
    await engine.start()
    try:
        yield urlsplit(engine.url).port or 0
    finally:
        await engine.stop()


@pytest.fixture
async def amqtt_port() -> AsyncIterator[int]:
    """The port of an amqtt that runs for the test."""
    async with running(EmbeddedBroker(Listen(port=0))) as port:
        yield port


@pytest.fixture(params=OURS)
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """The port of each broker that runs in our process."""
    async with running(OURS[request.param](Listen(port=0))) as port:
        yield port
