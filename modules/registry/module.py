"""The module `registry`: the registry's life, and discovery over the bus."""

from __future__ import annotations

from typing import ClassVar

from dskity.modules.contract import Module, ModuleMeta, TransportClients
from dskity.modules.registry.discovery import Discovery
from dskity.modules.registry.service import ServiceRegistry


class RegistryModule(Module):
    """Starts and stops the registry that is `clients.registry`."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="registry", base_path="/_core/services")

    def __init__(self, registry: ServiceRegistry) -> None:
        self._registry = registry
        self._discovery: Discovery | None = None

    async def on_startup(self, clients: TransportClients) -> None:
        """Watch, announce and answer; nothing here waits for the broker."""
        await self._registry.start()
        self._discovery = Discovery(self._registry, clients.bus)
        await self._discovery.start()

    async def on_shutdown(self, clients: TransportClients) -> None:
        """Say goodbye for all instances of this runtime."""
        del clients
        if self._discovery is not None:
            await self._discovery.stop()
        await self._registry.stop()
