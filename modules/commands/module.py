"""The module `commands`: the service and its life, and `{root}/commands/execute` on the bus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.handlers.dedupe import Duplicate
from dskity.handlers.policy import RetryPolicy
from dskity.modules.clients.answering import Answering
from dskity.modules.clients.tasks import Tasks
from dskity.modules.commands.claims import Claims
from dskity.modules.commands.service import CommandService
from dskity.modules.contract import Commands, Execution, Module, ModuleMeta, TransportClients

_MAX_WAIT = 300.0
_MAX_KEY = 255  # characters of an idempotency key
log = logging.getLogger(__name__)


class Execute(BaseModel):
    """The body of a request to `{root}/commands/execute`; the reply is the execution.

    `wait` is how many seconds the reply may take for the command's end to be in it; `ttl` is in
    seconds too, None for `commands.ttl`.
    """

    model_config = ConfigDict(extra="forbid")

    target: str
    command: str
    payload: Any = None
    wait: float = Field(default=0.0, ge=0, le=_MAX_WAIT)
    ttl: float | None = Field(default=None, gt=0)
    idempotency_key: str | None = Field(default=None, max_length=_MAX_KEY)
    require_responder: bool = False


class CommandsModule(Module):
    """Starts and stops the service that is `clients.commands`, and opens it to the bus.

    `make` is called when the module is registered: the service may need what others provide.
    """

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="commands", base_path="/commands")
    provides: ClassVar[tuple[type, ...]] = (Commands,)

    def __init__(self, make: Callable[[TransportClients], CommandService]) -> None:
        self._make = make
        self._tasks = Tasks(log)
        self._claims: Claims | None = None

    def register(self, clients: TransportClients, config: Any) -> None:
        """Make the service, and provide it."""
        del config  # `make` knows all that it needs
        service = self._service = self._make(clients)
        clients.provide(Commands, lambda: service)

    async def on_startup(self, clients: TransportClients) -> None:
        """Start the service; take requests as soon as there is a broker."""
        await self._service.start()
        bus = clients.bus
        requests = self._answering(bus)
        if not (bus.connected and await requests.try_once()):
            self._tasks.keep_running(requests.run, "commands: requests", bus.clock)

    async def on_shutdown(self, clients: TransportClients) -> None:
        """Stop the service; what is subscribed ends with the module's bus."""
        del clients
        await self._tasks.close()
        await self._service.stop()

    def _answering(self, bus: Bus) -> Answering:
        """One of several runtimes answers a request, else the device would get it from each."""

        async def claim() -> None:
            claims = Claims(bus)
            await claims.open()
            self._claims = claims

        return Answering(
            bus,
            {"commands/execute": self.execute},
            "commands",
            unshared=claim,
            order_by=None,  # a command to one device does not wait for another's
            timeout=None,  # `wait` and `ttl` bound it
            retry=RetryPolicy(attempts=1),  # the error is the caller's answer
        )

    async def execute(self, request: Execute, message: Message) -> Execution:
        """Answer one request, unless another runtime does."""
        if self._claims is not None and not await self._claims.wins(message):
            raise Duplicate("another runtime answers")
        return await self._service.execute(
            request.target,
            request.command,
            request.payload,
            wait=request.wait,
            ttl=request.ttl,
            idempotency_key=request.idempotency_key,
            require_responder=request.require_responder,
        )
