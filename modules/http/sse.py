"""A stream of events as a response: `text/event-stream` (HTML standard, 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dskity.bus.base.tasks import spawn
from dskity.bus.errors import DSkityError
from dskity.bus.problem import problem_of
from dskity.modules.http.limits import Streams

T = TypeVar("T")
KEEP_ALIVE = 15.0  # seconds; proxies commonly end a silent response after 30 or 60
_COMMENT = b": keep-alive\n\n"


def event(name: str, data: Any) -> bytes:
    """One event, its data as JSON, which has no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + to_json(data) + b"\n\n"


class EventStream(Response):
    """Sends what `source` yields until it ends, the caller leaves, or the server stops.

    The source is entered when the response begins and left when it is over, whatever ended it.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        source: AbstractAsyncContextManager[AsyncIterator[bytes]],
        streams: Streams,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._streams = streams
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope  # says nothing that the response depends on
        with self._streams.place():
            async with self._source as events:
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                over = [
                    _task(_left(receive), "the caller leaves"),
                    _task(self._streams.ending.wait(), "stopping"),
                ]
                try:
                    await self._send_events(events, over, send)
                finally:
                    await _cancel(*over)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(
        self, events: AsyncIterator[bytes], over: list[asyncio.Task[Any]], send: Send
    ) -> None:
        following: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                following = following or _task(_next(events), "the next event")
                await asyncio.wait(
                    [following, *over],
                    timeout=self._keep_alive,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if any(task.done() for task in over):
                    return
                chunk: bytes | None = _COMMENT
                if following.done():
                    chunk, following = following.result(), None
                if chunk is None:
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            if following is not None:
                await _cancel(following)


def _task(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    return spawn(work, name=f"http stream: {name}", awaited=True)


async def _next(events: AsyncIterator[bytes]) -> bytes | None:
    """The next event, the error that ended the source as its last one, or None at its end."""
    try:
        return await anext(events, None)
    except DSkityError as error:
        return event("error", problem_of(error))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
