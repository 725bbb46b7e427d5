"""The bus's transport over MQTT: two connections that keep themselves alive.

`intake` has the client id and the session that persists; what handlers subscribe to comes on it,
and it can be paused. `control` publishes, and receives replies and lifecycle events; it is never
paused and carries the will. With one connection a full intake would hold back the PUBACKs of what
handlers publish, and so the handlers themselves; and a reply would wait behind telemetry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dskity.broker.apart import publish_apart
from dskity.broker.connection.client_id_conflict import ClientIdConflict
from dskity.broker.connection.connection import LaneConnection, log
from dskity.broker.connection.context import LaneContext
from dskity.broker.connection.identity import identities
from dskity.broker.connection.nodes import Nodes
from dskity.broker.connection.overlap import Unmarked
from dskity.broker.connection.retained import Asked
from dskity.broker.connection.subscriptions import Subscription, Subscriptions
from dskity.broker.packets.sizes import LARGEST, publish_size
from dskity.broker.probe.basics import UNTRIED, Basics, tells_no_match, try_out
from dskity.broker.probe.examination import examine
from dskity.broker.probe.findings import Examination
from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import client_context
from dskity.broker.url import listed
from dskity.broker.wire import ConnectRequest, ConnectResult, Wire, WireFactory
from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.threads import blocking
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import BrokerRefused, NotConnected, TooLarge, Unacknowledged, Unsupported
from dskity.bus.message import Message
from dskity.bus.transport import Capabilities, Lane, Receiver, TransportEvents, no_groups, no_qos

_EVENTS = "mqtt events"


class MqttTransport:
    """`Transport` over one MQTT library, which `make_wire` stands for."""

    def __init__(
        self, settings: ConnectionSettings, make_wire: WireFactory, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._settings = settings
        self._nodes = Nodes(settings)
        self._conflicts = ClientIdConflict(make_wire, clock)
        self._make_wire = make_wire
        self._clock = clock
        self._subscriptions = Subscriptions()
        self._connections: dict[Lane, LaneConnection] = {}
        self._capabilities = Capabilities()
        self._basics: Basics | None = None if settings.trial else UNTRIED
        self._tells_no_match: bool | None = None if settings.trial else False
        self._learning = asyncio.Lock()
        self._connected = False
        self._reason = "the transport is not started"
        self._receive: Receiver | None = None
        self._events: TransportEvents | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._opening: ConnectRequest | None = None

    @property
    def client_id(self) -> str:
        """See `Transport`."""
        return self._settings.client_id

    @property
    def connected(self) -> bool:
        """See `Transport`: both connections are up."""
        return self._connected

    @property
    def capabilities(self) -> Capabilities:
        """See `Transport`."""
        return self._capabilities

    async def start(self, receive: Receiver, events: TransportEvents) -> None:
        """See `Transport`. Raises `InvalidSettings` for TLS files that cannot be used."""
        if any(address.tls for address in self._settings.addresses):
            await blocking(client_context, self._settings.tls)
        self._receive, self._events = receive, events
        self._reason = f"not connected to {listed(self._settings.url)} yet"
        throttled = {
            address: ThrottledLog(log, self._clock) for address in self._settings.addresses
        }
        self._connections = {
            identity.lane: LaneConnection(
                LaneContext(
                    identity,
                    self._nodes,
                    self._subscriptions,
                    self._make_wire,
                    receive,
                    self,
                    throttled,
                    self._conflicts,
                    self._clock,
                )
            )
            for identity in identities(self._settings)
        }
        self._tasks = tuple(
            tasks.keep_running(
                connection.run, name=f"mqtt {self.client_id} {lane}", clock=self._clock
            )
            for lane, connection in self._connections.items()
        )

    async def publish(self, message: Message) -> bool | None:
        """See `Transport`."""
        control = self._connections.get("control")
        if control is None or control.up is None:
            raise NotConnected(self._reason)
        can = self._capabilities
        if message.retain and not can.retained:
            raise Unsupported(f"{message.topic}: this broker keeps no retained messages")
        if message.qos > can.max_qos:
            raise no_qos(message.topic, message.qos, can, f"publish with qos={can.max_qos}")
        if can.max_packet is not None or len(message.payload) > LARGEST // 2:
            _check_size(message, can)
        wire = control.up
        try:
            matched = await wire.publish(message)
        except NotConnected as error:
            if wire is control.gave_up:
                raise Unacknowledged(str(error)) from error
            raise
        # A broker that never says that nobody is subscribed says nothing by not saying it.
        return matched if can.reports_no_match or matched is False else None

    async def publish_apart(self, messages: Sequence[Message]) -> list[Exception | None]:
        """See `Transport`."""
        if not self._connected or self._opening is None:
            raise NotConnected(self._reason)
        return await publish_apart(self._opening, self._make_wire, messages)

    async def subscribe(
        self,
        filter: str,
        qos: int,
        identifier: int,
        lane: Lane = "intake",
        *,
        as_published: bool = False,
    ) -> None:
        """See `Transport`."""
        subscription = Subscription(filter, qos, identifier, lane, as_published)
        if subscription.shared and self._connected and not self._capabilities.shared:
            raise no_groups(filter)
        self._subscriptions.add(subscription)
        if lane not in self._connections:
            return
        try:
            await self._connections[lane].place(subscription)
        except BrokerRefused:
            if self._subscriptions.get(filter, lane) is subscription:
                self._subscriptions.remove(filter, lane)
            raise

    async def unsubscribe(self, filter: str, lane: Lane = "intake") -> None:
        """See `Transport`."""
        if self._subscriptions.get(filter, lane) is None:
            return
        self._subscriptions.remove(filter, lane)
        if lane in self._connections:
            await self._connections[lane].drop(filter)

    def pause(self) -> None:
        """See `Transport`."""
        self._connections["intake"].pause()

    def resume(self) -> None:
        """See `Transport`."""
        self._connections["intake"].resume()

    def renew(self) -> None:
        """See `Transport`."""
        self._connections["intake"].renew()

    async def close(self) -> None:
        """See `Transport`."""
        lanes, self._tasks = self._tasks, ()
        if not lanes:
            return
        for connection in self._connections.values():
            connection.close()
        for lane in lanes:
            lane.cancel()
        # What fails at the end ends nothing else: the other lane, and who waits, go on.
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, Exception):
                tasks.report(f"mqtt {self.client_id} close", outcome)
        self._connected = False
        self._reason = "the transport is closed"

    async def examine(self) -> Examination:
        """What the broker really does, found out in a few seconds instead of being started."""
        return await examine(self._settings, self._make_wire)

    async def learn(
        self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire
    ) -> Capabilities:
        """See `Owner`. What CONNACK does not tell is tried once, by whichever lane is first."""
        self._opening = opening
        capabilities = opening.settings.limits.on(welcome.capabilities())
        async with self._learning:
            if capabilities.overlap != "identified":
                if self._basics is None:
                    self._basics = await try_out(opening, welcome, self._make_wire)
                    self._basics.warn(log)
                capabilities = self._basics.added_to(capabilities)
            if capabilities.reports_no_match:
                if self._tells_no_match is None:
                    self._tells_no_match = await tells_no_match(wire, opening.client_id)
                capabilities = capabilities.but(reports_no_match=self._tells_no_match is True)
        self._capabilities = capabilities
        return capabilities

    def receiver(self, lane: Lane, capabilities: Capabilities, asked: Asked) -> Receiver:
        """See `Owner`."""
        assert self._receive is not None  # noqa: S101  # set by start(), before any connection
        if capabilities.overlap == "identified":
            return self._receive
        copies = capabilities.overlap == "each"
        told = asked if capabilities.redelivery else None
        return Unmarked(self._receive, self._subscriptions, lane, told, copies=copies)

    def trouble(self, reason: str) -> None:
        """See `Owner`."""
        assert self._events is not None  # noqa: S101  # set by start(), before any connection
        if not self._connected:
            self._reason = reason
            tasks.call(_EVENTS, self._events.trouble, reason)

    def changed(self, reason: str) -> None:
        """See `Owner`: two connections make one event."""
        assert self._events is not None  # noqa: S101  # set by start(), before any connection
        ups = [connection.up is not None for connection in self._connections.values()]
        if not any(ups) and self._basics is not None and not self._basics.final:
            self._basics = None  # for both lanes: they must not take one broker for two
        up = all(ups)
        if up and self._gather():
            return  # and will be told again when both are at one node
        if up == self._connected:
            if not up and not reason:  # a lane is up; what was said of it is not true any more
                self.trouble(self._missing())
            return
        self._connected = up
        if up:
            intake = self._connections["intake"]
            # Should only `control` be lost next, then the session of `intake` has gone on.
            resumed, intake.resumed = intake.resumed, True
            node = self._nodes.current.address
            log.info("connected to %s, %s", node, self._capabilities.protocol)
            tasks.call(_EVENTS, self._events.connected, self._capabilities, resumed=resumed)
        else:
            self._reason = f"the connection to {self._nodes.current.address} was lost: {reason}"
            log.warning("%s", self._reason)
            tasks.call(_EVENTS, self._events.disconnected, reason)

    def _missing(self) -> str:
        """Why there is no connection, as said of the lane that is not up."""
        said = (entry.reason for entry in self._connections.values() if entry.up is None)
        return next(filter(None, said), f"connecting to {listed(self._settings.url)}")

    def _gather(self) -> bool:
        """Bring the lanes to one node if that can be; whether one of them is on its way."""
        current = self._nodes.current
        strays = [
            connection
            for connection in self._connections.values()
            if connection.node is not current and connection.missed is not current
        ]
        for stray in strays:
            stray.follow()
        return bool(strays)


def _check_size(message: Message, can: Capabilities) -> None:
    size = publish_size(message, properties=can.headers)
    if size > LARGEST:
        raise TooLarge(f"{message.topic}: a packet of {size} bytes; MQTT has {LARGEST} at most")
    if can.max_packet is not None and size > can.max_packet:
        raise TooLarge(
            f"{message.topic}: a packet of {size} bytes; this broker takes at most "
            f"{can.max_packet} (mosquitto: max_packet_size)"
        )
