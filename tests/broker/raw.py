"""A broker that writes any bytes a test wants, after a proper CONNACK."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import ConnectRequest, Version
from dskity.bus.delivery import Delivery
from tests.faults import frames
from tests.servers import HOST
from tests.waiting import until

CONNECT, PUBLISH, PUBACK, DISCONNECT = 1, 3, 4, 14
_CONNACK: dict[Version, bytes] = {5: b"\x20\x03\x00\x00\x00", 4: b"\x20\x02\x00\x00"}


class RawBroker:
    """One connection; `came` are the packets of the client, without CONNECT."""

    def __init__(self, version: Version, told: bytes = b"") -> None:
        self.port = 0
        self._connack = _CONNACK[version]
        if told:
            self._connack = packet(0x20, bytes((0, 0, len(told))) + told)
        self.came: list[bytes] = []
        self.gone = False
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read until the client is gone."""
        self._writer = writer
        stream = bytearray()
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                stream += data
                for packet in frames.split(stream):
                    self._hear(packet)
        self.gone = True
        writer.transport.abort()

    def _hear(self, packet: bytes) -> None:
        if frames.kind(packet) == CONNECT:
            self.write(self._connack)
        else:
            self.came.append(packet)

    def write(self, data: bytes) -> None:
        """Send it as it is."""
        assert self._writer is not None, "nobody has connected"
        self._writer.write(data)

    def hang_up(self) -> None:
        """Reset the connection."""
        assert self._writer is not None, "nobody has connected"
        self._writer.transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes that the client has not read yet, and the system has no room for."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    def of(self, kind: int) -> list[bytes]:
        """What came of one packet type."""
        return [packet for packet in self.came if frames.kind(packet) == kind]


class Session:
    """A wire that is connected to a `RawBroker`; `handle` is what is done with a delivery."""

    def __init__(self, broker: RawBroker, version: Version) -> None:
        self.broker = broker
        self.deliveries: list[Delivery] = []
        self.handle: Callable[[Delivery], None] = lambda _: None
        settings = ConnectionSettings(f"mqtt://{HOST}:{broker.port}", "box")
        opening = ConnectRequest(settings, "box", version, clean_start=True, session_expiry=0)
        self.wire = AiomqttWire(opening, self._receive, None)

    def _receive(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.handle(delivery)

    @property
    def payloads(self) -> list[bytes]:
        """Those of the deliveries, in order."""
        return [delivery.payload for delivery in self.deliveries]

    async def got(self, count: int) -> None:
        """Wait for that many deliveries."""
        await until(lambda: len(self.deliveries) >= count, f"{count} deliveries: {self.payloads}")


@contextlib.asynccontextmanager
async def session(version: Version, told: bytes = b"") -> AsyncIterator[Session]:
    """A broker and a wire that is open; `told` are the properties of CONNACK."""
    broker = RawBroker(version, told)
    server = await asyncio.start_server(broker.serve, HOST, 0)
    broker.port = server.sockets[0].getsockname()[1]
    made = Session(broker, version)
    try:
        await made.wire.open()
        yield made
    finally:
        await made.wire.close()
        server.close()
        await until(lambda: broker.gone, "the client has closed its connection")


def packet(first: int, body: bytes) -> bytes:
    """A control packet: its first byte, its length, and the rest."""
    size, length = len(body), bytearray()
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes((first, *length)) + body


def publish(
    version: Version, topic: bytes, payload: bytes, *, first: int = 0x30, mid: int = 0,
    properties: bytes = b"",
) -> bytes:  # fmt: skip
    """A PUBLISH; with a QoS in `first` it has a packet identifier, whatever that is."""
    body = len(topic).to_bytes(2, "big") + topic
    if first & 0x06:
        body += mid.to_bytes(2, "big")
    if version == 5:
        body += bytes([len(properties)]) + properties
    return packet(first, body + payload)
