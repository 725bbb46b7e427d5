"""The bus: publish, subscribe, stream and request, over one connection or several."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from dskity.bus import topics
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.consumer import Accept, AnyHandler, Consumer, Dispatcher
from dskity.bus.counters import Counters
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput, InvalidTopic
from dskity.bus.events import EVENT_TYPE, Event
from dskity.bus.inbound.inbound import Inbound
from dskity.bus.link import Link
from dskity.bus.message import Headers, Message, Payload, Receipt, check_message
from dskity.bus.middleware import Middleware, checked_middleware
from dskity.bus.operations.asking import Asking
from dskity.bus.operations.composing import check_qos, check_seconds, compose
from dskity.bus.operations.granting import Granting
from dskity.bus.operations.state import BusState
from dskity.bus.operations.subscribing import Subscribing, Wanted
from dskity.bus.outbound import Outbound
from dskity.bus.requests.replies import Replies
from dskity.bus.requests.reply_addresses import Replying
from dskity.bus.routing.subscriptions import Subscription, Subscriptions, identifier_of
from dskity.bus.store.outbox import Outbox
from dskity.bus.stream import MessageStream
from dskity.bus.transport import Lane, Transport

DEFAULT_ROOT = "dskity"
_REPLY = "reply"
_SHOWN = 8  # connection names in an error


class Bus(BusState):
    """Publishes, subscribes and sends requests; all modules of a runtime share it.

    `root` is the prefix of the topics of DSkity. `dispatcher` makes consumers of handlers. `outbox`
    keeps publishes while the broker is away; without an outbox they wait for `publish_timeout`
    seconds. For `reply_topics` see `Replying`.
    """

    _dispatcher: Dispatcher[Bus]

    def __init__(
        self,
        transport: Transport,
        dispatcher: Dispatcher[Bus],
        *,
        root: str = DEFAULT_ROOT,
        outbox: Outbox | None = None,
        publish_timeout: float = 5.0,
        reply_topics: Iterable[str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        topics.check_topic(root)
        self.root = root
        self.owner = ""
        self.clock = clock
        self.counters = Counters()
        self.link = Link()
        self.source = f"/{root}/runtime/{transport.client_id}"
        """The CloudEvents `source` of what this bus emits."""
        self._transport = transport
        self._dispatcher = dispatcher
        self._subscriptions = Subscriptions()
        self._granting = Granting(transport, self._subscriptions)
        self._replies = Replies(f"{root}/{_REPLY}/{topics.quote(transport.client_id)}")
        self._replying = Replying(root, reply_topics, self.counters, clock)
        self._inbound = Inbound(self._subscriptions, self._replies, self.counters, clock, transport)
        self._subscribing = Subscribing(
            transport, self._granting, self._subscriptions, self._inbound.hold
        )
        self._outbound = Outbound(
            transport,
            self.link,
            outbox,
            source=self.source,
            patience=publish_timeout,
            counters=self.counters,
            clock=clock,
        )
        self._asking = Asking(self._replies, self._outbound, self._inbound, clock)
        self._others: dict[str, Bus] = {}
        self._owned: dict[Subscription, None] = {}
        self._everywhere: list[Middleware] = []
        self._middleware = self._everywhere  # a scope has its own

    # Life

    async def start(self, *, hold: bool = False) -> None:
        """Begin to connect; returns at once. With `hold`, messages for handlers, and those in the
        outbox, wait for `open`: else what the outbox sends could come before its handler."""
        if hold:
            self._inbound.hold.start()
        await self._outbound.start()
        if not hold:
            self._outbound.release()
        await self._transport.start(self._inbound.receive, self.link)
        replies = self._replies.filter
        await self._transport.subscribe(replies, 1, identifier_of(replies, "control"), "control")

    def open(self) -> None:
        """Hand on what was held, and from now on everything at once."""
        self._inbound.hold.open()
        self._outbound.release()

    def leave(self) -> None:
        """Begin to end: no more messages for handlers, and what is cancelled from now on stays
        subscribed at the broker, which keeps for the next process what it would lose else."""
        self._inbound.hold.leave()

    async def close(self) -> None:
        """Disconnect; subscriptions of a persistent session stay with the broker."""
        await self._outbound.close()
        await self._transport.close()
        self.link.disconnected("the bus is closed")

    def scope(self, owner: str) -> Bus:
        """The same bus under an owner's name; `cancel_all` ends what is subscribed through it."""
        scoped = copy.copy(self)
        scoped.owner = owner
        scoped._owned = {}  # noqa: SLF001  # a copy of ourselves
        scoped._middleware = []  # noqa: SLF001
        return scoped

    async def cancel_all(self) -> None:
        """Cancel what was subscribed through this scope, on any connection."""
        for subscription in self.owned:
            await subscription.cancel()

    # Middleware

    def use(self, *middleware: Middleware) -> None:
        """Run middleware around all handlers that are subscribed from now on.

        On the bus of a module, `clients.bus`, these are the handlers of the module, on any
        connection; otherwise all handlers of this connection. The first middleware is the
        outermost, and that of the connection is outside that of the module. Raises `InvalidHandler`
        if an argument is not middleware.
        """
        self._middleware += checked_middleware(middleware, "bus.use")

    def without_middleware(self) -> Bus:
        """The same bus, whose handlers run without middleware, also without that of the connection:
        for what has to be handled whatever users' code does."""
        bare = copy.copy(self)
        bare._everywhere = bare._middleware = []  # noqa: SLF001  # a copy of ourselves
        return bare

    # Several connections

    def add_connection(self, name: str, bus: Bus) -> None:
        """Make another bus reachable by name; its creator starts and closes it."""
        self._others[name] = bus

    def connection(self, name: str | None) -> Bus:
        """The bus of a named connection under this scope's owner; None is this one."""
        if name is None:
            return self
        if name not in self._others:
            known = ", ".join(sorted(self._others)[:_SHOWN]) or "none"
            raise InvalidInput(f"no connection {name!r}: `mqtt` in the settings names {known}")
        other = copy.copy(self._others[name])
        other.owner = self.owner
        other._owned = self._owned  # noqa: SLF001  # a copy of our kind
        if self._is_scope:
            other._middleware = self._middleware  # noqa: SLF001  # as above
        return other

    # Out

    async def publish(
        self,
        topic: str,
        payload: Payload = b"",
        *,
        qos: int = 1,
        retain: bool = False,
        headers: Headers | None = None,
        content_type: str | None = None,
        expires_in: float | None = None,
        connection: str | None = None,
    ) -> Receipt:
        """Publish a message; with QoS ≥ 1, return when it is safe (see `Receipt`).

        `expires_in` is in seconds. While the broker is away a QoS ≥ 1 publish goes to the outbox;
        without an outbox it waits for the bus's `publish_timeout`. QoS 0 raises `NotConnected`.
        """
        message = compose(
            topic, payload, qos, headers, content_type, retain=retain, expires_in=expires_in
        )
        bus = self if connection is None else self.connection(connection)
        return await bus._outbound.safely(message)  # noqa: SLF001  # our kind

    async def send(self, message: Message) -> Receipt:
        """Publish a message unchanged, with all its fields; `publish` is the convenient form.

        Raises `InvalidInput` if a field has a forbidden character (`text.py`).
        """
        check_message(message)
        return await self._outbound.safely(message)

    async def keep(self, message: Message) -> bool:
        """Keep on the disk what the broker does not take; whether that could be."""
        return await self._outbound.keep(message)

    async def emit(self, event: Event) -> Receipt:
        """Publish a lifecycle event on its topic: QoS 1, never retained."""
        return await self.send(self.event_message(event))

    def event_message(self, event: Event, at: float | None = None) -> Message:
        """A lifecycle event as it travels; it happened `at`, in Unix seconds, or just now."""
        data = event.encode(self.source, self.clock.time() if at is None else at)
        return Message(event.topic_under(self.root), data, content_type=EVENT_TYPE)

    async def request(
        self,
        topic: str,
        payload: Payload = b"",
        *,
        timeout: float = 5.0,
        qos: int = 1,
        headers: Headers | None = None,
        content_type: str | None = None,
    ) -> Message:
        """Publish a request and wait for the reply.

        Raises `RequestTimeout` after `timeout` seconds, `NoResponder` at once if the broker says
        that no client is subscribed, `RemoteError` if the reply is an error. The deadline is sent
        as the expiry of the message; a request is never kept in the outbox.
        """
        check_seconds("timeout", timeout)
        message = compose(topic, payload, qos, headers, content_type)
        return await self._asking.ask(message, timeout)

    async def reply(
        self,
        request: Message | Delivery,
        payload: Payload = b"",
        *,
        headers: Headers | None = None,
        content_type: str | None = None,
    ) -> None:
        """Answer a request in the form in which it arrived; do nothing if the request wants no
        reply, or if its reply topic is not allowed (see `Replying`)."""
        meta = request.meta if isinstance(request, Delivery) else request
        if meta is None or meta.reply_to is None:
            return
        topics.check_topic(meta.reply_to)
        if self._replying.refuses(meta.reply_to, self._handles):
            return
        message = compose(
            meta.reply_to, payload, 1, headers, content_type, correlation=meta.correlation
        )
        await self._outbound.reply(message, enveloped=meta.enveloped)

    def protect(self, filter: str) -> None:
        """Have no reply, on any connection, go to what matches the filter."""
        for bus in (self, *self._others.values()):
            bus._replying.protect(filter)  # noqa: SLF001  # of our kind

    def _handles(self, topic: str) -> bool:
        """Whether a route of any connection takes it: two of them may lead to one broker."""
        return any(
            bus._subscriptions.handles(topic)  # noqa: SLF001  # of our kind
            for bus in (self, *self._others.values())
        )

    # In

    def parse(self, filter: str) -> topics.Pattern:
        """A filter pattern, whose first level may be `{root}`; `InvalidTopic` where it is none."""
        return topics.parse(filter, self.root)

    async def subscribe(
        self,
        filter: str,
        handler: AnyHandler,
        *,
        connection: str | None = None,
        lane: Lane = "intake",
        as_published: bool = False,
        replies: bool = False,
        **policy: Any,
    ) -> Subscription:
        """Call `handler` for each message that matches `filter` (captures as `{name}`; a first
        level `{root}` is `bus.root`).

        The options are those of `@on`, `qos` and `group` included. For `lane` and `as_published`
        see `attach`. With `replies` the filter may be inside `{root}/reply`, for a bridge that
        forwards the replies of others.
        """
        if connection is not None:
            return await self.connection(connection).subscribe(
                filter, handler, lane=lane, as_published=as_published, replies=replies, **policy
            )
        pattern, consumer = self._consumer(filter, handler, policy, replies=replies)
        return await self.attach(
            pattern,
            consumer.accept,
            qos=consumer.qos,
            group=consumer.group,
            best_effort=consumer.best_effort,
            lane=lane,
            as_published=as_published,
            consumer=consumer,
        )

    def check(
        self, filter: str, handler: AnyHandler, *, connection: str | None = None, **policy: Any
    ) -> None:
        """Raise what `subscribe` would raise before a broker is asked; nothing is subscribed."""
        bus = self if connection is None else self.connection(connection)
        pattern, consumer = bus._consumer(filter, handler, policy)  # noqa: SLF001  # one of us
        check_qos(consumer.qos)
        bus._granting.wire_filter(  # noqa: SLF001  # one of us
            pattern, consumer.group, best_effort=consumer.best_effort
        )

    def _consumer(
        self, filter: str, handler: AnyHandler, policy: Mapping[str, Any], *, replies: bool = False
    ) -> tuple[topics.Pattern, Consumer]:
        pattern = self.parse(filter)
        if not replies:
            self._check_not_ours(pattern)
        return pattern, self._dispatcher.consumer(self, pattern, handler, policy)

    async def attach(
        self,
        filter: str | topics.Pattern,
        accept: Accept,
        *,
        qos: int = 1,
        group: str | None = None,
        best_effort: bool = False,
        lane: Lane = "intake",
        consumer: Consumer | None = None,
        as_published: bool = False,
        watches: bool = False,
    ) -> Subscription:
        """The raw form of `subscribe`: a synchronous consumer that calls `delivery.done()` itself.

        The `control` lane is for messages that must not wait behind telemetry. The broker keeps
        none of them for the next process. On a broker that cannot share, or not this filter too, a
        `group` is `Unsupported` or, with `best_effort`, a plain subscription; so is a `qos` that it
        does not keep to, or the highest that it does. For `as_published` see `Transport.subscribe`;
        it holds for all who subscribe to the same filter. What only `watches` handles nothing.
        """
        check_qos(qos)
        pattern = self.parse(filter) if isinstance(filter, str) else filter
        wanted = Wanted(
            pattern, accept, qos, group, best_effort, lane, consumer, as_published, watches
        )
        return await self._subscribing.attach(wanted, self._owned)

    @contextlib.asynccontextmanager
    async def stream(
        self, filter: str, *, qos: int = 0, limit: int = 1000
    ) -> AsyncIterator[MessageStream]:
        """The matching messages as an async iterator, for as long as the block lasts.

        The messages use the control connection: a handler that waits for one does not wait behind
        messages for other handlers.
        """
        if limit < 1:
            raise InvalidInput(f"limit {limit}: a stream holds at least one message")
        stream = MessageStream(limit)
        subscription = await self.attach(
            filter, stream.accept, qos=qos, lane="control", watches=True
        )
        try:
            yield stream
        finally:
            stream.close()
            await subscription.cancel()

    def pause(self) -> None:
        """Hand no more messages to handlers: the bound on what is in flight is reached."""
        self._inbound.hold.pause()

    def resume(self) -> None:
        """Hand them on again."""
        self._inbound.hold.resume()

    def _check_not_ours(self, pattern: topics.Pattern) -> None:
        ours = (*self.root.split("/"), _REPLY)
        if pattern.levels[: len(ours)] == ours:
            raise InvalidTopic(
                f"filter {pattern.text!r}: topics inside {self.root}/{_REPLY} are reserved for "
                "replies to requests: use await bus.request(…), or subscribe to other topics"
            )
