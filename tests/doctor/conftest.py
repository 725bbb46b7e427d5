"""An examination on real brokers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from amqtt.broker import Broker

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.probe import examination, experiments
from dskity.broker.probe.findings import Examination
from dskity.broker.settings import ConnectionSettings
from tests.servers import HOST, free_port


@dataclass(frozen=True)
class Examine:
    """What `MqttTransport.examine` says of the broker on a loopback port."""

    async def __call__(self, port: int, **settings: Any) -> Examination:
        given: dict[str, Any] = {"url": f"mqtt://{HOST}:{port}", "client_id": "examiner"}
        return await AiomqttTransport(ConnectionSettings(**(given | settings))).examine()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found out must not depend on how busy the machine is."""
    monkeypatch.setattr(examination, "PATIENCE", 30.0)
    monkeypatch.setattr(experiments, "COUNTING", 25.0)
    monkeypatch.setattr(experiments, "ALIVE_WITHIN", 5.0)


@pytest.fixture
def examine() -> Examine:
    """One of any broker."""
    return Examine()


@pytest.fixture
async def untamed() -> AsyncIterator[int]:
    """The port of an amqtt that we did not start."""
    port = free_port()
    plugin = "amqtt.plugins.authentication.AnonymousAuthPlugin"
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {plugin: {"allow_anonymous": True}},
        }
    )
    await broker.start()
    yield port
    await broker.shutdown()


def verdicts(examination: Examination) -> dict[str, str]:
    """By name, without the details."""
    return {finding.name: finding.verdict for finding in examination.findings}
