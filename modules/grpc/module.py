"""The module `grpc`: adds the servicers of `dskity.v1` to the server."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from dskity.modules.contract import KV, Commands, Module, ModuleMeta, Registry, TransportClients
from dskity.modules.grpc.bus_service import BusService
from dskity.modules.grpc.commands_service import CommandsService
from dskity.modules.grpc.kv_service import KvService
from dskity.modules.grpc.registry_service import RegistryService
from dskity.modules.grpc.v1 import dskity_pb2_grpc as stubs


class GrpcModule(Module):
    """`stream_buffer` is how many messages may wait for a slow subscriber."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="grpc")

    def __init__(self, stream_buffer: int = 1000) -> None:
        self._stream_buffer = stream_buffer

    def register(self, clients: TransportClients, config: Any) -> None:
        """Add them."""
        del config
        root = clients.bus.root
        add = clients.grpc.add
        add(partial(stubs.add_BusServicer_to_server, BusService(clients.bus, self._stream_buffer)))
        # Each of these is there unless its module is disabled.
        if (kv := clients.find(KV)) is not None:
            add(partial(stubs.add_KvServicer_to_server, KvService(kv, root)))
        if (registry := clients.find(Registry)) is not None:
            add(partial(stubs.add_RegistryServicer_to_server, RegistryService(registry, root)))
        if (commands := clients.find(Commands)) is not None:
            add(partial(stubs.add_CommandsServicer_to_server, CommandsService(commands, root)))
