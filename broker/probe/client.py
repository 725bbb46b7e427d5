"""A short connection of its own, to see what a broker does."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from dskity.broker.wire import ConnectRequest, ConnectResult, WireFactory
from dskity.bus.base.tasks import spawn
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused, NotConnected, Unsupported
from dskity.bus.message import Message
from dskity.bus.topics import quote

PREFIX = "dskity-trial"
"""Visits keep to topics below it, which no other client has."""
# An answer that takes longer than this does not come: an ACL, say, drops the question in silence.
# In seconds, or in times the duration of connecting, which is two round trips; a busy mosquitto on
# loopback answers within 0.1 s.
LEAST_PATIENCE = 1.0
PATIENT = 4


class Visit:
    """One connection, and what came on it. Nothing is acknowledged, unless `acknowledge` is set:
    that is part of what is tried. `patience` is the number of seconds after which an answer of
    this broker does not come any more.

    `settle` makes use of the order of messages: with a marker of ours, which is published last, all
    that came before it is there.
    """

    def __init__(
        self, opening: ConnectRequest, make_wire: WireFactory, *, acknowledge: bool = False
    ) -> None:
        self.deliveries: list[Delivery] = []
        self.welcome: ConnectResult
        self.patience = LEAST_PATIENCE
        self._marker = f"{PREFIX}/{quote(opening.client_id)}/marker"
        self._acknowledge = acknowledge
        self._mark = b""
        self._marked = asyncio.Event()
        self._wire = make_wire(opening, self._receive, None)

    async def open(self) -> None:
        """Connect, and subscribe to the marker."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.welcome = await self._wire.open()
        self.patience = max(LEAST_PATIENCE, PATIENT * (loop.time() - began))
        try:
            async with asyncio.timeout(self.patience):
                await self._wire.subscribe(self._marker, 1, None)
        except TimeoutError as error:
            raise NotConnected(f"no answer to SUBSCRIBE within {self.patience:.1f} s") from error

    async def close(self) -> None:
        """Disconnect."""
        await self._wire.close()

    async def subscribe(
        self, filter: str, qos: int = 1, identifier: int | None = None
    ) -> int | None:
        """The QoS that the broker grants; None where it refuses."""
        try:
            return await self._wire.subscribe(filter, qos, identifier)
        except (BrokerRefused, Unsupported):
            return None

    async def unsubscribe(self, filter: str) -> None:
        """Return when the broker has answered."""
        await self._wire.unsubscribe(filter)

    async def publish(self, topic: str, payload: bytes = b"trial", **fields: Any) -> bool | None:
        """See `Wire.publish`."""
        return await self._wire.publish(Message(topic, payload, **fields))

    async def settle(self, qos: int = 0) -> None:
        """Return when all that was published before has come back; `NotConnected` where the
        connection ends before that."""
        self._mark = secrets.token_bytes(8)  # an earlier visit's marker may still come
        self._marked.clear()
        await self.publish(self._marker, self._mark, qos=qos)
        marked = spawn(self._marked.wait(), name="visit: marker", awaited=True)
        lost = spawn(self._wire.lost(), name="visit: end", awaited=True)
        try:
            await asyncio.wait((marked, lost), return_when=asyncio.FIRST_COMPLETED)
            if not self._marked.is_set():
                raise NotConnected(lost.result())
        finally:
            marked.cancel()
            lost.cancel()
            await asyncio.gather(marked, lost, return_exceptions=True)

    def count(self, topic: str) -> int:
        """How many messages of a topic came."""
        return sum(delivery.topic == topic for delivery in self.deliveries)

    def identifiers(self, topic: str) -> set[int]:
        """The subscriptions that the messages of a topic name."""
        told = [delivery.meta for delivery in self.deliveries if delivery.topic == topic]
        return {name for meta in told if meta for name in meta.subscriptions}

    def _receive(self, delivery: Delivery) -> None:
        marker = delivery.topic == self._marker
        if marker and delivery.payload == self._mark:
            self._marked.set()
        elif not marker:
            self.deliveries.append(delivery)
        if (marker or self._acknowledge) and delivery.acknowledge is not None:
            delivery.acknowledge()


@contextlib.asynccontextmanager
async def visit(
    opening: ConnectRequest, make_wire: WireFactory, *, acknowledge: bool = False
) -> AsyncIterator[Visit]:
    """A visit, for as long as the block lasts."""
    guest = Visit(opening, make_wire, acknowledge=acknowledge)
    try:
        await guest.open()
        yield guest
    finally:
        await guest.close()
