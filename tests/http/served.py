"""A door in a process of its own: `python -m tests.http.served PARSER` tells its port, and ends
with its standard input. It may have 1,024 descriptors until it asks for more, as a service often
may."""

from __future__ import annotations

import asyncio
import resource
import sys

from starlette.requests import Request

from dskity.modules.access.security import Guard
from dskity.modules.http import HttpServer, create_app

if sys.argv[1] == "h11":
    sys.modules["httptools"] = None  # type: ignore[assignment]  # as where it is not installed


async def main() -> None:
    """Serve until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    app = create_app("t", Guard(loopback_open=True))

    @app.get("/health/live")
    async def live() -> str:
        return "ok"

    @app.get("/")
    async def root() -> str:
        return "here"

    @app.post("/webhooks/any")
    async def webhook(request: Request) -> int:
        return len(await request.body())

    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(grace=0)


if __name__ == "__main__":
    asyncio.run(main())
