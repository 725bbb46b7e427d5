"""The module `http`: adds our routes to the app. The runtime starts the server, last of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from dskity.modules.contract import KV, Commands, Module, ModuleMeta, Registry, TransportClients
from dskity.modules.http.routes import commands, kv, requests, root, services, stream, topics


class HttpModule(Module):
    """`name` is the service's; `enabled_modules` tells the modules that are enabled now."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="http", version="1")

    def __init__(self, name: str, enabled_modules: Callable[[], Sequence[str]]) -> None:
        self._name = name
        self._enabled_modules = enabled_modules

    def register(self, clients: TransportClients, config: Any) -> None:
        """Add the routes."""
        del config  # all that it needs came to the constructor
        app, bus = clients.http, clients.bus
        streams = app.state.streams
        app.include_router(root.routes(self._name, self._enabled_modules))
        topics.add_routes(app, bus)
        app.include_router(requests.routes(bus))
        app.include_router(stream.routes(bus, streams))
        # Each of these is there unless its module is disabled.
        if (keys := clients.find(KV)) is not None:
            app.include_router(kv.routes(keys, bus.root))
        if (registry := clients.find(Registry)) is not None:
            app.include_router(services.routes(registry, bus.root))
        if (executions := clients.find(Commands)) is not None:
            app.include_router(commands.routes(executions, bus.root, streams))
