"""The wire as the bus sees it: one protocol, implemented in memory and over MQTT.

Rules every implementation keeps; `tests/contract/` checks them on all of them:

* Importing or constructing opens nothing; `start()` begins and returns at once, and the transport
  then connects, and reconnects, for ever until `close()`.
* `Receiver` is called synchronously on the event loop, once for every message, in the order of
  arrival, and never raises. The message is acknowledged (QoS ≥ 1) only when the delivery's
  `acknowledge` is called; acknowledgements leave in arrival order ([MQTT-4.6.0-2]); one that
  belongs to a connection that is gone does nothing.
* Subscriptions made at any time, connected or not, hold until `unsubscribe`, across reconnects.
* Wire errors never leave: callers see `dskity.bus.errors` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

from dskity.bus.delivery import Delivery
from dskity.bus.errors import Unsupported
from dskity.bus.message import Message

Receiver: TypeAlias = Callable[[Delivery], None]
Overlap: TypeAlias = Literal["identified", "once", "each"]
Lane: TypeAlias = Literal["intake", "control"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the connected broker can promise; a transport that was never connected has the least.

    `overlap` says what a message that matches several of our filters does: `identified` (it
    names the subscriptions it matched), `once` (one copy) or `each` (a copy a filter, unmarked).
    """

    protocol: str = "MQTT 3.1.1"
    headers: bool = False
    """User properties, content type, response topic and correlation data."""
    expiry: bool = False
    reports_no_match: bool = False
    """PUBACK says when no client is subscribed (reason code 0x10)."""
    retained: bool = True
    shared: bool = False
    shares_filters: bool = True
    """A group may have several filters; else the first of them alone is served."""
    redelivery: bool = True
    """An unacknowledged QoS 1 message comes again after a reconnect."""
    persistent: bool = True
    """The broker keeps QoS ≥ 1 messages for a session that is away."""
    max_qos: int = 2
    """The highest QoS that the broker keeps to; it grants what asks for more a lower one."""
    overlap: Overlap = "once"
    max_packet: int | None = None
    """Bytes of the largest PUBLISH the broker takes; None where it does not say."""

    def but(self, **changes: object) -> Capabilities:
        """The same with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]  # replace() checks at run time


def no_groups(filter: str) -> Unsupported:
    """The error where a broker without shared subscriptions is asked for one."""
    return Unsupported(
        f"{filter}: this broker has no shared subscriptions: remove group=…, write "
        "best_effort=True (every member then gets every message), or use mosquitto or another "
        "broker with MQTT 5"
    )


def no_more_filters(filter: str) -> Unsupported:
    """The error where a broker that serves one filter of a group is asked for another one."""
    return Unsupported(
        f"{filter}: this broker serves one filter of a group, and this group has one: use a "
        "different name for each group, or write best_effort=True (every member then gets every "
        "message)"
    )


def no_qos(topic: str, qos: int, can: Capabilities, fix: str) -> Unsupported:
    """The error where a broker is asked for more than its highest QoS."""
    return Unsupported(
        f"{topic}: this broker does not support qos={qos}, its maximum is {can.max_qos}: {fix}"
    )


class TransportEvents(Protocol):
    """What a transport tells its owner; all calls are synchronous, on the event loop."""

    def connected(self, capabilities: Capabilities, *, resumed: bool) -> None:
        """A connection is up, every subscription in place; `resumed` is MQTT's session present."""
        ...

    def trouble(self, reason: str) -> None:
        """An attempt to connect has failed; another one follows."""
        ...

    def disconnected(self, reason: str) -> None:
        """The connection is gone; the transport is already trying again."""
        ...


class Transport(Protocol):
    """A connection to a broker that keeps itself alive."""

    @property
    def client_id(self) -> str:
        """The MQTT client identifier; replies are addressed by it."""
        ...

    @property
    def connected(self) -> bool:
        """Whether a publish can reach the broker now."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """Of the present connection, or of the last one."""
        ...

    async def start(self, receive: Receiver, events: TransportEvents) -> None:
        """Begin to connect, in the background."""
        ...

    async def publish(self, message: Message) -> bool | None:
        """Send, and for QoS ≥ 1 return once the broker has acknowledged.

        Returns `Receipt.matched`. Raises `NotConnected` at once when there is no connection, or
        when it is lost before the acknowledgement (the message may or may not have arrived),
        `BrokerRefused`, or `TooLarge`.
        """
        ...

    async def publish_apart(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Publish together on a connection of its own, with another client id, which is closed
        after them: what a broker closes the connection on ends that one only.

        One outcome for each: None once acknowledged, else what `publish` would raise. Without
        messages it shows that the broker takes a connection. Raises `NotConnected`, or what the
        broker says, where it takes none.
        """
        ...

    async def subscribe(
        self,
        filter: str,
        qos: int,
        identifier: int,
        lane: Lane = "intake",
        *,
        as_published: bool = False,
    ) -> None:
        """Subscribe to an MQTT filter (or `$share/…`), replacing one on the same filter.

        Returns when the broker granted it; when there is no connection, at once, and the
        subscription is made as soon as there is one. `identifier` (1…268,435,455) comes back in
        `Meta.subscriptions` where the broker supports it. The `control` lane is not held up by
        messages waiting in `intake`; a filter may be on both, with two identifiers. With
        `as_published` the retain flag is the publisher's where the broker has MQTT 5; else it
        tells that the broker had kept the message. Raises `BrokerRefused`, or `Unsupported`.
        """
        ...

    async def unsubscribe(self, filter: str, lane: Lane = "intake") -> None:
        """End a subscription; unknown filters are ignored."""
        ...

    def pause(self) -> None:
        """Stop reading the intake lane: our bound is reached. Publishing goes on.

        While the broker owes an answer on that lane (SUBACK, UNSUBACK, or all of them where a
        connection begins) it is read all the same, for the answer may come behind messages.
        """
        ...

    def resume(self) -> None:
        """Read the intake lane again."""
        ...

    def renew(self) -> None:
        """Make the intake lane's connection again: its unacknowledged messages are
        to come once more, retained messages too. From this call on nothing more comes from the old
        one."""
        ...

    async def close(self) -> None:
        """Disconnect cleanly (no will), without unsubscribing; queued acks leave first."""
        ...
