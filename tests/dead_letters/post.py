"""The module on a bus, and what an operator asks of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import sentinel

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from dskity.handlers.dead_letter import dead_letter
from dskity.modules.contract import TransportClients
from dskity.modules.dead_letters.bounds import Bounds
from dskity.modules.dead_letters.letter import DeadLetter
from dskity.modules.dead_letters.module import DeadLettersModule
from dskity.modules.dead_letters.store import Choice
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)
_UNUSED = ("mqtt", "http", "grpc", "events", "providers")


class Post:
    """The module and the bus that it is on."""

    def __init__(self, module: DeadLettersModule, bus: Bus) -> None:
        self.module = module
        self.bus = bus

    async def ask(self, verb: str, **body: Any) -> Any:
        return (await self.bus.request(f"dskity/dead-letters/{verb}", body)).json()

    async def letters(self, count: int) -> list[dict[str, Any]]:
        """The list, as soon as it has that many."""
        answer: Any = None

        async def listed() -> bool:
            nonlocal answer
            answer = await self.ask("list", limit=1000)
            return bool(answer["total"] == count)

        await _until(listed, f"{count} dead letters")
        return list(answer["dead_letters"])

    async def has(self, *ids: str) -> None:
        """Return as soon as it has these and no others."""

        async def held() -> bool:
            return await self.module.store.ids(Choice()) == list(ids)

        await _until(held, f"{ids} and no others")

    async def added(self, count: int) -> None:
        """Return as soon as so many have come in, in all."""
        await until(lambda: self.module.store.added == count, f"{count} letters")


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """`until`, for a condition that is awaited."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 10
    while not await condition():
        assert loop.time() < deadline, f"not within 10 s: {what}"


@asynccontextmanager
async def dead_letters(
    bus: Bus,
    folder: Path | None = None,
    *,
    bounds: Bounds | None = None,
    clock: Clock = SYSTEM_CLOCK,
    connections: Sequence[str] = (),
) -> AsyncIterator[Post]:
    """Started as the supervisor does, and ended as it does."""
    module = DeadLettersModule(folder, bounds, connections, clock)
    scoped = bus.scope("dead-letters")
    others = dict.fromkeys(_UNUSED, sentinel.unused)
    clients = TransportClients(bus=scoped, logger=logging.getLogger("test"), **others)
    await module.on_startup(clients)
    try:
        await until(lambda: any(s.filter.endswith("/drop") for s in scoped.owned), "it answers")
        yield Post(module, bus)
    finally:
        await scoped.cancel_all()
        await module.on_shutdown(clients)


def letter_of(
    topic: str, payload: bytes = b"x", *, at: float = 1e9, handler: str = "m.H.f"
) -> Message:
    """As the dispatcher publishes it."""
    return dead_letter(Message(topic, payload), "dskity", ValueError("no"), handler, 3, at)


def letter(
    topic: str, payload: bytes = b"x", *, at: float = 1e9, handler: str = "m.H.f"
) -> DeadLetter:
    """As it is kept."""
    return DeadLetter.of(letter_of(topic, payload, at=at, handler=handler), topic, None, at)
