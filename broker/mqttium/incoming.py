"""What comes in: QoS 0 and 1 past mqttium's objects, QoS 2 through them.

mqttium makes a message, an effect and a queue entry of every PUBLISH, and at QoS 1 a stored
exchange: 8 µs, and 30. But its engine asks a table which function takes a packet, and ours takes
PUBLISH. What arrives while we are paused is
kept: at most what mqttium had read, 208 KiB or one packet, for the gate stops its next read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mqttium.api import AsyncClient
from mqttium.codec.buffer import RawPacket
from mqttium.enums import PacketType
from mqttium.errors import MalformedPacketError, MQTTError
from mqttium.types import Message as Received

from dskity.broker.mqttium import private
from dskity.broker.mqttium.fields import meta_of
from dskity.broker.mqttium.gate import Gate
from dskity.broker.packets.acks import AckWindow
from dskity.broker.packets.incoming import QOS_2, decode
from dskity.broker.packets.values import Malformed
from dskity.bus.delivery import Delivery
from dskity.bus.transport import Receiver


class Incoming:
    """Hands the messages of one connection to `receive`, and sends their acknowledgements."""

    def __init__(
        self, client: AsyncClient, receive: Receiver, *, five: bool, keepalive: float
    ) -> None:
        # A reader that is held sees no PINGRESP, and mqttium sends no second PINGREQ before the
        # first is answered: the broker would throw us out after 1.5 × keep alive.
        self.gate = Gate(keepalive / 2, self._forgive_ping)
        self.receive = receive
        self._client = client
        self._five = five
        self._kept: deque[Delivery] = deque()
        self._acks = AckWindow(self._send_pubacks)
        self._pubacks: deque[bytes] = deque()
        self._completed: deque[Received] = deque()
        self._due = asyncio.Event()
        self._finishing = self._ended = False
        self._by_mqttium = private.take_packets(client, PacketType.PUBLISH, self._take)
        self._writer = private.writer(client)

    def keep_alive(self, seconds: float) -> None:
        """What counts, where the broker asks for another one in CONNACK."""
        self.gate.interval = seconds / 2

    def pause(self) -> None:
        """Hand over nothing more."""
        self.gate.shut()

    def resume(self) -> None:
        """Hand over what was kept, then what is read."""
        self.gate.open()
        self._hand_over()

    @contextmanager
    def read_on(self) -> Iterator[None]:
        """Read, and hand over, also while paused: what comes first may be an answer."""
        self.gate.need(1)
        try:
            self._hand_over()
            yield
        finally:
            self.gate.need(-1)

    def _hand_over(self) -> None:
        while self._kept and not self.gate.is_shut:
            self.receive(self._kept.popleft())

    def end(self) -> None:
        """The connection is gone: nothing more is acknowledged, or handed over."""
        self._ended = True
        self._kept.clear()
        self._acks.close()
        self._due.set()

    def _take(self, raw: RawPacket) -> None:
        if raw.flags & QOS_2:
            self._by_mqttium(raw)
            return
        try:
            delivery, mid = decode(raw.flags, raw.remaining, five=self._five)
        except Malformed as error:
            raise MalformedPacketError(str(error)) from error
        if mid:
            delivery.acknowledge = self._acks.arrived(mid)
        if self._kept or self.gate.is_shut:
            self._kept.append(delivery)
        else:
            self.receive(delivery)

    async def pump(self) -> None:
        """Hand over what took mqttium's way, until cancelled."""
        async for message in self._client.messages():
            await self.gate.passed()
            self.receive(
                Delivery(
                    message.topic,
                    message.payload,
                    message.qos.value,
                    message.retain,
                    message.dup,
                    meta_of(message.properties),
                    partial(self._complete, message),
                )
            )

    async def acknowledge(self) -> None:
        """Send acknowledgements as they fall due, until `finish`, or the connection's end."""
        while not self._ended:
            await self._due.wait()
            self._due.clear()
            try:
                await self._send_due()
            except (MQTTError, OSError, private.StaleConnectionEffect):
                return  # the connection is gone, and the broker sends the messages again
            if self._finishing:
                return

    def finish(self) -> None:
        """Have `acknowledge` end with what is due now."""
        self._acks.flush()
        self._finishing = True
        self._due.set()

    async def _send_due(self) -> None:
        while self._pubacks:
            await self._writer.enqueue_ack(self._pubacks.popleft())
        while self._completed and not self._ended:
            await self._client.ack(self._completed.popleft())

    def _send_pubacks(self, packets: bytes) -> None:
        self._pubacks.append(packets)
        self._due.set()

    def _complete(self, message: Received) -> None:
        self._completed.append(message)
        self._due.set()

    def _forgive_ping(self) -> None:
        private.forgive_ping(self._client)
