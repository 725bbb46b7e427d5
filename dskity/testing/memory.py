"""A bus in memory, without a runtime round it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.spool import Spool
from dskity.bus.transport import Transport
from dskity.handlers import Dispatcher

_DAY = 86_400.0  # seconds; the window of `dedupe` that a test may ask for


@asynccontextmanager
async def memory_bus(transport: Transport, *, clock: Clock = SYSTEM_CLOCK) -> AsyncIterator[Bus]:
    """A started bus with all that a runtime's has: handlers, outbox, inbox, record of seen keys.

    These three are in memory too. At the end handlers that still run are cancelled.
    """
    inbox = Spool(None, what="the inbox")
    seen = DedupStore(None, what="the record of handled keys", keep=_DAY, clock=clock)
    async with AsyncExitStack() as stack:
        for record in (inbox, seen):
            await record.open()
            stack.push_async_callback(record.close)
        dispatcher = Dispatcher(inbox=inbox, seen=seen)
        bus = Bus(transport, dispatcher, outbox=Outbox(None, clock=clock), clock=clock)
        stack.push_async_callback(bus.close)
        stack.push_async_callback(dispatcher.close)
        await bus.start()
        yield bus
