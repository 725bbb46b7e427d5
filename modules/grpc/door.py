"""Round every call: the guard before it, and our errors as statuses after it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import grpc
from grpc_status import rpc_status

from dskity.bus.errors import DSkityError, Unauthenticated, Unavailable, Unsupported
from dskity.modules.access.request_id import HEADER, request_id
from dskity.modules.access.security import Guard
from dskity.modules.audit.call import Call
from dskity.modules.grpc import call
from dskity.modules.grpc.malformed import lenient, well_formed
from dskity.modules.grpc.status import status
from dskity.modules.rights import Principal

Q = TypeVar("Q")
A = TypeVar("A")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Any]

OPEN = frozenset({"grpc.health.v1.Health"})
"""Services that a probe without a token may ask, as `/health/*` over HTTP."""

log = logging.getLogger(__name__)


class Door(grpc.aio.ServerInterceptor):
    """The one interceptor; `port` tells where the server listens."""

    def __init__(self, guard: Guard, port: Callable[[], int]) -> None:
        self._guard = guard
        self._port = port
        self._streams: set[asyncio.Task[Any]] = set()
        self._closing = False

    def end_streams(self) -> None:
        """End each response stream, and each that still comes, with UNAVAILABLE: a subscription
        has no end of its own that a stop could wait for."""
        self._closing = True
        for task in self._streams:
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Q, A] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Q, A] | None:
        """See `grpc.aio.ServerInterceptor`; an unknown method stays UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        return None if handler is None else self._wrap(handler, handler_call_details.method)

    def _wrap(
        self, handler: grpc.RpcMethodHandler[Q, A], method: str
    ) -> grpc.RpcMethodHandler[Q, A]:
        kind = _kind(handler)
        behaviour = getattr(handler, kind)
        if not (inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)):
            behaviour = _not_served
        wrap = self._streaming if handler.response_streaming else self._single
        wrapped = wrap(behaviour, method)
        deserialize = handler.request_deserializer
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        made: grpc.RpcMethodHandler[Q, A] = make(
            wrapped, deserialize and lenient(deserialize), handler.response_serializer
        )
        return made

    def _single(self, behaviour: Behaviour, method: str) -> Behaviour:
        async def answer(request: Any, context: Context) -> Any:
            async with self._admitted(context, method):
                return await behaviour(well_formed(request), context)

        return answer

    def _streaming(self, behaviour: Behaviour, method: str) -> Behaviour:
        """A coroutine that writes, because grpc leaves a cancelled generator to the collector."""

        async def answer(request: Any, context: Context) -> None:
            async with self._admitted(context, method), self._ending():
                request = well_formed(request)
                if not inspect.isasyncgenfunction(behaviour):
                    await behaviour(request, context)
                    return
                async with contextlib.aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        await context.write(response)

        return answer

    @contextlib.asynccontextmanager
    async def _ending(self) -> AsyncIterator[None]:
        """Within: a stream that `end_streams` can end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task
        self._streams.add(task)
        try:
            if self._closing:
                raise Unavailable("the server stops")
            yield
        except asyncio.CancelledError:
            if not self._closing:
                raise
            task.uncancel()
            raise Unavailable("the server stops") from None
        finally:
            self._streams.discard(task)

    @contextlib.asynccontextmanager
    async def _admitted(self, context: Context, method: str) -> AsyncIterator[None]:
        """Within: a call that the guard has let pass, and whose errors become statuses."""
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        id = request_id(metadata.get(HEADER))
        context.set_trailing_metadata(((HEADER, id),))
        try:
            if method.split("/")[1] not in OPEN:
                call.enter(call.Call(await self._admit(metadata, context.peer(), method, id), id))
            yield
        except grpc.aio.BaseError:
            raise  # the servicer has aborted the call itself
        except Exception as error:  # each has its row in the table
            if not isinstance(error, DSkityError):
                log.exception("gRPC %s failed", method, extra={"request_id": id})
            await _abort(context, error, id)

    async def _admit(self, metadata: call.Metadata, peer: str, method: str, id: str) -> Principal:
        """The caller, whose needs for rights are heard of; a wrong token is refused later."""
        address = call.peer_address(peer)
        made = Call("gRPC", method, address and address[0], id)
        try:
            principal = call.principal(self._guard, metadata, peer, self._port())
        except Unauthenticated as error:
            await self._guard.access.refused(error, made)
            raise
        return self._guard.access.watched(principal, made)


async def _not_served(request: Any, context: Context) -> None:
    """In place of what would block the loop; a method that a servicer left out is such a one."""
    del request, context
    raise Unsupported("this method is not implemented, or not written with `async def`")


async def _abort(context: Context, error: Exception, id: str) -> None:
    found = rpc_status.to_status(status(error, id))
    await context.abort(
        found.code,
        found.details,
        (*found.trailing_metadata, (HEADER, id)),
    )


def _kind(handler: grpc.RpcMethodHandler[Any, Any]) -> str:
    """`unary_unary`, `unary_stream`, `stream_unary` or `stream_stream`."""
    request = "stream" if handler.request_streaming else "unary"
    response = "stream" if handler.response_streaming else "unary"
    return f"{request}_{response}"
