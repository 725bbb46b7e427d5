"""`dskity.v1.Kv`: the key-value store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from dskity.bus.errors import NotFound
from dskity.modules.access.doors import closing
from dskity.modules.contract import KV
from dskity.modules.grpc import encoding
from dskity.modules.grpc.call import current
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import KvServicer


class KvService(KvServicer):
    """A caller needs the right to publish to `{root}/kv/{get,put,delete,keys}`, the topics that do
    the same over MQTT, or to subscribe to `{root}/kv/#`."""

    def __init__(self, kv: KV, root: str) -> None:
        self._kv = kv
        self._root = f"{root}/kv"

    async def Get(  # noqa: N802  # the interface's name
        self, request: pb.GetRequest, context: ServicerContext[Any, Any]
    ) -> pb.Entry:
        """See dskity.proto."""
        del context
        self._require("get")
        entry = await self._kv.entry(request.key)
        if entry is None:
            raise NotFound(f"no key {request.key!r}: it was never set, deleted, or has expired")
        return encoding.entry(entry)

    async def Put(  # noqa: N802  # the interface's name
        self, request: pb.PutRequest, context: ServicerContext[Any, Any]
    ) -> pb.PutResponse:
        """See dskity.proto."""
        del context
        self._require("put")
        version = await self._kv.put(
            request.key,
            encoding.json_of("value", request.value),
            request.ttl_seconds if request.HasField("ttl_seconds") else None,
            request.if_version if request.HasField("if_version") else None,
        )
        return pb.PutResponse(version=version)

    async def Delete(  # noqa: N802  # the interface's name
        self, request: pb.DeleteRequest, context: ServicerContext[Any, Any]
    ) -> pb.DeleteResponse:
        """See dskity.proto."""
        del context
        self._require("delete")
        deleted = await self._kv.delete(
            request.key, request.if_version if request.HasField("if_version") else None
        )
        return pb.DeleteResponse(deleted=deleted)

    async def List(  # noqa: N802  # the interface's name
        self, request: pb.ListKeysRequest, context: ServicerContext[Any, Any]
    ) -> pb.ListKeysResponse:
        """See dskity.proto."""
        del context
        self._require("keys")
        return pb.ListKeysResponse(keys=await self._kv.keys(request.prefix))

    async def Watch(  # noqa: N802  # the interface's name
        self, request: pb.WatchKeysRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.Change]:
        """See dskity.proto."""
        current().principal.require_subscribe(f"{self._root}/#")
        async with closing(self._kv.watch(request.prefix)) as changes:
            await context.send_initial_metadata(())
            async for change in changes:
                yield encoding.change(change)

    def _require(self, verb: str) -> None:
        current().principal.require_publish(f"{self._root}/{verb}")
