"""What HTTP, webhooks and gRPC do alike: publish at once or not at all; close what they read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from dskity.bus import envelope
from dskity.bus.bus import Bus
from dskity.bus.errors import NotConnected
from dskity.bus.message import NO_HEADERS, Headers, Receipt

T = TypeVar("T")

REQUEST_ID = "request-id"
"""The message header that carries a call's `X-Request-Id`."""


def require_broker(bus: Bus) -> None:
    """`NotConnected` at once where the broker is away: the caller knows best how long to wait."""
    if not bus.connected:
        raise NotConnected(f"not connected to the broker: {bus.link.reason or 'connecting'}")


def nobody(topic: str) -> bool:
    """Whether a caller without rights may publish to the topic."""
    del topic
    return False


def no_envelope(payload: bytes, may_publish: Callable[[str], bool] = nobody) -> bytes:
    """`payload` as it may travel: what would have a handler reply to an address that the caller
    may not publish to counts as an envelope nowhere. It gets a space before its JSON."""
    address = envelope.reply_address(payload)
    if address is None or may_publish(address):
        return payload
    return envelope.plain(payload)


async def publish_now(
    bus: Bus,
    topic: str,
    payload: bytes,
    *,
    qos: int = 1,
    retain: bool = False,
    headers: Headers = NO_HEADERS,
    content_type: str | None = None,
    expires_in: float | None = None,
    request_id: str | None = None,
    may_publish: Callable[[str], bool] = nobody,
) -> Receipt:
    """`bus.publish` that never waits for an absent broker: without one the outbox keeps a message,
    and where it is not kept (QoS 0, or no outbox) `NotConnected` says so at once.

    The request id travels where headers do. On MQTT 3.1.1 headers would put the payload into an
    envelope, and an id is not worth that. `may_publish` are the caller's rights, see `no_envelope`.
    """
    if qos == 0 or not bus.keeps:
        require_broker(bus)
    if request_id is not None and bus.capabilities.headers:
        headers = {**headers, REQUEST_ID: request_id}
    return await bus.publish(
        topic,
        no_envelope(payload, may_publish),
        qos=qos,
        retain=retain,
        headers=headers,
        content_type=content_type,
        expires_in=expires_in,
    )


@asynccontextmanager
async def closing(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """`contextlib.aclosing` for an iterator that may or may not be a generator."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
