"""A whole runtime with its doors open, and beside it an empty FastAPI app on a server like ours."""

from __future__ import annotations

import asyncio
import tempfile

from fastapi import FastAPI

from benchmarks.child import arguments, ready
from benchmarks.signing import SECRET
from dskity.bootstrap import start
from dskity.config import DSkitySettings
from dskity.modules.http.server import HttpServer


def settings(broker: int, state_dir: str) -> DSkitySettings:
    """All defaults, on this broker and on free ports, with one webhook source."""
    return DSkitySettings.isolated(
        host="127.0.0.1",
        port=0,
        state_dir=state_dir,
        modules_search_paths=(),
        common={"mqtt": {"url": f"mqtt://127.0.0.1:{broker}"}},
        grpc={"host": "127.0.0.1", "port": 0},
        webhooks={"github": {"preset": "github", "secret": SECRET, "topic": "hooks/{event}"}},
    )


def empty_app() -> FastAPI:
    """One route that does nothing: what the framework and the server cost."""
    app = FastAPI()

    @app.post("/empty", status_code=202)
    async def empty() -> None:
        """Nothing."""

    return app


async def main(broker: int) -> None:
    """The process."""
    with tempfile.TemporaryDirectory(prefix="bench-") as state_dir:
        async with await start(settings(broker, state_dir)) as runtime:
            assert runtime.http is not None
            assert runtime.grpc is not None
            empty = HttpServer(empty_app(), "127.0.0.1", 0)
            await empty.start()
            ready(http=runtime.http.port, grpc=runtime.grpc.port, empty=empty.port)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(arguments()["broker"]))
