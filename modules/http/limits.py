"""Bounds: bytes of a request's body, and event streams at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dskity.bus.errors import Overloaded, TooLarge
from dskity.modules.http.problems import respond


class BodyLimit:
    """ASGI middleware: 413 for a body over `limit` bytes, whether its length was declared or not.

    A body is counted as it streams in and never collected here. Whatever the app makes of being
    cut off, the caller gets the 413, unless a response had begun.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declared(scope) > self._limit:
            await respond(self._error(), scope)(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        started = False

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._error()
            return message

        async def unless_over(message: Message) -> None:
            nonlocal started
            if started or received <= self._limit:
                started = True
                await send(message)

        try:
            await self._app(scope, counting, unless_over)
        except TooLarge:
            if started or received <= self._limit:
                raise
        if received > self._limit and not started:
            await respond(self._error(), scope)(scope, receive, send)

    def _error(self) -> TooLarge:
        return TooLarge(f"the body is over {self._limit} bytes, which `http.max_body_bytes` allows")


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


class Streams:
    """The places of long-lived responses: a bounded number, and all end when the server stops."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0
        self.ending = asyncio.Event()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one place for the block; `Overloaded` when all are taken."""
        if self._open >= self._limit:
            raise Overloaded(f"{self._limit} streams are open, all that `http.max_streams` allows")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def end(self) -> None:
        """Let every stream finish, for good."""
        self.ending.set()
