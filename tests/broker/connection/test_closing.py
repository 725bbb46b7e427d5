"""A wire that is closed leaves nothing behind; the fixture `watched_loop` sees the tasks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from dskity.broker.aiomqtt import wire as aiomqtt_wire
from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import ConnectRequest, Wire
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message
from tests.waiting import until

WELCOME = b"\x20\x03\x00\x00\x00"  # CONNACK
TELEMETRY = b"\x32\x06\x00\x01t\x00\x01\x00"  # PUBLISH at QoS 1
HUGE = bytes(8 << 20)  # more than the buffers of a connection hold


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Wire, list[Delivery]]]:
    """A wire to a broker that says hello, sends one message, and never reads again."""
    loop = asyncio.get_running_loop()
    received: list[Delivery] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
        settings = ConnectionSettings(url, "box")
        opening = ConnectRequest(settings, "box", 5, clean_start=True, session_expiry=0)
        wire = aiomqtt_wire.AiomqttWire(opening, received.append, None)
        entering = asyncio.create_task(wire.open(), name="enter")
        stream, _ = await loop.sock_accept(listener)
        with stream:
            await loop.sock_recv(stream, 1024)
            await loop.sock_sendall(stream, WELCOME + TELEMETRY)
            await entering
            yield wire, received


async def test_closing_ends_everything_also_when_it_is_cancelled() -> None:
    """A runtime that ends while its connection is being given up."""
    async with connected() as (wire, _):
        closing = asyncio.create_task(wire.close(), name="close")
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait((closing,))
        assert closing.cancelled()


async def test_closing_ends_everything_also_where_nothing_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The acknowledgement that is due waits behind a publish that the broker does not read."""
    monkeypatch.setattr(aiomqtt_wire, "GOODBYE", 0.1)
    async with connected() as (wire, received):
        publishing = asyncio.create_task(wire.publish(Message("big", HUGE)), name="publish")
        await until(lambda: received, "the message is here")
        received[0].done()
        await wire.close()
        with pytest.raises(NotConnected):
            await publishing
