"""A bus in a cell, with all that it keeps on the disk, as a runtime has it. It can crash, and come
back to its folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.spool import Spool
from dskity.handlers import Dispatcher
from dskity.handlers.in_flight import Overload
from tests.contract.house import Client, House
from tests.waiting import until


@dataclass(eq=False)
class Box:
    """One life of it. Handlers that are subscribed before `ready` miss nothing that waits."""

    client: Client
    bus: Bus
    dispatcher: Dispatcher
    inbox: Spool
    seen: DedupStore
    _ended: bool = field(default=False, init=False)

    async def ready(self) -> None:
        """Let messages come, and wait for the connection."""
        self.bus.open()
        await self.bus.link.wait_connected(10)

    async def leave(self) -> None:
        """Its line is cut, and stays so."""
        self.client.unplug()
        await until(lambda: not self.bus.connected, "the loss is noticed")

    async def come_back(self) -> None:
        """Its line is there again."""
        self.client.plug_in()
        await self.bus.link.wait_connected(10)

    async def crash(self) -> None:
        """End without a goodbye, with what it was at: the broker hears of nothing more."""
        await self.leave()
        await self.stop()

    async def stop(self) -> None:
        """End."""
        if self._ended:
            return
        self._ended = True
        await self.dispatcher.close()
        await self.bus.close()
        await self.inbox.close()
        await self.seen.close()


@asynccontextmanager
async def box(
    house: House,
    folder: Path,
    name: str = "box",
    *,
    away: bool = False,
    max_in_flight: int = 1000,
    overload: Overload = "wait",
    **settings: Any,
) -> AsyncIterator[Box]:
    """One that is started, and holds what comes; `away`: its line is cut from the beginning."""
    client = await house.client(name, **settings)
    inbox = Spool(folder / f"{name}-inbox.db", what="the inbox")
    seen = DedupStore(folder / f"{name}-seen.db", what="the keys", keep=3600)
    await inbox.open()
    await seen.open()
    dispatcher = Dispatcher(max_in_flight=max_in_flight, overload=overload, inbox=inbox, seen=seen)
    outbox = Outbox(folder / f"{name}-outbox.db")
    made = Box(client, Bus(client.transport, dispatcher, outbox=outbox), dispatcher, inbox, seen)
    if away:
        client.unplug()
    await made.bus.start(hold=True)
    try:
        yield made
    finally:
        await made.stop()
