"""What handlers get by type, beside what the binding itself knows."""

from __future__ import annotations

from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher
from dskity.modules.contract import KV, Commands, Registry, TransportClients


def provide(dispatcher: Dispatcher, clients: TransportClients, settings: DSkitySettings) -> None:
    """Have the handlers of this dispatcher get the clients of the runtime, and its settings."""
    dispatcher.provide(KV, clients.kv)
    dispatcher.provide(Registry, clients.registry)
    dispatcher.provide(Commands, clients.commands)
    dispatcher.provide(DSkitySettings, settings)
    dispatcher.provide_by_name("httpx", "AsyncClient", clients.make_http_client)
