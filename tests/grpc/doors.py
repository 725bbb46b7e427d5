"""A gRPC server on a free port, in front of a bus in memory and what stands on it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import sentinel

import grpc
from grpc_health.v1.health_pb2_grpc import HealthStub

from dskity.modules.access.security import Guard
from dskity.modules.access.server_tls import ServerTls
from dskity.modules.commands.service import CommandService
from dskity.modules.contract import KV, Commands, Instance, Registry, TransportClients
from dskity.modules.grpc.client import GrpcClients
from dskity.modules.grpc.module import GrpcModule
from dskity.modules.grpc.server import GrpcServer
from dskity.modules.kv.module import build_kv
from tests.given import given
from tests.house_bus import House, memory_house
from tests.servers import HOST

OPEN = Guard(loopback_open=True)


class FixedRegistry:
    """A registry whose instances are given."""

    def __init__(self, *instances: Instance) -> None:
        self._instances = instances

    def services(self) -> list[str]:
        return sorted({one.service for one in self._instances})

    def instances(self, service: str) -> list[Instance]:
        return [one for one in self._instances if one.service == service]


def health_stub(channel: grpc.aio.Channel) -> Any:
    """A client of the health service; its stubs carry no methods for type checkers."""
    return HealthStub(channel)


@dataclass
class Door:
    """A running server, and the house behind it; `fault` is why it is not ready."""

    house: House
    clients: GrpcClients
    server: GrpcServer
    fault: str | None = None

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel to it."""
        return self.clients.channel(f"{HOST}:{self.server.port}")


@asynccontextmanager
async def open_door(
    guard: Guard = OPEN,
    *,
    buffer: int = 1000,
    instances: Iterable[Instance] = (),
    add: Iterable[Callable[[Any], None]] = (),
    tls: ServerTls | None = None,
    **options: Any,
) -> AsyncIterator[Door]:
    """Everything of a runtime that gRPC reaches, started; `add` are servicers of modules."""
    async with memory_house() as house:
        kv, commands = build_kv("inmemory", bus=house.bus), CommandService(house.bus)
        clients = GrpcClients()
        GrpcModule(buffer).register(
            TransportClients(
                bus=house.bus.scope("grpc"),
                mqtt=sentinel.unused,
                http=sentinel.unused,
                grpc=clients,
                events=sentinel.unused,
                logger=logging.getLogger("test"),
                providers=given({KV: kv, Registry: FixedRegistry(*instances), Commands: commands}),
            ),
            None,
        )
        for register in add:
            clients.add(register)

        async def ready() -> str | None:
            return door.fault

        server = GrpcServer(clients, guard, ready, host=HOST, port=0, tls=tls, **options)
        door = Door(house, clients, server)
        try:
            await kv.start()
            await commands.start()
            await server.start()
            yield door
        finally:
            await clients.close()
            await server.stop()
            await commands.stop()
            await kv.stop()
