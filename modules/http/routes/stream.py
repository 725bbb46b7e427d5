"""`GET /stream?filter=`: the messages that match, as server-sent events."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from fastapi import APIRouter, Request

from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.bus.stream import MessageStream
from dskity.modules.http.caller import caller
from dskity.modules.http.limits import Streams
from dskity.modules.http.sse import EventStream, event


def routes(bus: Bus, streams: Streams) -> APIRouter:
    """Watching topics."""
    router = APIRouter(tags=["bus"])

    @router.get("/stream", status_code=200, response_class=EventStream)
    async def watch(request: Request, filter: str, qos: int = 0) -> EventStream:
        """Events `message`; an event `dropped` tells how many a slow reader has missed so far."""
        caller(request).require_subscribe(bus.parse(filter).filter)
        return EventStream(_messages(bus, filter, qos), streams)

    return router


@asynccontextmanager
async def _messages(bus: Bus, filter: str, qos: int) -> AsyncIterator[AsyncIterator[bytes]]:
    async with bus.stream(filter, qos=qos) as messages:
        yield _Events(messages)


class _Events:
    """The messages as events, each after an event `dropped` where some were lost before it."""

    def __init__(self, messages: MessageStream) -> None:
        self._messages = messages
        self._told = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        message = event("message", _shown(await anext(self._messages)))
        if self._messages.dropped == self._told:
            return message
        self._told = self._messages.dropped
        return event("dropped", {"count": self._told}) + message


def _shown(message: Message) -> dict[str, Any]:
    """A message as JSON: its payload as text, or base64 where it is not UTF-8."""
    shown: dict[str, Any] = {
        "topic": message.topic,
        "qos": message.qos,
        "retain": message.retain,
        "content_type": message.content_type,
        "headers": dict(message.headers),
    }
    try:
        shown["payload"] = message.payload.decode()
    except UnicodeDecodeError:
        shown["payload_base64"] = b64encode(message.payload).decode()
    return shown
