"""The properties of a bus; reading one changes nothing."""

from __future__ import annotations

from typing import Protocol

from dskity.bus.base.threads import ThreadPool
from dskity.bus.middleware import Middleware
from dskity.bus.outbound import Outbound
from dskity.bus.routing.subscriptions import Subscription, Subscriptions
from dskity.bus.store.outbox import Outbox
from dskity.bus.transport import Capabilities, Transport


class _HasThreads(Protocol):
    @property
    def threads(self) -> ThreadPool: ...


class BusState:
    """The properties of `Bus`, which sets the parts that they read."""

    _transport: Transport
    _outbound: Outbound
    _dispatcher: _HasThreads
    _subscriptions: Subscriptions
    _owned: dict[Subscription, None]
    _everywhere: list[Middleware]
    _middleware: list[Middleware]

    @property
    def connected(self) -> bool:
        """Whether the bus is connected to the broker."""
        return self._transport.connected

    @property
    def keeps(self) -> bool:
        """Whether a QoS ≥ 1 publish is safe now, with the broker or in the outbox."""
        return self._outbound.keeps

    @property
    def outbox(self) -> Outbox | None:
        """The outbox, for its figures."""
        return self._outbound.outbox

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the broker of the current or last connection."""
        return self._transport.capabilities

    @property
    def threads(self) -> ThreadPool:
        """The threads of plain handlers."""
        return self._dispatcher.threads

    @property
    def client_id(self) -> str:
        """The MQTT client identifier."""
        return self._transport.client_id

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Every subscription of every scope."""
        return tuple(self._subscriptions)

    @property
    def unserved(self) -> tuple[Subscription, ...]:
        """Subscriptions made before it was known that this broker cannot give what they declare."""
        if not self.connected:
            return ()
        return self._subscriptions.unserved(self.capabilities)

    @property
    def owned(self) -> tuple[Subscription, ...]:
        """What was subscribed through this scope, on any connection."""
        return tuple(self._owned)

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The middleware of the next handler that is subscribed here, the outermost first."""
        return (*self._everywhere, *(self._middleware if self._is_scope else ()))

    @property
    def _is_scope(self) -> bool:
        return self._middleware is not self._everywhere
