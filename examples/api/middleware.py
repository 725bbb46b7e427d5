"""Middleware round handlers: one that times every call, and one that decompresses the messages of
one route."""

import asyncio
import time
import zlib
from dataclasses import replace
from typing import Any

from dskity import Call, Message, Middleware, Next, Reject
from dskity.testing import ScriptedBroker, memory_bus

seconds: dict[str, float] = {}
received: list[tuple[str, str]] = []


async def timing(call: Call, message: Message, next: Next) -> Any:
    """Measures each attempt, also one that fails."""
    started = time.perf_counter()
    try:
        return await next(call, message)  # what the handler returns
    finally:
        seconds[call.route] = time.perf_counter() - started


async def decompressed(call: Call, message: Message, next: Next) -> Any:
    """Passes on a changed message; the handler never sees the other one."""
    try:
        payload = zlib.decompress(message.payload)
    except zlib.error as error:
        raise Reject("not compressed") from error  # as if the handler had raised it
    return await next(call, replace(message, payload=payload))


ROUTE: list[Middleware] = [decompressed]


async def log(line: str, device: str) -> None:
    """A handler: its parameters are read from the message that the last middleware passed on."""
    received.append((device, line))


async def main() -> None:
    """Send one compressed message, and one that is not."""
    async with memory_bus(ScriptedBroker().transport("example")) as bus:
        bus.use(timing)  # round all handlers that are subscribed from now on
        await bus.subscribe("devices/{device}/log", log, middleware=ROUTE)
        async with bus.stream("dskity/dead-letter/#") as letters:
            await bus.publish("devices/d1/log", zlib.compress(b"started"))
            await bus.publish("devices/d1/log", b"plain")
            letter = await anext(letters)
            assert letter.headers["dskity-error"] == "Reject: not compressed"


if __name__ == "__main__":
    asyncio.run(main())
    assert received == [("d1", "started")]
    assert list(seconds) == ["log"]
