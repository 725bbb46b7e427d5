"""What one connection of one MQTT library must do; `connection.py` keeps it alive.

A wire is used once: `open`, then everything else until `lost` or `close`. Rules:

* Every error that leaves it is one of ours. `open` raises `BrokerRefused` for a CONNACK with an
  error, `Silent` where the broker took the connection but did not answer, `NotConnected` else.
* Whoever waits for the broker when the connection goes gets `NotConnected` at once.
* Received messages go to its `Receiver`, synchronously and in order; a message's acknowledgement
  belongs to this wire only.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol, TypeAlias

from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import explain
from dskity.broker.url import BrokerUrl
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message
from dskity.bus.transport import Capabilities, Receiver

Version: TypeAlias = Literal[5, 4]
"""The protocol version as it stands in CONNECT: 5 is MQTT 5, 4 is MQTT 3.1.1."""
MQTT_5: Final = 5
MQTT_311: Final = 4
PROTOCOL_NAMES: dict[Version, str] = {MQTT_5: "MQTT 5", MQTT_311: "MQTT 3.1.1"}

# A 3.1.1 broker cannot tell how many unacknowledged publishes it takes; mosquitto acknowledges
# those over its default of 20 and drops them.
UNTOLD_RECEIVE_MAXIMUM = 20
# The most there is, and what a broker must assume where it is not told: the bus bounds what is in
# flight, by pausing. mosquitto 2.0.11 must be told, or keeps to its `max_inflight_messages`, 20 by
# default; a lower one it oversteps.
OUR_RECEIVE_MAXIMUM = 65_535


class Silent(NotConnected):
    """The broker accepted the connection and closed it, or stayed silent, instead of a CONNACK."""


class TakenOver(NotConnected):
    """Another client came with our client id, and so the broker has closed our connection."""


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """One CONNECT: `settings`, and what differs from lane to lane and from attempt to attempt."""

    settings: ConnectionSettings
    client_id: str
    version: Version
    clean_start: bool
    session_expiry: int
    will: Message | None = None
    tls: ssl.SSLContext | None = None

    @property
    def five(self) -> bool:
        """Whether it asks for MQTT 5, so that it may have properties."""
        return self.version == MQTT_5

    def under(self, client_id: str) -> ConnectRequest:
        """The same by another client id, without a will, whose session ends with the connection."""
        return replace(self, client_id=client_id, clean_start=True, session_expiry=0, will=None)


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """What CONNACK says. The defaults are MQTT 5's for what a broker leaves out (spec 3.2.2.3)."""

    version: Version
    resumed: bool = False
    receive_maximum: int = 65_535
    max_packet: int | None = None
    max_qos: int = 2
    retained: bool = True
    shared: bool = True
    identifiers: bool = True

    @property
    def five(self) -> bool:
        """Whether the connection speaks MQTT 5."""
        return self.version == MQTT_5

    def window(self, most: int) -> int:
        """How many publishes of QoS ≥ 1 may be unacknowledged at once; `most` is our own bound."""
        return min(most, self.receive_maximum if self.five else UNTOLD_RECEIVE_MAXIMUM)

    def capabilities(self) -> Capabilities:
        """What can be promised by it; on 3.1.1 the least, for CONNACK tells nothing."""
        five = self.five
        return Capabilities(
            protocol=PROTOCOL_NAMES[self.version],
            headers=five,
            expiry=five,
            reports_no_match=five,
            retained=self.retained,
            shared=five and self.shared,
            max_qos=self.max_qos,
            overlap="identified" if five and self.identifiers else "once",
            max_packet=self.max_packet,
        )


class Wire(Protocol):
    """One connection to a broker, from CONNECT to its end. `receive` may be exchanged."""

    receive: Receiver

    @property
    def oldest(self) -> object | None:
        """The publish of QoS ≥ 1 that has waited longest for its acknowledgement; None where all
        are acknowledged. Two publishes are never the same object."""
        ...

    async def open(self) -> ConnectResult:
        """Connect, within `connect_timeout`."""
        ...

    async def publish(self, message: Message) -> bool | None:
        """Send; for QoS ≥ 1 wait for the acknowledgement. See `Transport.publish`."""
        ...

    async def subscribe(
        self,
        filter: str,
        qos: int,
        identifier: int | None,
        *,
        as_published: bool = False,
        urgent: bool = True,
    ) -> int:
        """Wait for SUBACK, and return the QoS that it grants; `BrokerRefused` where it refuses. See
        `Transport.subscribe`. With `urgent` a paused connection is read until then."""
        ...

    async def unsubscribe(self, filter: str) -> None:
        """Wait for UNSUBACK; a paused connection is read until then."""
        ...

    def pause(self) -> None:
        """Stop reading, but stay alive for the broker. Where it owes SUBACK or UNSUBACK, go on
        until it has answered, and hand on what comes before the answer."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    async def lost(self) -> str:
        """Return, with the reason, when the connection is gone. Raises `TakenOver` where the broker
        says so, which 3.1.1 cannot."""
        ...

    async def close(self) -> None:
        """Send the acknowledgements that are due, and DISCONNECT, if it can be; clean up."""
        ...


WireFactory: TypeAlias = Callable[[ConnectRequest, Receiver, Wire | None], Wire]
"""Makes the next wire. The one before it is passed in, for MQTT's session state outlives a
connection: a half-finished QoS 2 exchange is taken over."""


def unreachable(address: BrokerUrl, error: BaseException) -> NotConnected:
    """The one error for all the ways not to reach a broker."""
    if isinstance(error, ssl.SSLError):
        return NotConnected(f"{address}: {explain(error)}")
    if isinstance(error, TimeoutError):
        return NotConnected(f"{address}: no answer in time")
    if isinstance(error, ConnectionRefusedError):
        return NotConnected(f"{address}: connection refused")
    return NotConnected(f"{address}: {error}")


def expiry_seconds(message: Message) -> int | None:
    """The message expiry interval: whole seconds, rounded up, for 0 would expire it at once."""
    return None if message.expires_in is None else max(1, math.ceil(message.expires_in))
