"""A small broker that keeps to MQTT, but for what a test has it do on its first connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from dskity.broker.wire import Version
from tests.broker.raw import packet
from tests.faults import frames
from tests.servers import HOST

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)


@dataclass(eq=False)
class Line:
    """One connection of a client. `client_id` is known from CONNECT on."""

    writer: asyncio.StreamWriter
    version: Version = 5
    client_id: str = ""
    came: list[bytes] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        """As it is."""
        self.writer.write(data)

    def hang_up(self) -> None:
        """Reset it."""
        self.writer.transport.abort()


Answer: TypeAlias = Callable[[Line, bytes], bool]
"""Does something odd on a packet; whether that is all that is to be done about it."""


class OddBroker:
    """`odd` is asked first on every packet of the first `times` connections of each client id;
    `told` are the properties of CONNACK. It delivers nothing."""

    def __init__(self, odd: Answer | None = None, *, times: int = 1, told: bytes = b"") -> None:
        self.port = 0
        self.lines: list[Line] = []
        self.open = 0
        self.odd = odd
        self._times = times
        self._told = told

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[OddBroker]:
        """It listens for as long as the block lasts."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for line in self.lines:
                line.hang_up()

    def of(self, client_id: str) -> list[Line]:
        """The connections of a client, oldest first."""
        return [line for line in self.lines if line.client_id == client_id]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(writer)
        stream = bytearray()
        self.open += 1
        try:
            while data := await reader.read(65_536):
                stream += data
                for each in frames.split(stream):
                    self._take(line, each)
        except OSError:
            pass  # the client has reset it, or we have
        finally:
            self.open -= 1
            writer.transport.abort()

    def _take(self, line: Line, data: bytes) -> None:
        kind = frames.kind(data)
        if kind == CONNECT:
            line.version, line.client_id = _read_connect(data)
            self.lines.append(line)
        line.came.append(data)
        odd = self.odd
        if odd is not None and len(self.of(line.client_id)) <= self._times and odd(line, data):
            return
        self._answer(line, kind, data)

    def _answer(self, line: Line, kind: int, data: bytes) -> None:
        five = line.version == 5
        if kind == CONNECT:
            told = bytes((len(self._told),)) + self._told if five else b""
            line.send(packet(CONNACK << 4, b"\x00\x00" + told))
        elif kind == PUBLISH:
            message = frames.publish(data, five=five)
            if message is not None:
                answer = PUBREC if data[0] & 0x04 else PUBACK
                line.send(packet(answer << 4, message.mid.to_bytes(2, "big")))
        elif kind == PUBREL:
            line.send(packet(PUBCOMP << 4, mid_of(data)))
        elif kind == SUBSCRIBE:
            line.send(suback(line, data, 1))
        elif kind == UNSUBSCRIBE:
            line.send(packet(UNSUBACK << 4, mid_of(data) + (b"\x00\x00" if five else b"")))
        elif kind == PINGREQ:
            line.send(packet(PINGRESP << 4, b""))


def mid_of(data: bytes) -> bytes:
    """The packet identifier of a packet that has it behind its length."""
    at = 2
    while data[at - 1] & 0x80:
        at += 1
    return data[at : at + 2]


def suback(line: Line, subscribe: bytes, *codes: int) -> bytes:
    """The answer to a SUBSCRIBE, with these codes."""
    properties = b"\x00" if line.version == 5 else b""
    return packet(SUBACK << 4, mid_of(subscribe) + properties + bytes(codes))


def _read_connect(data: bytes) -> tuple[Version, str]:
    at = 2
    while data[at - 1] & 0x80:
        at += 1
    five = data[at + 6] == 5
    at += 10
    if five:
        at += 1 + data[at]  # our properties take less than 128 bytes
    size = int.from_bytes(data[at : at + 2], "big")
    return (5 if five else 4), data[at + 2 : at + 2 + size].decode()
