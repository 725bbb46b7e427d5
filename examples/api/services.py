"""The key-value store, the registry and commands, and the events that they publish."""

import asyncio
import tempfile
from pathlib import Path

from dskity import KV, Change, Commands, Conflict, Entry, Execution, KvSet, Registry, ServiceUp
from dskity.testing import Runtimes, ScriptedBroker, isolated_settings


async def keys(kv: KV) -> None:
    """Values with versions and a time to live."""
    version = await kv.put("sessions/ann", {"cart": 3}, ttl_seconds=60)
    entry: Entry | None = await kv.entry("sessions/ann")
    assert entry is not None
    assert (entry.value, entry.version) == ({"cart": 3}, version)
    try:
        await kv.put("sessions/ann", {}, if_version=version + 1)
    except Conflict:
        pass  # somebody else has written since
    changes = kv.watch("sessions/")
    following: asyncio.Task[Change] = asyncio.ensure_future(anext(aiter(changes)))
    await asyncio.sleep(0)
    await kv.delete("sessions/ann")
    assert (await following).kind == "deleted"


async def who_is_there(registry: Registry) -> None:
    """Services announce themselves, and are found by name."""
    await registry.register("orders", "orders-1", "http://127.0.0.1:8001", ttl_seconds=30)
    assert [entry.url for entry in registry.instances("orders")] == ["http://127.0.0.1:8001"]


async def switch(commands: Commands) -> None:
    """A command to a device that does not answer here."""
    execution: Execution = await commands.execute("lamp-1", "on", {"level": 80}, ttl=5)
    assert execution.state in {"accepted", "sent"}
    assert (await commands.cancel(execution.id)).state == "cancelled"


async def main() -> None:
    """Run it in memory."""
    with tempfile.TemporaryDirectory() as folder:
        runtimes = Runtimes(isolated_settings(Path(folder)), ScriptedBroker())
        runtime = await runtimes()
        async with runtime.bus.stream(f"{runtime.bus.root}/kv/set/#") as events:
            await keys(runtime.clients.kv)
            assert (await anext(events)).json()["type"] == KvSet.type
        async with runtime.bus.stream(f"{runtime.bus.root}/registry/+/+/up") as events:
            await who_is_there(runtime.clients.registry)
            assert (await anext(events)).json()["type"] == ServiceUp.type
        await switch(runtime.clients.commands)
        await runtimes.close()


if __name__ == "__main__":
    asyncio.run(main())
