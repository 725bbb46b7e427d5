"""The reflection service, imported at its first call: it takes 0.9 MiB, and most servers are never
asked for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from dskity.bus.base.threads import blocking
from dskity.modules.grpc.malformed import Deserialize, lenient, well_formed

if TYPE_CHECKING:
    from types import ModuleType

SERVICE_NAME = "grpc.reflection.v1alpha.ServerReflection"
_METHOD = "ServerReflectionInfo"


def handler(names: Sequence[str]) -> grpc.GenericRpcHandler:
    """Answers for the services `names`."""

    async def info(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        reflection, messages = await blocking(_load)
        parse = messages.ServerReflectionRequest.FromString
        servicer = reflection.aio.ReflectionServicer(names)
        async for response in servicer.ServerReflectionInfo(_parsed(requests, parse), context):
            yield response.SerializeToString()

    return grpc.method_handlers_generic_handler(
        SERVICE_NAME, {_METHOD: grpc.stream_stream_rpc_method_handler(info)}
    )


async def _parsed(requests: AsyncIterator[bytes], parse: Deserialize) -> AsyncIterator[Any]:
    read = lenient(parse)
    async for request in requests:
        yield well_formed(read(request))


def _load() -> tuple[ModuleType, ModuleType]:
    from grpc_reflection.v1alpha import reflection, reflection_pb2  # noqa: PLC0415  # see above

    return reflection, reflection_pb2
