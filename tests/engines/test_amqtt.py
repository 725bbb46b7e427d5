"""What we add to amqtt: connections with bounds, and answers where it would give none."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from dskity.broker.engines.amqtt import connections, streams
from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.broker.engines.listen import Listen
from dskity.bus.errors import Unsupported
from tests.engines.device import HOST, device
from tests.engines.test_embedded_rules import CONNACK, CONNECT, Raw, raw
from tests.waiting import until

PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


async def test_shared_subscriptions_are_refused(amqtt_port: int) -> None:
    async with device(amqtt_port) as one:
        assert await one.subscribe("$share/group/t") == 128
        assert await one.subscribe("t") == 1


@pytest.mark.parametrize(
    ("level", "answer"),
    [(5, b"\x20\x03\x00\x84\x00"), (3, b"\x20\x02\x00\x01"), (9, b"\x20\x03\x00\x84\x00")],
)
async def test_other_protocol_versions_are_refused_at_once(
    amqtt_port: int, level: int, answer: bytes
) -> None:
    """With MQTT 5 properties, at which amqtt alone waits for ever."""
    properties = b"\x05\x11\x00\x00\x0e\x10"
    connect = b"\x10\x13\x00\x04MQTT" + bytes((level,)) + b"\x02\x00\x3c" + properties
    async with raw(amqtt_port, connect + b"\x00\x01a") as client:
        assert await client.rest() == answer


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 50, b"\x10\x05", CONNECT[:-2], b""]
)
async def test_who_sends_no_connect_is_soon_gone(
    amqtt_port: int, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(connections, "CONNECT_WITHIN", 0.1)
    async with raw(amqtt_port, start) as client:
        assert await client.rest() == b""


async def test_strangers_end_each_other_and_nobody_else(
    amqtt_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_STRANGERS", 2)
    async with raw(amqtt_port) as known, raw(amqtt_port, b"\x10") as first:
        async with raw(amqtt_port, b"\x10"), raw(amqtt_port, b"\x10"):
            await is_cut_off(first)
        known.writer.write(PINGREQ)
        assert await known.reader.readexactly(2) == PINGRESP


async def test_the_number_of_connections_is_limited(
    amqtt_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    async with raw(amqtt_port) as known:
        async with raw(amqtt_port, b"\x10") as refused:
            await is_cut_off(refused)
        known.writer.write(PINGREQ)
        assert await known.reader.readexactly(2) == PINGRESP


@pytest.mark.parametrize(
    "packet",
    [
        b"\x30\xff\xff\xff\x7f\x00\x01t",  # a PUBLISH of 256 MiB
        b"\x10\xff\xff\x7f\x00\x04MQTT",  # a CONNECT of 2 MiB
    ],
)
async def test_a_packet_over_the_limit_cuts_off_its_client(amqtt_port: int, packet: bytes) -> None:
    first = CONNECT if packet[0] == 0x30 else b""
    async with raw(amqtt_port, first or packet) as client:
        if first:
            client.writer.write(packet)
        assert await client.rest() == b""


async def test_what_came_with_the_connect_is_read_too(amqtt_port: int) -> None:
    async with raw(amqtt_port, CONNECT + PINGREQ) as client:
        assert await client.reader.readexactly(6) == CONNACK + PINGRESP


async def test_a_client_gets_no_retained_message_that_it_did_not_subscribe_to(
    amqtt_port: int,
) -> None:
    """amqtt sends each client at connect what matches the filters of the others."""
    async with device(amqtt_port) as other:
        await other.subscribe("#")
        await other.publish("state", b"on", retain=True)
        await until(lambda: other.received, "its own message")
        async with device(amqtt_port) as one:
            await one.subscribe("mine")
            await one.publish("mine", b"1", retain=True)
            await until(lambda: one.received, "its own message")
            assert one.received == [("mine", b"1", 1, False)]
            one.received.clear()
            await one.subscribe("state")
            await until(lambda: one.received, "the retained message")
            assert one.received == [("state", b"on", 1, True)]


async def test_it_opens_no_websocket_port() -> None:
    with pytest.raises(Unsupported, match=r"set broker\.engine to builtin or mosquitto"):
        AmqttBroker(Listen(websocket_port=0))


async def test_a_client_that_resets_while_it_is_sent_away_keeps_no_socket_open() -> None:
    """After its FIN nobody reads, so the reset shows only in closing, as an error."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    server = await asyncio.start_server(accept, HOST, 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        writer = await accepted
        sock = writer.get_extra_info("socket")
    await asyncio.sleep(0)  # one turn, in which the FIN is read
    streams.ClientWriter(writer).write(b"x")  # the answer to it is the reset
    await until(lambda: not is_connected(sock), "the reset")
    await connections.close(writer)
    assert writer.transport.is_closing()
    await until(lambda: sock.fileno() == -1, "the socket is closed")
    server.close()
    await server.wait_closed()


async def is_cut_off(client: Raw) -> None:
    """Without an answer; TCP resets a connection with bytes that nobody has read."""
    with contextlib.suppress(ConnectionResetError):
        assert await client.rest() == b""


def is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
