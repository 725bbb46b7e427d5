"""What leaves on one connection: to the broker, or while it is away to the outbox."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence

from dskity.bus import envelope
from dskity.bus.base.clock import Clock
from dskity.bus.counters import Counters
from dskity.bus.errors import DSkityError, NotConnected
from dskity.bus.link import Link
from dskity.bus.message import Accepted, Message, Receipt
from dskity.bus.store.outbox import Outbox
from dskity.bus.transport import Transport


class Outbound:
    """`source` is the CloudEvents source of envelopes; `patience` is how long, in seconds, a
    message that can wait does so where there is no outbox."""

    def __init__(
        self,
        transport: Transport,
        link: Link,
        outbox: Outbox | None,
        *,
        source: str,
        patience: float,
        counters: Counters,
        clock: Clock,
    ) -> None:
        self.source = source
        self.outbox = outbox
        self._transport = transport
        self._link = link
        self._patience = patience
        self._counters = counters
        self._clock = clock
        self._prefix = secrets.token_hex(8) + "-"
        self._numbers = itertools.count(1)

    @property
    def keeps(self) -> bool:
        """Whether a QoS ≥ 1 publish is safe now, with the broker or in the outbox."""
        return self._transport.connected or self.outbox is not None

    async def start(self) -> None:
        """Open the outbox; once released, it sends whenever the broker is there."""
        if self.outbox is not None:
            self._link.watch(self.outbox.link_changed)
            await self.outbox.open(self.now, self.apart, self._tells_refusals)

    def release(self) -> None:
        """See `Outbox`."""
        if self.outbox is not None:
            self.outbox.release()

    async def close(self) -> None:
        """Close the outbox; what has not left stays in it."""
        if self.outbox is not None:
            await self.outbox.close()

    async def safely(self, message: Message) -> Receipt:
        """Returns once a QoS ≥ 1 message is safe; see `Receipt`."""
        transport, outbox = self._transport, self.outbox
        if message.qos == 0 or outbox is None:
            if not transport.connected:
                await self.wait_for_broker(message.qos)
            matched = await transport.publish(self._fit(message))
            return self._receipt(message, "broker" if message.qos else "sent", matched)
        if transport.connected and outbox.empty:
            try:
                matched = await transport.publish(self._fit(message))
                return self._receipt(message, "broker", matched)
            except NotConnected:
                pass  # the connection went before the acknowledgement: the outbox sends it again
        await outbox.put(message)
        return self._receipt(message, "outbox", None)

    async def keep(self, message: Message) -> bool:
        """Put what the broker does not take into the outbox, which sets it aside on the disk; False
        where there is none, or no room in it."""
        if self.outbox is None:
            return False
        try:
            await self.outbox.put(message)
        except DSkityError:
            return False
        return True

    async def wait_for_broker(self, qos: int) -> None:
        """Return when it is there; `NotConnected` at once for QoS 0, after `patience` else."""
        if self._transport.connected:
            return
        if qos == 0:
            raise NotConnected("not connected to the broker: a QoS 0 message is not kept")
        await self._link.wait_connected(self._patience)

    async def now(self, message: Message) -> bool | None:
        """Send on the present connection; returns `Receipt.matched`."""
        return await self._transport.publish(self._fit(message))

    async def apart(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Send on a connection of its own; see `Transport.publish_apart`."""
        return await self._transport.publish_apart([self._fit(message) for message in messages])

    def _tells_refusals(self) -> bool:
        """PUBACK has a reason code on MQTT 5 only."""
        return self._transport.capabilities.headers

    async def reply(self, message: Message, *, enveloped: bool) -> None:
        """Answer in the form the request came in."""
        await self.now(self._enveloped(message) if enveloped else message)

    def _fit(self, message: Message) -> Message:
        """The message as the present connection can carry it."""
        if self._transport.capabilities.headers:
            return message
        if message.reply_to is None and message.correlation is None and not message.headers:
            return message  # a plain publish keeps its bytes; its expiry is lost on 3.1.1
        return self._enveloped(message)

    def _enveloped(self, message: Message) -> Message:
        data = envelope.wrap(message, self.source, self._clock.time())
        return Message(message.topic, data, message.qos, message.retain, envelope.ENVELOPE_CONTENT)

    def _receipt(self, message: Message, accepted: Accepted, matched: bool | None) -> Receipt:
        self._counters.published += 1
        id = f"{self._prefix}{next(self._numbers):x}"
        return Receipt(id, message.topic, message.qos, accepted, matched)
