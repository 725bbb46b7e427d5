"""A user's servicer with one method of each kind, registered as generated code does it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from dskity.modules.grpc import call

SERVICE = "test.Echo"


async def _say(request: bytes, context: Any) -> bytes:
    return request


async def _fail(request: bytes, context: Any) -> bytes:
    raise RuntimeError("the password is hunter2")


async def _abort(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.DATA_LOSS, "gone")
    return request


async def _who(request: bytes, context: Any) -> bytes:
    current = call.current()
    return f"{current.principal.name} {current.request_id}".encode()


async def _forever(request: bytes, context: Any) -> AsyncIterator[bytes]:
    try:
        while True:
            yield request
    finally:
        ended.append(request)


async def _join(requests: AsyncIterator[bytes], context: Any) -> bytes:
    return b" ".join([request async for request in requests])


def _blocking(request: bytes, context: Any) -> bytes:
    return request


ended: list[bytes] = []
"""The requests of `Forever` calls whose generator was closed."""


def register(server: Any, service: str = SERVICE) -> None:
    """What a generated `add_…Servicer_to_server` does."""
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Say": grpc.unary_unary_rpc_method_handler(_say),
        "Fail": grpc.unary_unary_rpc_method_handler(_fail),
        "Abort": grpc.unary_unary_rpc_method_handler(_abort),
        "Who": grpc.unary_unary_rpc_method_handler(_who),
        "Forever": grpc.unary_stream_rpc_method_handler(_forever),
        "Join": grpc.stream_unary_rpc_method_handler(_join),
        "Blocking": grpc.unary_unary_rpc_method_handler(_blocking),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    server.add_registered_method_handlers(service, methods)


def method(channel: grpc.aio.Channel, name: str) -> Callable[..., Any]:
    """A caller of one of the unary methods."""
    return channel.unary_unary(f"/{SERVICE}/{name}")
