"""A type that one module provides and a handler of another one gets, and metrics."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dskity import Drop, Metric, Metrics, Module, ModuleMeta, TransportClients, on
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings


class Quota:
    """At most `limit` messages in all."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def take(self) -> bool:
        """Whether there was one left."""
        self.left -= 1
        return self.left >= 0


class Quotas(Module):
    """Provides a `Quota`, and shows how much of it is left."""

    meta = ModuleMeta("quotas")

    def register(self, clients: TransportClients, config: Any) -> None:
        """One line for each thing that it provides."""
        del config  # there are no settings
        self.quota = Quota(limit=2)
        clients.provide(Quota, lambda: self.quota, name="quota")
        clients.provide(Metrics, lambda: self.metrics, name="quotas")

    def metrics(self) -> Iterator[Metric]:
        """Read at each scrape of `/metrics`."""
        yield Metric("quotas_left", "gauge", "Messages that may still come.", self.quota.left)


class Notes(Module):
    """Its handler names the type that it wants."""

    meta = ModuleMeta("notes", depends_on=("quotas",))

    @on("notes/{author}")
    async def note(self, text: str, author: str, quota: Quota) -> str:
        """What comes above the quota is dropped; the returned value answers a request."""
        if not quota.take():
            raise Drop("over the quota")
        return f"{author}: {text}"


async def main() -> None:
    """Run it in memory."""
    with tempfile.TemporaryDirectory() as folder:
        runtimes = Runtimes(isolated_settings(Path(folder)), ScriptedBroker())
        runtime = await runtimes(Quotas(), Notes())
        answer = await runtime.bus.request("notes/ann", "hello")
        assert answer.text() == "ann: hello"
        assert runtime.clients.get(Quota).left == 1
        async with http_client(runtime.app) as client:
            assert "quotas_left 1" in (await client.get("/metrics")).text
        await runtimes.close()


if __name__ == "__main__":
    asyncio.run(main())
