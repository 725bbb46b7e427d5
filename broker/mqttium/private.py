"""The private names of mqttium: used in this file only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dskity.bus.base.foreign import Library, names_of

__all__ = [
    "DecoderPushProtocol",
    "PushStreamTransport",
    "StaleConnectionEffect",
    "connect_by",
    "forgive_ping",
    "handshake_request",
    "packet_ids",
    "put_back",
    "read_handshake",
    "take_packets",
    "writer",
]

MQTTIUM = Library(
    "mqttium",
    ("1.2.1", "1.2.1"),
    "set `common.mqtt.client: aiomqtt`",
    (
        *names_of(
            "mqttium.api:AsyncClient",
            {
                "_transport_factory": "connects by our own sockets, with a gate before each read",
                "_engine": "holds the table of packets, and the packet identifiers",
                "_write_pump": "sends packets that we have encoded",
                "_ping_pending": "forgives a PINGRESP that cannot come while reading is paused",
            },
        ),
        *names_of(
            "mqttium.protocol.engine:ProtocolEngine",
            {"_handlers_by_state": "takes PUBLISH and PUBACK past objects that cost 8 to 30 µs"},
        ),
        *names_of("mqttium.api", {"_effects": "says that the connection is gone"}),
        *names_of("mqttium.transport", {"_push": "reads straight into the decoder"}),
        *names_of(
            "mqttium.transport.websocket",
            {
                "_build_handshake_request": "makes a WebSocket of a socket of ours",
                "_read_handshake_response": "the same",
                "_validate_handshake_response": "the same",
            },
        ),
        *names_of(
            "mqttium.transport.websocket:WebSocketTransport",
            {"_recv_buf": "takes what came with the end of the handshake"},
        ),
    ),
)
LIBRARIES = (MQTTIUM,)
MQTTIUM.check()  # before they are imported

from mqttium.api import AsyncClient
from mqttium.api._effects import StaleConnectionEffect
from mqttium.codec.buffer import RawPacket
from mqttium.enums import ConnectionState, PacketType
from mqttium.transport import websocket
from mqttium.transport._push import DecoderPushProtocol, PushStreamTransport
from mqttium.transport.websocket import WebSocketTransport


def connect_by(client: AsyncClient, factory: Callable[..., Awaitable[Any]]) -> None:
    """Have it connect by `factory`, which gets host, port and `ssl`."""
    client._transport_factory = factory


def take_packets(
    client: AsyncClient, kind: PacketType, take: Callable[[RawPacket], None]
) -> Callable[[RawPacket], None]:
    """Have packets of one kind go to `take`; returns where they went before."""
    table: Any = client._engine._handlers_by_state[ConnectionState.CONNECTED]
    before: Callable[[RawPacket], None] = table[kind]
    table[kind] = take
    return before


def packet_ids(client: AsyncClient) -> Any:
    """Its packet identifiers: `allocate` and `release`."""
    return client._engine.outbound.packet_ids


def writer(client: AsyncClient) -> Any:
    """What sends its packets: `try_enqueue`, `enqueue` and `enqueue_ack`."""
    return client._write_pump


def forgive_ping(client: AsyncClient) -> None:
    """Take PINGRESP as received: reading was paused."""
    client._ping_pending = False


def handshake_request(host: str, port: int, path: str, key: str, default_port: int) -> bytes:
    """The request that opens a WebSocket."""
    return websocket._build_handshake_request(
        host, port, path, key, None, default_port=default_port
    )


async def read_handshake(reader: asyncio.StreamReader, key: str) -> bytes:
    """Check the answer to it; what came behind it is returned."""
    head, early = await websocket._read_handshake_response(reader, None)
    websocket._validate_handshake_response(head, key)
    return early


def put_back(transport: WebSocketTransport, early: bytes) -> None:
    """Have it read these bytes first."""
    transport._recv_buf.extend(early)
