"""The bus: publish, subscribe, stream and request over one transport."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import secrets
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from dskity.bus import envelope, topics
from dskity.bus.clock import SYSTEM_CLOCK, Clock
from dskity.bus.consumer import Accept, AnyHandler, Consumer, Dispatcher
from dskity.bus.delivery import Delivery, Meta
from dskity.bus.errors import InvalidInput, NoResponder, NotConnected, RequestTimeout
from dskity.bus.events import EVENT_TYPE, Event
from dskity.bus.link import Link
from dskity.bus.message import (
    NO_HEADERS,
    Accepted,
    Headers,
    Message,
    Payload,
    Receipt,
    encode_payload,
)
from dskity.bus.outbox import Outbox
from dskity.bus.requests import Replies, check_reply
from dskity.bus.router import Router
from dskity.bus.stream import MessageStream
from dskity.bus.transport import Capabilities, Lane, Transport

DEFAULT_ROOT = "dskity"


@dataclass(slots=True, eq=False)
class Subscription:
    """One handler's place on the bus. `await cancel()` ends it, after what it has begun."""

    bus: Bus = field(repr=False)
    pattern: topics.Pattern
    accept: Accept = field(repr=False)
    wire_filter: str
    identifier: int
    lane: Lane
    consumer: Consumer | None = field(default=None, repr=False)

    @property
    def filter(self) -> str:
        """The filter pattern as it was written."""
        return self.pattern.text

    async def cancel(self) -> None:
        """Stop receiving, then wait for the messages that were already taken."""
        await self.bus._detach(self)  # noqa: SLF001  # two halves of one thing
        if self.consumer is not None:
            await self.consumer.drain()


@dataclass(slots=True)
class Counters:
    """What the bus has seen since it was made."""

    received: int = 0
    unrouted: int = 0
    published: int = 0


class Bus:
    """Publish, subscribe, stream, request: one object for all modules of a runtime.

    `root` is the prefix of our own topics. `dispatcher` makes consumers of handlers. Between
    `start(hold=True)` and `open()` messages for handlers are held, so that a broker that has
    queued messages for us cannot deliver them before the handlers are there.
    """

    def __init__(
        self,
        transport: Transport,
        dispatcher: Dispatcher,
        *,
        root: str = DEFAULT_ROOT,
        outbox: Outbox | None = None,
        publish_timeout: float = 5.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        topics.check_topic(root)
        self.root = root
        self.owner = ""
        self.clock = clock
        self.counters = Counters()
        self.link = Link()
        self._transport = transport
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._publish_timeout = publish_timeout
        self._router: Router[Subscription] = Router()
        self._wire: dict[str, list[Subscription]] = {}
        self._wire_qos: dict[str, int] = {}
        self._replies = Replies(f"{root}/reply/{topics.quote(transport.client_id)}")
        self._id_prefix = secrets.token_hex(8) + "-"
        self._ids = itertools.count(1)
        self._held: list[list[Delivery] | None] = [None]
        self._owned: set[Subscription] = set()

    # Life

    async def start(self, *, hold: bool = False) -> None:
        """Begin to connect; returns at once."""
        self._held[0] = [] if hold else None
        if self._outbox is not None:
            self.link.watch(self._outbox.link_changed)
            await self._outbox.open(self._send_now)
        await self._transport.start(self._receive, self.link)
        await self._transport.subscribe(
            self._replies.filter, 1, _identifier(self._replies.filter), "control"
        )

    def open(self) -> None:
        """Hand on what was held since `start(hold=True)`, and from now on everything at once."""
        held, self._held[0] = self._held[0], None
        for delivery in held or ():
            self._route(delivery)

    async def close(self) -> None:
        """Disconnect; subscriptions of a persistent session stay with the broker."""
        if self._outbox is not None:
            await self._outbox.close()
        await self._transport.close()

    def scope(self, owner: str) -> Bus:
        """The same bus under an owner's name; `cancel_all` ends what is subscribed through it."""
        scoped = copy.copy(self)
        scoped.owner = owner
        scoped._owned = set()  # noqa: SLF001  # a copy of ourselves
        return scoped

    async def cancel_all(self) -> None:
        """Cancel what was subscribed through this scope."""
        for subscription in tuple(self._owned):
            await subscription.cancel()

    def pause(self) -> None:
        """Stop reading messages for handlers: the bound on what is in flight is reached."""
        self._transport.pause()

    def resume(self) -> None:
        """Read them again."""
        self._transport.resume()

    # State

    @property
    def connected(self) -> bool:
        """Whether a publish can reach the broker now."""
        return self._transport.connected

    @property
    def keeps(self) -> bool:
        """Whether a QoS ≥ 1 publish is safe now, with the broker or in the outbox."""
        return self._transport.connected or self._outbox is not None

    @property
    def capabilities(self) -> Capabilities:
        """What the broker of the present or last connection can promise."""
        return self._transport.capabilities

    @property
    def client_id(self) -> str:
        """The MQTT client identifier."""
        return self._transport.client_id

    @property
    def source(self) -> str:
        """The CloudEvents `source` of what this bus emits."""
        return f"/{self.root}/runtime/{self.client_id}"

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Every subscription of every scope."""
        return tuple(entry for entries in self._wire.values() for entry in entries)

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
    ) -> Receipt:
        """Publish, and for QoS ≥ 1 return once the message is safe (see `Receipt`).

        `expires_in` is in seconds. While the broker is away a QoS ≥ 1 publish goes to the outbox;
        without an outbox it waits for the bus's `publish_timeout`. QoS 0 raises `NotConnected`.
        """
        topics.check_topic(topic)
        _check_qos(qos)
        _check_expiry(expires_in)
        data, kind = encode_payload(payload, content_type)
        message = Message(
            topic, data, qos, retain, kind, headers or NO_HEADERS, expires_in=expires_in
        )
        return await self.send(message)

    async def send(self, message: Message) -> Receipt:
        """Publish a message as it stands, all its fields; `publish` is the convenient form."""
        outbox = self._outbox
        if message.qos == 0 or outbox is None:
            await self._ready_for(message.qos)
            return await self._sent(message)
        if self._transport.connected and outbox.empty:
            try:
                return await self._sent(message)
            except NotConnected:
                pass  # the connection went before the acknowledgement: the outbox sends it again
        await outbox.put(message)
        return self._receipt(message, "outbox", None)

    async def _ready_for(self, qos: int) -> None:
        """Wait for the broker where the message can wait."""
        if self._transport.connected:
            return
        if qos == 0:
            raise NotConnected("not connected to the broker: a QoS 0 message is not kept")
        await self.link.wait_connected(self._publish_timeout)

    async def _sent(self, message: Message) -> Receipt:
        matched = await self._send_now(message)
        return self._receipt(message, "broker" if message.qos else "sent", matched)

    async def _send_now(self, message: Message) -> bool | None:
        return await self._transport.publish(self._fit(message))

    def _receipt(self, message: Message, accepted: Accepted, matched: bool | None) -> Receipt:
        self.counters.published += 1
        id = f"{self._id_prefix}{next(self._ids):x}"
        return Receipt(id, message.topic, message.qos, accepted, matched)

    async def emit(self, event: Event) -> Receipt:
        """Publish a lifecycle event on its topic: QoS 1, never retained."""
        return await self.send(
            Message(
                event.topic_under(self.root),
                event.encode(self.source, self.clock.time()),
                content_type=EVENT_TYPE,
            )
        )

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
        """Publish and wait for the reply.

        Raises `RequestTimeout` after `timeout` seconds, `NoResponder` at once where the broker
        says that nobody is subscribed, `RemoteError` where the reply is an error. The deadline
        travels as the message's expiry.
        """
        topics.check_topic(topic)
        _check_qos(qos)
        _check_expiry(timeout)
        data, kind = encode_payload(payload, content_type)
        pending = self._replies.expect()
        message = Message(
            topic, data, qos, False, kind, headers or NO_HEADERS,
            pending.reply_to, pending.correlation, timeout,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout):
                await self._ready_for(max(qos, 1))
                if await self._send_now(message) is False:
                    raise NoResponder(f"nobody is subscribed to {topic!r}")
                return check_reply(await pending.reply)
        except RequestTimeout:
            raise
        except TimeoutError as error:
            raise RequestTimeout(f"no reply on {topic!r} within {timeout:g} s") from error
        finally:
            self._replies.forget(pending)

    async def reply(
        self,
        request: Message | Delivery,
        payload: Payload = b"",
        *,
        headers: Headers | None = None,
        content_type: str | None = None,
    ) -> None:
        """Answer a request in the form it came in; does nothing where no reply is wanted."""
        meta = request.meta if isinstance(request, Delivery) else _meta_of(request)
        if meta is None or meta.reply_to is None:
            return
        topics.check_topic(meta.reply_to)
        data, kind = encode_payload(payload, content_type)
        message = Message(
            meta.reply_to, data, 1, False, kind, headers or NO_HEADERS, None, meta.correlation
        )
        if meta.enveloped:
            message = self._enveloped(message)
        await self._transport.publish(self._fit(message))

    def _fit(self, message: Message) -> Message:
        """The message as the present connection can carry it."""
        if self._transport.capabilities.headers:
            return message
        if message.reply_to is None and message.correlation is None and not message.headers:
            return message  # a plain publish keeps its bytes; its expiry is lost on 3.1.1
        return self._enveloped(message)

    def _enveloped(self, message: Message) -> Message:
        data = envelope.wrap(message, self.source, self.clock.time())
        return Message(message.topic, data, message.qos, message.retain, envelope.ENVELOPE_CONTENT)

    # In

    async def subscribe(
        self,
        filter: str,
        handler: AnyHandler,
        **policy: Any,
    ) -> Subscription:
        """Have `handler` called for each message that matches `filter` (captures as `{name}`).

        The policy words are those of `@on`, with `qos` and `group` among them.
        """
        pattern = topics.parse(filter)
        consumer = self._dispatcher.consumer(self, pattern, handler, policy)
        return await self.attach(
            pattern, consumer.accept, qos=consumer.qos, group=consumer.group, consumer=consumer
        )

    async def attach(
        self,
        filter: str | topics.Pattern,
        accept: Accept,
        *,
        qos: int = 1,
        group: str | None = None,
        lane: Lane = "intake",
        consumer: Consumer | None = None,
    ) -> Subscription:
        """The raw form of `subscribe`: a synchronous consumer that calls `delivery.done()` itself.

        The `control` lane is for messages that must not wait behind telemetry.
        """
        _check_qos(qos)
        pattern = topics.parse(filter) if isinstance(filter, str) else filter
        wire = pattern.filter if group is None else topics.share(group, pattern.filter)
        subscription = Subscription(self, pattern, accept, wire, _identifier(wire), lane, consumer)
        self._router.add(pattern, subscription)
        self._wire.setdefault(wire, []).append(subscription)
        self._owned.add(subscription)
        self._wire_qos[wire] = max(qos, self._wire_qos.get(wire, 0))
        try:
            await self._transport.subscribe(
                wire, self._wire_qos[wire], subscription.identifier, lane
            )
        except BaseException:
            self._forget(subscription)
            raise
        return subscription

    @contextlib.asynccontextmanager
    async def stream(
        self, filter: str, *, qos: int = 0, limit: int = 1000
    ) -> AsyncIterator[MessageStream]:
        """The matching messages as an async iterator, for as long as the block lasts."""
        if limit < 1:
            raise InvalidInput(f"limit {limit}: a stream holds at least one message")
        stream = MessageStream(limit)
        subscription = await self.attach(filter, stream.accept, qos=qos)
        try:
            yield stream
        finally:
            stream.close()
            await subscription.cancel()

    async def _detach(self, subscription: Subscription) -> None:
        if self._forget(subscription):
            with contextlib.suppress(NotConnected):
                await self._transport.unsubscribe(subscription.wire_filter)

    def _forget(self, subscription: Subscription) -> bool:
        """Take it out of the tables; whether it was the last one on its wire filter."""
        entries = self._wire.get(subscription.wire_filter, [])
        if subscription not in entries:
            return False
        entries.remove(subscription)
        self._owned.discard(subscription)
        self._router.remove(subscription.pattern, subscription)
        if entries:
            return False
        del self._wire[subscription.wire_filter]
        del self._wire_qos[subscription.wire_filter]
        return True

    def _receive(self, delivery: Delivery) -> None:
        """The transport's receiver."""
        self.counters.received += 1
        if delivery.payload.startswith(envelope.PREFIX):
            self._open_envelope(delivery)
        if delivery.topic.startswith(self._replies.prefix):
            self._replies.accept(delivery.message())
            delivery.done()
        elif self._held[0] is not None:
            self._hold(delivery, self._held[0])
        else:
            self._route(delivery)

    def _open_envelope(self, delivery: Delivery) -> None:
        opened = envelope.unwrap(delivery.payload, self.clock.time())
        if opened is not None:
            delivery.payload, meta = opened
            ids = delivery.meta.subscriptions if delivery.meta else ()
            delivery.meta = replace(meta, subscriptions=ids)

    def _hold(self, delivery: Delivery, held: list[Delivery]) -> None:
        found = self._router.find(delivery.topic)
        if any(subscription.lane == "control" for subscription, _ in found):
            self._route(delivery)
        else:
            held.append(delivery)

    def _route(self, delivery: Delivery) -> None:
        found = self._router.find(delivery.topic)
        meta = delivery.meta
        if meta is not None and meta.subscriptions:
            found = _named(found, meta.subscriptions)
        if len(found) == 1:  # nearly always: no need for a loop
            subscription, captures = found[0]
            subscription.accept(delivery, captures)
            return
        if not found:
            self.counters.unrouted += 1
            delivery.done()
            return
        delivery.holders = len(found)
        for subscription, captures in found:
            subscription.accept(delivery, captures)


_Found: TypeAlias = tuple[tuple[Subscription, dict[str, str]], ...]


def _named(found: _Found, identifiers: tuple[int, ...]) -> _Found:
    """Those subscriptions that the broker says this copy is for."""
    if len(found) == 1:
        return found if found[0][0].identifier in identifiers else ()
    return tuple(entry for entry in found if entry[0].identifier in identifiers)


def _identifier(filter: str) -> int:
    """A subscription identifier that is the same in the next process.

    A broker that kept our session sends what it queued with the identifiers of the process that
    subscribed; 28 bits are what MQTT 5 allows (spec 3.8.2.1.2), and 0 is forbidden.
    """
    return (zlib.crc32(filter.encode()) & 0x0FFF_FFFF) or 1


def _check_qos(qos: int) -> None:
    if qos not in {0, 1, 2}:
        raise InvalidInput(f"qos {qos!r}: write 0, 1 or 2")


def _check_expiry(seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:
        raise InvalidInput(f"{seconds!r} seconds: an expiry or time-out must be above 0")


def _meta_of(message: Message) -> Meta:
    return Meta(reply_to=message.reply_to, correlation=message.correlation)
