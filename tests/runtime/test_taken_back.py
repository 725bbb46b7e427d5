"""What a module added to the HTTP app and the gRPC server goes when the module does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dskity import Module, ModuleMeta, TransportClients
from dskity.composition.runtime import Runtime
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings
from tests.grpc import echo
from tests.servers import HOST


@pytest.fixture
async def runtimes(tmp_path: Path) -> AsyncIterator[Runtimes]:
    """Whole ones in memory, which serve gRPC."""
    settings = isolated_settings(tmp_path, grpc={"enabled": True})
    runtimes = Runtimes(settings, ScriptedBroker())
    yield runtimes
    await runtimes.close()


class Adds(Module):
    """A gRPC service and an HTTP route; fails in `on_startup` if it is told to."""

    meta = ModuleMeta("adds", "/adds")

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    def register(self, clients: TransportClients, config: Any) -> None:
        clients.grpc.add(echo.register)

        @clients.http.get("/adds")  # type: ignore[untyped-decorator]  # the app is Any here
        async def answer() -> str:
            return "here"

    async def on_startup(self, clients: TransportClients) -> None:
        if self.fails:
            raise ValueError("not today")


async def said(runtime: Runtime) -> str:
    """What the service answers, else the status."""
    assert runtime.grpc is not None
    channel = runtime.clients.grpc.channel(f"{HOST}:{runtime.grpc.port}")
    say = channel.unary_unary(f"/{echo.SERVICE}/Say")
    try:
        return bytes(await say(b"hello")).decode()
    except grpc.aio.AioRpcError as error:
        return error.code().name


async def got(runtime: Runtime) -> int:
    async with http_client(runtime.app) as client:
        return (await client.get("/adds")).status_code


async def test_a_module_that_fails_leaves_no_service_and_no_route(runtimes: Runtimes) -> None:
    """Another one may bring a service of the same name."""
    runtime = await runtimes(Adds(fails=True))
    assert runtime.supervisor.states()["adds"].state == "failed"
    assert (await said(runtime), await got(runtime)) == ("UNIMPLEMENTED", 404)


async def test_a_module_that_is_disabled_takes_them_away_and_brings_them_back(
    runtimes: Runtimes,
) -> None:
    """While the servers run."""
    runtime = await runtimes(Adds())
    assert (await said(runtime), await got(runtime)) == ("hello", 200)
    await runtime.supervisor.disable("adds")
    assert (await said(runtime), await got(runtime)) == ("UNIMPLEMENTED", 404)
    await runtime.supervisor.enable("adds")
    assert (await said(runtime), await got(runtime)) == ("hello", 200)
