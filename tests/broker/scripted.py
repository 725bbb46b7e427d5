"""Brokers of paper: who may enter where is a table that a test writes, and changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from dskity.broker.reasons import refusal
from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.broker.wire import ConnectRequest, ConnectResult, Wire
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import NotConnected
from dskity.bus.link import Link
from dskity.bus.message import Message
from dskity.bus.transport import Lane, Receiver

LANES: dict[str, Lane] = {"box": "intake", "box-ctl": "control"}


class Brokers:
    """The brokers `a`, `b`, …, and the attempts to enter them, as (lane, name).

    `open_to` names who may enter; `present` has the wires of those who are in. `refused` has the
    filters that are not granted, with the reason code.
    """

    def __init__(self, names: str, open_to: Iterable[tuple[Lane, str]]) -> None:
        self.urls = tuple(f"mqtt://{name}" for name in names)
        self.open_to = set(open_to)
        self.attempts: list[tuple[Lane, str]] = []
        self.present: dict[Lane, PaperWire] = {}
        self.refused: dict[str, int] = {}

    def tried(self, lane: Lane) -> str:
        """Where a lane has tried to enter, in order."""
        return "".join(name for who, name in self.attempts if who == lane)

    def where(self) -> dict[Lane, str]:
        """At which broker each lane is."""
        return {lane: wire.name for lane, wire in self.present.items()}

    def transport(self, clock: Clock = SYSTEM_CLOCK) -> MqttTransport:
        """A transport that has all of them in its list."""
        return MqttTransport(ConnectionSettings(self.urls, "box"), self._wire, clock)

    def _wire(self, opening: ConnectRequest, receive: Receiver, before: Wire | None) -> Wire:
        del before
        return PaperWire(self, opening, receive)


class PaperWire:
    """`Wire` to one of them."""

    def __init__(self, brokers: Brokers, opening: ConnectRequest, receive: Receiver) -> None:
        self.receive = receive
        self.name = opening.settings.address.host
        self.granted: list[str] = []
        self._brokers = brokers
        self._lane = LANES[opening.client_id]
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def oldest(self) -> object | None:
        """All are acknowledged."""
        return None

    async def open(self) -> ConnectResult:
        """Enter, if it may be."""
        self._brokers.attempts.append((self._lane, self.name))
        if (self._lane, self.name) not in self._brokers.open_to:
            raise NotConnected(f"{self.name}: closed")
        self._brokers.present[self._lane] = self
        return ConnectResult(version=5)

    def lose(self) -> None:
        """The connection breaks."""
        if not self._end.done():
            self._end.set_result("cut")
            self._brokers.present.pop(self._lane, None)  # it may never have been in

    async def publish(self, message: Message) -> bool | None:
        """Nobody is subscribed."""
        del message
        return False

    async def subscribe(
        self,
        filter: str,
        qos: int,
        identifier: int | None,
        *,
        as_published: bool = False,
        urgent: bool = True,
    ) -> int:
        """Grant it, unless it is to be refused."""
        code = self._brokers.refused.get(filter)
        if code is not None:
            raise refusal(f"the subscription to {filter!r}", code)
        self.granted.append(filter)
        return qos

    async def unsubscribe(self, filter: str) -> None:
        self.granted.remove(filter)

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    async def lost(self) -> str:
        return await asyncio.shield(self._end)

    async def close(self) -> None:
        self.lose()


async def started(transport: MqttTransport) -> Link:
    """Begin to connect; the link tells how it stands."""
    link = Link()
    await transport.start(lambda delivery: delivery.done(), link)
    return link
