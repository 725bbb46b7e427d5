"""What one lane's connection is made of: plain values and its neighbours, fixed for its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dskity.broker.connection.client_id_conflict import ClientIdConflict
from dskity.broker.connection.identity import Identity
from dskity.broker.connection.nodes import Nodes
from dskity.broker.connection.retained import Asked
from dskity.broker.connection.subscriptions import Subscriptions
from dskity.broker.url import BrokerUrl
from dskity.broker.wire import ConnectRequest, ConnectResult, Wire, WireFactory
from dskity.bus.base.clock import Clock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.transport import Capabilities, Lane, Receiver


class Owner(Protocol):
    """The transport, as its connections see it."""

    async def learn(
        self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire
    ) -> Capabilities:
        """What the broker can do, by its CONNACK and by trial; `wire` is open."""
        ...

    def receiver(self, lane: Lane, capabilities: Capabilities, asked: Asked) -> Receiver:
        """Where the messages of a lane go, on a broker that can do this; `asked` are the SUBSCRIBE
        packets of the connection."""
        ...

    def trouble(self, reason: str) -> None:
        """An attempt to connect has failed for this reason."""
        ...

    def changed(self, reason: str) -> None:
        """A connection came up, or went down for this reason."""
        ...


@dataclass(frozen=True, slots=True)
class LaneContext:
    """`nodes`, `subscriptions`, `throttled` and `conflicts` are shared by the lanes of one
    transport; `receive` is where messages go until the broker's capabilities are known."""

    identity: Identity
    nodes: Nodes
    subscriptions: Subscriptions
    make_wire: WireFactory
    receive: Receiver
    owner: Owner
    throttled: Mapping[BrokerUrl, ThrottledLog]
    conflicts: ClientIdConflict
    clock: Clock

    @property
    def lane(self) -> Lane:
        """Which lane it is."""
        return self.identity.lane
