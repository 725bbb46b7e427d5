"""A broker that answers PINGREQ and acknowledges no publish holds nobody up for ever."""

from __future__ import annotations

import asyncio

import pytest

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.connection import connection
from dskity.broker.patience import run_out
from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.base.clock import VirtualClock
from dskity.bus.base.tasks import spawn
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected, Unacknowledged
from dskity.bus.link import Link
from dskity.bus.message import Message
from tests.broker.odd import PUBLISH, Line, OddBroker
from tests.faults import frames
from tests.servers import HOST
from tests.waiting import until


def _acknowledges_nothing(line: Line, data: bytes) -> bool:
    return frames.kind(data) == PUBLISH and line.client_id == "box-ctl"


def _nothing_comes(_: Delivery) -> None:
    """Nobody subscribes."""


@pytest.mark.parametrize("qos", [1, 2])
async def test_an_unacknowledged_publish_ends_its_connection_and_passes_on_the_next(
    qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told to the publisher and shown until the broker is back."""
    monkeypatch.setattr(connection, "INTERVALS", 0.5)
    async with OddBroker(_acknowledges_nothing).opened() as broker:
        transport = MqttTransport(
            ConnectionSettings(f"mqtt://{HOST}:{broker.port}", "box", keepalive=1, trial=False),
            AiomqttWire,
        )
        link = Link()
        reasons: list[str] = []
        link.watch(lambda connected, resumed: reasons.append(link.reason))
        await transport.start(_nothing_comes, link)
        try:
            await link.wait_connected(10)
            with pytest.raises(Unacknowledged, match="no acknowledgement"):
                async with asyncio.timeout(20):
                    await transport.publish(Message("t", b"1", qos))
            told = "no acknowledgement of a publish within 0.5 s"
            await until(lambda: told in reasons, "the reason")
            await until(lambda: transport.connected, "connected again")
            async with asyncio.timeout(20):
                await transport.publish(Message("t", b"2", 1))
            assert len(broker.of("box-ctl")) == 2
        finally:
            await transport.close()


class _Paper:
    """A wire with a publish that waits."""

    def __init__(self) -> None:
        self.oldest: object | None = None


async def test_a_broker_that_acknowledges_slowly_is_not_given_up() -> None:
    """What counts is one publish that waits, not that some always do."""
    clock, wire = VirtualClock(), _Paper()
    watch = spawn(run_out(wire, 60, clock), name="watch")  # type: ignore[arg-type]
    for _ in range(20):
        wire.oldest = object()
        await clock.advance(50)
    wire.oldest = None
    await clock.advance(500)
    assert not watch.done()
    wire.oldest = object()
    await clock.advance(70)
    await until(watch.done, "the end of patience")


def test_it_is_a_connection_that_is_not_there() -> None:
    """Who catches `NotConnected` catches it, so the message goes to the outbox."""
    assert issubclass(Unacknowledged, NotConnected)
