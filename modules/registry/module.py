"""The module `registry`: the registry's life, and discovery over the bus."""

from __future__ import annotations

from typing import Any, ClassVar

from dskity.modules.contract import Module, ModuleMeta, Registry, TransportClients
from dskity.modules.registry.discovery import Discovery
from dskity.modules.registry.service import ServiceRegistry


class RegistryModule(Module):
    """Starts and stops the registry that is `clients.registry`."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="registry", base_path="/_core/services")
    provides: ClassVar[tuple[type, ...]] = (Registry,)

    def __init__(self, registry: ServiceRegistry) -> None:
        self._registry = registry
        self._discovery: Discovery | None = None

    def register(self, clients: TransportClients, config: Any) -> None:
        """Provide it."""
        del config  # all that it needs came to the constructor
        clients.provide(Registry, lambda: self._registry)

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
