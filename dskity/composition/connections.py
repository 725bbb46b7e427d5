"""The connections of a runtime: each a transport, dispatcher, bus, outbox and inbox of its own.

The record of handled keys is one for all, so that `dedupe` knows a message that comes from two
brokers; and so are the threads of plain handlers, whose bound is the runtime's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dskity.bus.base.clock import Clock
from dskity.bus.base.threads import ThreadPool
from dskity.bus.bus import Bus
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.spool import Bounds, Spool
from dskity.bus.transport import Transport
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher


@dataclass(frozen=True, slots=True)
class NamedConnection:
    """One broker's; not started, its inbox open. `where` is the broker's address, for people."""

    where: str
    dispatcher: Dispatcher
    bus: Bus


async def connect(
    settings: DSkitySettings,
    transport: Transport,
    where: str,
    seen: DedupStore,
    stack: AsyncExitStack,
    clock: Clock,
    threads: ThreadPool,
    name: str | None = None,
) -> NamedConnection:
    """The connection called `name`, None for the one of `common.mqtt`."""
    inbox = _inbox(settings, name)
    await inbox.open()
    stack.push_async_callback(inbox.close)
    dispatcher = Dispatcher(
        max_in_flight=settings.bus.max_in_flight,
        max_in_flight_bytes=settings.bus.max_in_flight_bytes,
        overload=settings.bus.qos0_overload,
        inbox=inbox,
        seen=seen,
        threads=threads,
    )
    outbox = _outbox(settings, name, clock)
    bus = Bus(
        transport,
        dispatcher,
        root=settings.bus.root,
        outbox=outbox,
        reply_topics=settings.bus.reply_topics,
        clock=clock,
    )
    return NamedConnection(where, dispatcher, bus)


def introduce(connections: Mapping[str, NamedConnection]) -> None:
    """Make every bus reachable by name from every bus."""
    for connection in connections.values():
        for name, other in connections.items():
            connection.bus.add_connection(name, other.bus)


def _inbox(settings: DSkitySettings, name: str | None) -> Spool:
    limits = settings.bus.inbox
    return Spool(
        _file(settings, "inbox", name),
        what=f"the inbox{_of(name)}",
        bounds=Bounds(limits.max_messages, limits.max_bytes),
    )


def _outbox(settings: DSkitySettings, name: str | None, clock: Clock) -> Outbox | None:
    limits = settings.bus.outbox
    if not limits.enabled:
        return None
    return Outbox(
        _file(settings, "outbox", name),
        bounds=Bounds(limits.max_messages, limits.max_bytes, limits.policy),
        max_age=limits.max_age_seconds,
        clock=clock,
    )


def _file(settings: DSkitySettings, kind: str, name: str | None) -> Path:
    return settings.state_dir / (f"{kind}.db" if name is None else f"{kind}-{name}.db")


def _of(name: str | None) -> str:
    return "" if name is None else f" of {name}"
