"""A broker that says no to a subscription."""

from __future__ import annotations

import logging

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.builtin.server import Rules
from dskity.broker.engines.listen import Listen
from dskity.broker.settings import ConnectionSettings
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused
from dskity.bus.link import Link
from dskity.bus.message import Message
from tests.waiting import until


async def test_a_refused_subscription_is_an_error_and_the_others_stand(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At once while connected; in the log where it was made before, as nobody waits then."""
    broker = BuiltinBroker(Listen(port=0), rules=Rules(max_filters=1))
    await broker.start()
    received: list[Delivery] = []
    transport = AiomqttTransport(ConnectionSettings(broker.url, "box", protocol="3.1.1"))
    await transport.subscribe("open/early", 1, 1)
    await transport.subscribe("secret/early", 1, 2)
    with caplog.at_level(logging.ERROR, "dskity.mqtt"):
        await transport.start(received.append, Link())
        await until(lambda: transport.connected, "it connects all the same")
    assert "refused the subscription to 'secret/early'" in caplog.text
    with pytest.raises(BrokerRefused, match="'secret/late'") as refused:
        await transport.subscribe("secret/late", 1, 3)
    assert refused.value.reason_code == 0x80
    await transport.publish(Message("open/early"))
    await until(lambda: received, "the one that stands")
    await transport.close()
    await broker.stop()
