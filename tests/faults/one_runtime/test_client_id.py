"""A broker that says whom it lets in in our place: MQTT 5's reason code 0x8E.

mosquitto 2.0 does not send it (see the scenario `one-client-id`); EMQX, HiveMQ and newer ones do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.backoff import LONGEST
from dskity.broker.settings import ConnectionSettings
from dskity.bus.base.clock import VirtualClock
from dskity.bus.link import Link
from tests.servers import HOST
from tests.waiting import until

CONNACK = bytes((0x20, 3, 0, 0, 0))
PUBLISH = 3
TAKEN_OVER = bytes((0xE0, 2, 0x8E, 0))


class Doorkeeper:
    """Lets everybody in, and out again when told to."""

    def __init__(self) -> None:
        self.port = 0
        self.entered = 0
        self._inside: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Doorkeeper]:
        """It listens for as long as the block lasts."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def throw_out(self) -> None:
        """Everybody, for another one."""
        for writer in self._inside:
            writer.write(TAKEN_OVER)
            writer.close()
        self._inside.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        self.entered += 1
        self._inside.append(writer)
        writer.write(CONNACK)
        with contextlib.suppress(ConnectionError):
            while packet := await reader.read(1024):
                if packet[0] >> 4 == PUBLISH:  # whether it tells that nobody is subscribed
                    end = 4 + (packet[2] << 8 | packet[3])
                    writer.write(b"\x40\x02" + packet[end : end + 2])
        writer.close()


async def test_who_is_thrown_out_for_another_one_says_so_and_gives_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For as long as a person needs to read it; then both lanes try again, together."""
    clock, link = VirtualClock(), Link()
    async with Doorkeeper().opened() as broker:
        settings = ConnectionSettings(f"mqtt://{HOST}:{broker.port}", "greenhouse")
        transport = AiomqttTransport(settings, clock)
        await transport.start(lambda delivery: delivery.done(), link)
        await link.wait_connected(5)
        broker.throw_out()
        await until(lambda: not transport.connected, "it was thrown out")
        await until(lambda: "client_id" in caplog.text, "it says so")
        assert "another connection took over our client id (0x8E)" in caplog.text
        assert "'greenhouse'; give each a common.mqtt.client_id of its own" in caplog.text
        assert "took over" in link.reason
        await clock.advance(LONGEST / 2 - 1)
        assert broker.entered == 2
        await clock.advance(LONGEST / 2 + 1)
        await link.wait_connected(5)
        assert broker.entered == 4
        await transport.close()
