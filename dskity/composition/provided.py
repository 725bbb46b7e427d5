"""What the runtime itself provides, beside what modules do: the settings, and an HTTP client."""

from __future__ import annotations

from dskity.bus.base.threads import ThreadPool
from dskity.config import DSkitySettings
from dskity.modules.providers.handle import Providers
from dskity.modules.providers.provision import NamedType
from dskity.modules.providers.registry import ProviderRegistry


def runtime_providers(settings: DSkitySettings, threads: ThreadPool) -> Providers:
    """A registry that has these two; plain pings run in `threads`."""
    providers = Providers(ProviderRegistry(threads))
    providers.provide(DSkitySettings, lambda: settings)
    providers.provide(NamedType("httpx", "AsyncClient"), _http_client, close=_close)
    return providers


def _http_client() -> object:
    """Made when the first module asks: the import and the system's certificates take 0.2 s of
    processor time and 9 MiB, which a runtime whose modules make no calls does without."""
    import httpx  # noqa: PLC0415

    return httpx.AsyncClient()


async def _close(client: object) -> None:
    await client.aclose()  # type: ignore[attr-defined]  # httpx is not imported here
