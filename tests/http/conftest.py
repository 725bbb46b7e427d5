"""The HTTP door, open on a free port, over a bus in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from dskity.bus.errors import NotFound
from dskity.bus.message import Message
from dskity.modules.access.security import Guard
from dskity.modules.commands.service import CommandService
from dskity.modules.contract import KV, Commands, Instance, Registry, TransportClients
from dskity.modules.http import HttpLimits, HttpModule, HttpServer, create_app
from dskity.modules.kv.module import build_kv
from tests.given import given
from tests.house_bus import House, memory_house

LOOPBACK = Guard(loopback_open=True)
NO_LIMITS = HttpLimits()


class Services:
    """A registry that holds what a test puts into it."""

    def __init__(self) -> None:
        self.live: list[Instance] = []

    def services(self) -> list[str]:
        return sorted({instance.service for instance in self.live})

    def instances(self, service: str) -> list[Instance]:
        return [instance for instance in self.live if instance.service == service]

    def resolve(self, service: str) -> Instance:
        for instance in self.instances(service):
            return instance
        raise NotFound(service)

    async def register(
        self,
        service: str,
        instance: str,
        url: str,
        metadata: Mapping[str, Any] | None = None,
        ttl_seconds: float | None = None,
        kind: str = "service",
    ) -> Instance:
        made = Instance(service, instance, url, metadata or {}, kind, ttl_seconds or 60.0)
        self.live.append(made)
        return made

    async def deregister(self, service: str, instance: str) -> bool:
        return False


@dataclass
class Door:
    """The open door and what lies behind it."""

    app: FastAPI
    server: HttpServer
    client: httpx.AsyncClient
    house: House
    services: Services

    async def received(self, filter: str) -> list[Message]:
        """Where what is published to `filter` from now on arrives."""
        messages: list[Message] = []

        def accept(delivery: Any, captures: Mapping[str, str]) -> None:
            messages.append(delivery.message())
            delivery.done()

        await self.house.bus.attach(filter, accept)
        return messages


def clients_of(
    house: House, app: FastAPI, values: Mapping[type, Any] | None = None
) -> TransportClients:
    """The clients that routes use; those that they do not use are absent."""
    absent = cast("Any", None)
    return TransportClients(
        bus=house.bus,
        mqtt=absent,
        http=app,
        grpc=absent,
        events=absent,
        logger=logging.getLogger("tests.http"),
        providers=given(values),
    )


@asynccontextmanager
async def serving(app: FastAPI, **options: Any) -> AsyncIterator[HttpServer]:
    """The app on a free port."""
    server = HttpServer(app, "127.0.0.1", 0, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace=1.0)


@asynccontextmanager
async def open_door(
    guard: Guard = LOOPBACK,
    limits: HttpLimits = NO_LIMITS,
    prepare: Callable[[FastAPI], None] | None = None,
    **house_options: Any,
) -> AsyncIterator[Door]:
    """All our routes, on a free port; `prepare` adds what a user's module would."""
    async with memory_house(**house_options) as house:
        kv, commands, services = (
            build_kv("inmemory", bus=house.bus),
            CommandService(house.bus),
            Services(),
        )
        app = create_app("Greenhouse", guard, limits, "1.2.3")
        HttpModule("Greenhouse", lambda: ["climate", "vents"]).register(
            clients_of(house, app, {KV: kv, Registry: services, Commands: commands}), {}
        )
        if prepare is not None:
            prepare(app)
        await kv.start()
        await commands.start()
        try:
            async with (
                serving(app) as server,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
            ):
                yield Door(app, server, client, house, services)
        finally:
            await commands.stop()
            await kv.stop()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Open to loopback."""
    async with open_door() as door:
        yield door


async def lines_of(response: httpx.Response, count: int) -> list[str]:
    """The first `count` lines of a streamed response that are not empty."""
    found: list[str] = []
    async with asyncio.timeout(5):
        async for line in response.aiter_lines():
            found += [line] if line else []
            if len(found) == count:
                break
    return found
