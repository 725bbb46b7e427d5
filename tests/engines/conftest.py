from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.embedded import EmbeddedBroker
from dskity.broker.engines.listen import Listen


@pytest.fixture
async def amqtt_port() -> AsyncIterator[int]:
    """The port of an embedded broker that runs for the test."""
    engine = EmbeddedBroker(Listen(port=0))
    await engine.start()
    yield urlsplit(engine.url).port or 0
    await engine.stop()
