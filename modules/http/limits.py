"""Bounds: bytes of one body and of all bodies under way, and event streams at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dskity.bus.errors import DSkityError, Overloaded, TooLarge
from dskity.modules.http.problems import respond


class BodyBudget:
    """Bytes that the bodies of all calls under way may have together.

    A body counts from when it is read until its call ends: an app collects it, as ours do.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    def take(self, size: int) -> bool:
        """Take `size` bytes, if they are left."""
        if self._taken + size > self._limit:
            return False
        self._taken += size
        return True

    def give_back(self, size: int) -> None:
        """They are not in memory any more."""
        self._taken -= size


class BodyLimit:
    """ASGI middleware: 413 for a body over `limit` bytes, whether its length was declared or not,
    and 503 where the bodies of all calls would be over the `budget`.

    A body is counted as it streams in and never collected here. Whatever the app makes of being
    cut off, the caller gets this answer, unless a response had begun.
    """

    def __init__(self, app: ASGIApp, limit: int, budget: BodyBudget) -> None:
        self._app = app
        self._limit = limit
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declared(scope) > self._limit:
            await respond(self._too_large(), scope)(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        refusal: DSkityError | None = None
        started = False

        async def counting() -> Message:
            nonlocal received, refusal
            message = await receive()
            size = len(message.get("body", b""))
            if received + size > self._limit:
                refusal = self._too_large()
            elif not self._budget.take(size):
                refusal = Overloaded("too many request bodies at once: see `http.max_bodies_bytes`")
            if refusal is not None:
                raise refusal
            received += size
            return message

        async def unless_refused(message: Message) -> None:
            nonlocal started
            if started or refusal is None:
                started = True
                await send(message)

        try:
            await self._app(scope, counting, unless_refused)
        except (TooLarge, Overloaded):
            if started or refusal is None:
                raise
        finally:
            self._budget.give_back(received)
        if refusal is not None and not started:
            await respond(refusal, scope)(scope, receive, send)

    def _too_large(self) -> TooLarge:
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
