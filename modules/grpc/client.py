"""`clients.grpc`: servicers that modules add to our server, and shared channels to others.

grpc is imported by the first who needs it: a runtime without its door may have no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dskity.bus.errors import Conflict

if TYPE_CHECKING:
    import grpc


class Servicers:
    """What generated `add_…Servicer_to_server` functions take for a server.

    It only keeps what they add, so that a servicer that fails does so in the module that adds it,
    and not when the server starts.
    """

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []
        self.names: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Called by generated code, once for each service."""
        self.handlers += handlers

    def add_registered_method_handlers(
        self, service: str, methods: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Called by generated code, once for each service."""
        if service in self.names:
            raise Conflict(f"gRPC service {service!r} is there already: a name can be served once")
        del methods  # they are in the generic handlers too
        self.names.append(service)


class GrpcClients:
    """See `contract.GrpcClient`."""

    def __init__(self) -> None:
        self._servicers = Servicers()
        self._served = False
        self._channels: dict[str, grpc.aio.Channel] = {}

    def add(self, register: Callable[[Any], None], *service_names: str) -> None:
        """See `contract.GrpcClient`; `service_names` are further names for reflection.

        Raises `Conflict` once the server has started, and where a service is there already.
        """
        if self._served:
            raise Conflict("the gRPC server has started: add servicers in `register`")
        register(self._servicers)
        self._servicers.names += [n for n in service_names if n not in self._servicers.names]

    def take(self) -> Servicers:
        """What was added, for the server that starts now; nothing can be added from here on."""
        _keep_poller()
        self._served = True
        return self._servicers

    def channel(self, target: str) -> grpc.aio.Channel:
        """See `contract.GrpcClient`."""
        if target not in self._channels:
            import grpc.aio  # noqa: PLC0415

            _keep_poller()
            self._channels[target] = grpc.aio.insecure_channel(target)
        return self._channels[target]

    async def close(self) -> None:
        """Close all channels; calls under way are cancelled."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()


def _keep_poller() -> None:
    """Have grpc's poller thread live as long as the process.

    Without this its end comes when the last server or channel is collected, wherever that is, and
    joins the thread: a blocking call in the middle of a loop.
    """
    import grpc.aio  # noqa: PLC0415

    grpc.aio.init_grpc_aio()
