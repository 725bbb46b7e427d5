from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.listen import Listen

Ours: TypeAlias = type[AmqttBroker | BuiltinBroker]

OURS: dict[str, Ours] = {
    "amqtt": AmqttBroker,
    "builtin": BuiltinBroker,
}


@pytest.fixture(params=OURS)
def make(request: pytest.FixtureRequest) -> Ours:
    """Each of the engines that run in our process."""
    return OURS[request.param]


@contextlib.asynccontextmanager
async def running(engine: AmqttBroker | BuiltinBroker) -> AsyncIterator[int]:
    """The port of an engine, while it runs."""
    await engine.start()
    try:
        yield urlsplit(engine.url).port or 0
    finally:
        await engine.stop()


@pytest.fixture
async def amqtt_port() -> AsyncIterator[int]:
    """The port of an amqtt that runs for the test."""
    async with running(AmqttBroker(Listen(port=0))) as port:
        yield port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a built-in broker that runs for the test."""
    async with running(BuiltinBroker(Listen(port=0))) as port:
        yield port
