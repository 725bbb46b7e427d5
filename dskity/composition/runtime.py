"""The running whole: it holds the parts and closes them. It has no features."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fastapi import FastAPI

from dskity.bus.bus import Bus
from dskity.composition.core import Core
from dskity.config import DSkitySettings
from dskity.modules.contract import TransportClients
from dskity.modules.http.server import HttpServer
from dskity.modules.lifecycle.supervisor import Supervisor

if TYPE_CHECKING:
    from dskity.modules.grpc.server import GrpcServer


@dataclass(slots=True)
class Runtime:
    """What `dskity.bootstrap.start` has started; `close` ends it in reverse order.

    `http` and `grpc` are None where those doors are closed.
    """

    settings: DSkitySettings
    core: Core
    clients: TransportClients
    supervisor: Supervisor
    app: FastAPI
    http: HttpServer | None = None
    grpc: GrpcServer | None = None
    closing: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    @property
    def bus(self) -> Bus:
        """The bus."""
        return self.core.bus

    async def close(self) -> None:
        """Drain and stop: HTTP and gRPC, modules, handlers, the connection, our broker."""
        await self.closing.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
