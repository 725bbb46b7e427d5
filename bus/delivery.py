"""One message as it arrived, until every consumer is done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
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
        )
