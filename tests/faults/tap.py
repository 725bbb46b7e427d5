"""Who forgot a message: what went over the wire between the runtime and the broker.

A message that the runtime has acknowledged and not handled is lost, and the runtime lost it. One
that it never acknowledged is the broker's to send, again and again. Should the broker not have it
any more, then it has forgotten it: mosquitto acknowledges a publish as soon as it has it in memory
and writes its database afterwards, whatever it is told to do after each change.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable

from benchmarks import packets
from tests.faults import frames
from tests.servers import HOST, free_port

_PINGREQ = b"\xc0\x00"
_CLEAN = 0x02  # the flag of CONNECT
_FLAGS = 9  # where it is


class Tap:
    """Listens on `port`, in front of the broker on `target`; for clients of MQTT 5.

    `acknowledged` has the numbers that the clients have acknowledged by PUBACK, `kept` those that
    the broker has. Bytes go on at once, and whatever one side has sent before its end still reaches
    the other, as through a cable.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.acknowledged: set[int] = set()
        self.kept: set[int] = set()
        self._target = target
        self._ends: set[asyncio.BaseTransport] = set()

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Tap]:
        """It listens for as long as the block lasts."""
        server = await asyncio.get_running_loop().create_server(self._accept, HOST, self.port)
        try:
            yield self
        finally:
            server.close()

    def _accept(self) -> asyncio.Protocol:
        down, up = _Direction(self.acknowledged), _Direction(self.kept)
        down.answers, up.answers = up, down
        return _Near(self._target, up, down)


class _Direction:
    """One direction of a connection: the messages in it, and the PUBACKs for those in `answers`."""

    def __init__(self, acknowledged: set[int]) -> None:
        self.answers = self
        self._acknowledged = acknowledged
        self._sent: dict[int, int] = {}
        self._stream = bytearray()

    def heard(self, data: bytes) -> None:
        """Bytes that went this way."""
        self._stream += data
        for packet in frames.split(self._stream):
            mid = frames.puback(packet)
            if mid is not None:
                self.answers.acknowledge(mid)
                continue
            publish = frames.publish(packet, five=True)
            if publish is not None and publish.topic.startswith("load/"):
                self._sent[publish.mid] = json.loads(publish.payload)["n"]

    def acknowledge(self, mid: int) -> None:
        """The other side has a message of this direction."""
        if mid in self._sent:
            self._acknowledged.add(self._sent.pop(mid))


class _End(asyncio.Protocol):
    """One side of a connection through the tap; `other` is where its bytes go."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard(data)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()  # after what is still to be written


class _Near(_End):
    """The client's side, which opens the broker's."""

    def __init__(self, target: int, up: _Direction, down: _Direction) -> None:
        super().__init__(up.heard)
        self._target = target
        self._down = down
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._connect(), name="tap connects")

    async def _connect(self) -> None:
        assert self.transport is not None
        far = _End(self._down.heard)
        far.other, self.other = self, far
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, HOST, self._target)
        except OSError:
            self.transport.abort()
        else:
            self.transport.resume_reading()


def queued(port: int, client_id: str) -> set[int]:
    """The numbers of what the broker still has for a client, which must not be connected."""
    found: set[int] = set()
    stream = bytearray()
    with socket.create_connection((HOST, port)) as client:
        client.settimeout(10)
        connect = bytearray(packets.connect(client_id))
        connect[_FLAGS] &= ~_CLEAN
        client.sendall(connect + _PINGREQ)
        while more := client.recv(65_536):
            stream += more
            for packet in frames.split(stream):
                if frames.kind(packet) == frames.PINGRESP:  # comes behind all that is queued
                    return found
                publish = frames.publish(packet, five=False)
                if publish is not None and publish.topic.startswith("load/"):
                    found.add(json.loads(publish.payload)["n"])
    raise ConnectionError("the broker closed the connection")
