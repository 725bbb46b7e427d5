"""One message as it arrived, until every consumer is done with it.

The only two places that turn a `Message` into what a delivery holds (`meta_of`) and back
(`Delivery.message`). A delivery keeps the fields apart, because most consumers read the topic and
the payload, and a `Message` costs more than the rest of the receiving path.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dskity.bus.message import NO_HEADERS, Headers, Message

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Meta:
    """What MQTT 5 (or an envelope) says of a message beyond 3.1.1's fields.

    `subscriptions` are the subscription identifiers ([MQTT-3.3.4-3]) that the broker matched;
    empty where it names none. `enveloped` marks a message that came in a 3.1.1 envelope: it is
    answered in one. `asker` is the task of this process that awaits the reply, where there is one.
    """

    content_type: str | None = None
    headers: Headers = field(default_factory=lambda: NO_HEADERS)
    reply_to: str | None = None
    correlation: bytes | None = None
    expires_in: float | None = None
    subscriptions: tuple[int, ...] = ()
    enveloped: bool = False
    asker: asyncio.Task[Any] | None = None


class Delivery:
    """A received message and the duty to acknowledge it, once.

    A transport makes it and hands it to its `Receiver`. Whoever shares it out sets `holders` to
    the number of consumers; each calls `done()` once, and the last one acknowledges. A mutable
    class with slots, because one is made for every message: a frozen dataclass costs 2 µs more.
    """

    __slots__ = (
        "acknowledge", "duplicate", "holders", "meta", "on_done", "payload", "qos", "retain",
        "topic",
    )  # fmt: skip

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        duplicate: bool,
        meta: Meta | None = None,
        acknowledge: Callable[[], None] | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.duplicate = duplicate
        self.meta = meta
        self.acknowledge = acknowledge
        self.holders = 1
        self.on_done: Callable[[Delivery], None] | None = None

    def done(self) -> None:
        """One consumer is finished with the message; the last one's call acknowledges it."""
        self.holders -= 1
        if self.holders == 0:
            if self.acknowledge is not None:
                self.acknowledge()
            if self.on_done is not None:
                self.on_done(self)

    def message(self) -> Message:
        """The message as handlers see it."""
        meta = self.meta
        if meta is None:
            return Message(
                self.topic, self.payload, self.qos, self.retain, duplicate=self.duplicate
            )
        return Message(
            self.topic,
            self.payload,
            self.qos,
            self.retain,
            meta.content_type,
            meta.headers,
            meta.reply_to,
            meta.correlation,
            meta.expires_in,
            self.duplicate,
            meta.enveloped,
        )

    @classmethod
    def of(
        cls,
        message: Message,
        acknowledge: Callable[[], None] | None = None,
        *,
        asker: asyncio.Task[Any] | None = None,
    ) -> Delivery:
        """The delivery of a message that does not come off a wire."""
        meta = meta_of(message, message.expires_in)
        return cls(
            message.topic,
            message.payload,
            message.qos,
            message.retain,
            message.duplicate,
            meta if asker is None else replace(meta, asker=asker),
            acknowledge,
        )

    def again(self) -> Delivery:
        """The same message once more, marked as a duplicate, with the same acknowledgement."""
        return Delivery(
            self.topic, self.payload, self.qos, self.retain, True, self.meta, self.acknowledge
        )


def meta_of(
    message: Message, expires_in: float | None, subscriptions: tuple[int, ...] = ()
) -> Meta:
    """What a delivery of `message` says beyond 3.1.1's fields; `expires_in` is what is left of its
    expiry, in seconds."""
    if (
        message.content_type is None
        and expires_in is None
        and message.headers is NO_HEADERS
        and message.reply_to is None
        and message.correlation is None
        and not message.enveloped
    ):
        return bare_meta(subscriptions)
    return Meta(
        message.content_type,
        message.headers,
        message.reply_to,
        message.correlation,
        expires_in,
        subscriptions,
        message.enveloped,
    )


@lru_cache(maxsize=4_096)
def bare_meta(subscriptions: tuple[int, ...]) -> Meta:
    """Nothing but the identifiers of subscriptions: most telemetry. One object for all of them."""
    return Meta(subscriptions=subscriptions)
