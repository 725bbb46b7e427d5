"""`dskity.v1.Registry`: the service registry."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from dskity.modules.contract import Registry
from dskity.modules.grpc import encoding
from dskity.modules.grpc.call import current
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import RegistryServicer


class RegistryService(RegistryServicer):
    """A caller needs the right to subscribe to `{root}/registry/#`, where the same is retained."""

    def __init__(self, registry: Registry, root: str) -> None:
        self._registry = registry
        self._topics = f"{root}/registry/#"

    async def List(  # noqa: N802  # the interface's name
        self, request: pb.ListInstancesRequest, context: ServicerContext[Any, Any]
    ) -> pb.ListInstancesResponse:
        """See dskity.proto."""
        del context
        current().principal.require_subscribe(self._topics)
        services = [request.service] if request.HasField("service") else self._registry.services()
        return pb.ListInstancesResponse(
            instances=[
                encoding.instance(instance)
                for service in services
                for instance in self._registry.instances(service)
            ]
        )
