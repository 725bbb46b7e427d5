"""What leaves at QoS 1 past mqttium's objects: it spends 24 µs on one until PUBACK, this 15.

Its engine asks a table which function takes a packet, and ours takes PUBACK. Packet identifiers
come from its pool, so that they are never those of its own packets.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mqttium.api import AsyncClient
from mqttium.codec.buffer import RawPacket
from mqttium.enums import PacketType
from mqttium.errors import MalformedPacketError, MQTTError

from dskity.broker.mqttium import private
from dskity.broker.packets.outgoing import encode
from dskity.broker.packets.window import Window
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message

_LARGE = 65_536  # bytes of a payload that is not copied into its packet
_MID = 2  # bytes of a packet identifier


class Outgoing:
    """The QoS 1 publishes of one connection that wait for PUBACK, and the window they share."""

    def __init__(self, client: AsyncClient, *, five: bool) -> None:
        self._five = five
        self._pump = private.writer(client)
        self._mids = private.packet_ids(client)
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._window = Window()
        self._turn = asyncio.Lock()
        self._in_line = 0
        self._exchanges = itertools.count(-1, -1)  # packet identifiers are above 0
        self._by_mqttium = private.take_packets(client, PacketType.PUBACK, self._answered)

    @property
    def oldest(self) -> object | None:
        """See `Wire`."""
        return next(iter(self._waiting.values()), None)

    def begin(self, window: int) -> None:
        """Connected; so many may be on their way at once ([MQTT-3.3.4-7])."""
        self._window.begin(window)

    def end(self, reason: str) -> None:
        """The connection is gone: every caller that waits for the broker learns it now."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(None)
        self._waiting.clear()
        self._window.end(reason)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place in the window, for an exchange that mqttium makes itself."""
        await self._window.enter()
        number = next(self._exchanges)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._waiting.pop(number, None)
            self._window.leave()

    async def publish(self, message: Message) -> int:
        """Send a message of QoS 1; the reason code of its PUBACK. `NotConnected` without one.

        One that is cancelled keeps its place and its identifier until PUBACK comes.
        """
        await self._window.enter()
        try:
            mid = self._mids.allocate()
        except MQTTError as error:  # exchanges that mqttium makes itself have the rest
            self._window.leave()
            raise NotConnected(f"no acknowledgement: {error}") from error
        answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting[mid] = answer
        try:
            head, payload = encode(message, mid, five=self._five)
            packet = (head, payload) if len(payload) >= _LARGE else head + payload
            if self._in_line or not self._pump.try_enqueue(packet):
                await self._wait_in_line(packet)
        except BaseException as error:
            self._forget(mid)
            if isinstance(error, private.StaleConnectionEffect | MQTTError | OSError):
                raise NotConnected(f"the connection broke ({error!r})") from error
            raise
        code = await answer
        if code is None:
            raise NotConnected(f"no acknowledgement: {self._window.ended}")
        return code

    async def _wait_in_line(self, packet: bytes | tuple[bytes, bytes]) -> None:
        """The writer is full; those who come meanwhile leave after this one."""
        self._in_line += 1
        try:
            async with self._turn:
                await self._pump.enqueue(packet)
        finally:
            self._in_line -= 1

    def _answered(self, raw: RawPacket) -> None:
        remaining = raw.remaining
        if len(remaining) < _MID:
            raise MalformedPacketError("a PUBACK that ends in its packet identifier")
        mid = remaining[0] << 8 | remaining[1]
        answer = self._forget(mid)
        if answer is None:
            self._by_mqttium(raw)
        elif not answer.done():  # whoever asked was cancelled
            answer.set_result(remaining[_MID] if len(remaining) > _MID else 0)

    def _forget(self, mid: int) -> asyncio.Future[int | None] | None:
        answer = self._waiting.pop(mid, None)
        if answer is not None:
            self._mids.release(mid)
            self._window.leave()
        return answer
