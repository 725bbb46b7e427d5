"""`dskity.v1.Commands`: commands to devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from dskity.modules.access.doors import closing
from dskity.modules.contract import Commands
from dskity.modules.grpc import encoding
from dskity.modules.grpc.call import current
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import CommandsServicer


class CommandsService(CommandsServicer):
    """A caller needs the right to publish to `{root}/commands/execute`, which does the same over
    MQTT, in order to execute and to cancel, and to subscribe to `{root}/commands/#` in order to
    see."""

    def __init__(self, commands: Commands, root: str) -> None:
        self._commands = commands
        self._execute = f"{root}/commands/execute"
        self._events = f"{root}/commands/#"

    async def Execute(  # noqa: N802  # the interface's name
        self, request: pb.ExecuteRequest, context: ServicerContext[Any, Any]
    ) -> pb.Execution:
        """See dskity.proto."""
        del context
        current().principal.require_publish(self._execute)
        execution = await self._commands.execute(
            request.target,
            request.command,
            encoding.json_of("payload", request.payload) if request.HasField("payload") else None,
            wait=request.wait,
            ttl=request.ttl if request.HasField("ttl") else None,
            idempotency_key=(
                request.idempotency_key if request.HasField("idempotency_key") else None
            ),
            require_responder=request.require_responder,
        )
        return encoding.execution(execution)

    async def Get(  # noqa: N802  # the interface's name
        self, request: pb.GetExecutionRequest, context: ServicerContext[Any, Any]
    ) -> pb.Execution:
        """See dskity.proto."""
        del context
        current().principal.require_subscribe(self._events)
        return encoding.execution(await self._commands.get(request.execution))

    async def Cancel(  # noqa: N802  # the interface's name
        self, request: pb.CancelRequest, context: ServicerContext[Any, Any]
    ) -> pb.Execution:
        """See dskity.proto."""
        del context
        current().principal.require_publish(self._execute)
        return encoding.execution(await self._commands.cancel(request.execution))

    async def Watch(  # noqa: N802  # the interface's name
        self, request: pb.WatchExecutionRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.Execution]:
        """See dskity.proto."""
        del context
        current().principal.require_subscribe(self._events)
        async with closing(self._commands.watch(request.execution)) as changes:
            async for execution in changes:
                yield encoding.execution(execution)
