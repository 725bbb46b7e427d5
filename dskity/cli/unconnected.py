"""A bus that is never started: handlers are bound to it as to a real one, and nothing is opened."""

from __future__ import annotations

from typing import Any, cast

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.spool import Spool
from dskity.composition.provided import provide
from dskity.config import DSkitySettings
from dskity.config.sections.connections import DEFAULT
from dskity.handlers import Dispatcher
from dskity.modules.contract import TransportClients

_NOTHING = cast("Any", None)


def unconnected_bus(settings: DSkitySettings) -> Bus:
    """The default one; those of `mqtt` are reachable from it by name."""
    bus = _bus(settings)
    bus.add_connection(DEFAULT, bus)
    for name in settings.mqtt:
        bus.add_connection(name, _bus(settings))
    return bus


def _bus(settings: DSkitySettings) -> Bus:
    state_dir = settings.state_dir
    dispatcher = Dispatcher(
        inbox=Spool(state_dir / "inbox.db", what="the inbox"),
        seen=DedupStore(
            state_dir / "seen.db",
            what="the record of handled keys",
            keep=settings.bus.dedupe_max_window_seconds,
        ),
    )
    bus = Bus(MemoryTransport(MemoryBroker(), "unconnected"), dispatcher, root=settings.bus.root)
    provide(dispatcher, _no_clients(bus), settings)
    return bus


def _no_clients(bus: Bus) -> TransportClients:
    """Binding looks at types alone; that there is no value would show when a handler runs."""
    return TransportClients(
        bus=bus,
        mqtt=_NOTHING,
        http=_NOTHING,
        grpc=_NOTHING,
        kv=_NOTHING,
        registry=_NOTHING,
        commands=_NOTHING,
        events=_NOTHING,
        make_http_client=lambda: None,
        logger=_NOTHING,
    )
