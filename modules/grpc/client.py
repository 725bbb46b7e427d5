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
        del methods  # they are in the generic handlers too
        self.names.append(service)


class _Served:
    """What all modules have added, and what the server knows."""

    def __init__(self) -> None:
        self.added: list[Servicers] = []
        self.announced: frozenset[str] | None = None
        """The names that the server announces, once it has started."""

    @property
    def names(self) -> list[str]:
        """The names of what is there now."""
        return [name for servicers in self.added for name in servicers.names]

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """As a handler of grpc: what is there at the time of the call takes it."""
        for servicers in self.added:
            for handler in servicers.handlers:
                found = handler.service(details)
                if found is not None:
                    return found
        return None


class GrpcClients:
    """See `contract.GrpcClient`. `scope` makes one for each module; server and channels are
    shared."""

    def __init__(
        self,
        served: _Served | None = None,
        channels: dict[str, grpc.aio.Channel] | None = None,
    ) -> None:
        self._served = _Served() if served is None else served
        self._channels = {} if channels is None else channels
        self._mine: list[Servicers] = []

    def scope(self) -> GrpcClients:
        """The same for one module; what is added through it ends with `withdraw`."""
        return GrpcClients(self._served, self._channels)

    def add(self, register: Callable[[Any], None], *service_names: str) -> None:
        """See `contract.GrpcClient`; `service_names` are further names for reflection.

        Raises `Conflict` where a service is there already; and once the server has started, unless
        it is one that a module has taken away, and brings back.
        """
        added = Servicers()
        register(added)
        added.names += [name for name in service_names if name not in added.names]
        for name in added.names:
            if name in self._served.names:
                raise Conflict(f"gRPC service {name!r} already exists: a name can be served once")
            announced = self._served.announced
            if announced is not None and name not in announced:
                raise Conflict("the gRPC server has started: add servicers in `register`")
        self._served.added.append(added)
        self._mine.append(added)

    def withdraw(self) -> None:
        """Take away what was added here: calls of it are UNIMPLEMENTED from now on."""
        mine, self._mine = self._mine, []
        for servicers in mine:
            self._served.added.remove(servicers)

    def take(self) -> Servicers:
        """What was added, for the server that starts now. Further names cannot be added."""
        _keep_poller()
        served = self._served
        served.announced = frozenset(served.names)
        taken = Servicers()
        taken.names += served.names
        taken.handlers.append(served)  # type: ignore[arg-type]  # it has what grpc calls
        return taken

    def channel(self, target: str) -> grpc.aio.Channel:
        """See `contract.GrpcClient`."""
        if target not in self._channels:
            import grpc.aio  # noqa: PLC0415

            _keep_poller()
            self._channels[target] = grpc.aio.insecure_channel(target)
        return self._channels[target]

    async def close(self) -> None:
        """Close all channels; calls under way are cancelled."""
        channels = dict(self._channels)
        self._channels.clear()
        for channel in channels.values():
            await channel.close()


def _keep_poller() -> None:
    """Have grpc's poller thread live as long as the process.

    Without this its end comes when the last server or channel is collected, wherever that is, and
    joins the thread: a blocking call in the middle of a loop.
    """
    import grpc.aio  # noqa: PLC0415

    grpc.aio.init_grpc_aio()
