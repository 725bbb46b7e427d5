"""The lower half of a runtime: broker, connection, bus. `bootstrap.py` builds the rest upon it."""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass

from dskity.broker.engine import Engine, ExternalBroker, choose_engine
from dskity.broker.listen import Listen
from dskity.bus.bus import Bus
from dskity.bus.errors import NotConnected
from dskity.bus.outbox import Outbox
from dskity.bus.seen import Seen
from dskity.bus.spool import Bounds, Spool
from dskity.bus.transport import Transport
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher
from dskity.presence import Presence, state_message
from dskity.wires import Client, choose_client, connection

_FIRST_CONNECTION = 2.0  # seconds that modules wait for the broker before they start without it


@dataclass(frozen=True, slots=True)
class Core:
    """What carries messages, started."""

    engine: Engine
    client: Client
    dispatcher: Dispatcher
    bus: Bus
    presence: Presence


async def start_core(
    settings: DSkitySettings,
    client_id: str,
    stack: AsyncExitStack,
    transport: Transport | None = None,
) -> Core:
    """Start the broker if we run one, and the bus; messages for handlers are held until
    `bus.open()`. `transport` takes the place of the MQTT connection and of the broker."""
    client = choose_client(settings.common.mqtt.client)
    if transport is None:
        engine = _engine(settings)
        stack.push_async_callback(engine.stop)
        await engine.start()
        transport = _transport(settings, client, engine.url, client_id)
    else:
        engine = ExternalBroker(f"memory:{transport.client_id}")
    inbox, seen = await _open_records(settings, stack)
    dispatcher = Dispatcher(
        max_in_flight=settings.bus.max_in_flight,
        max_in_flight_bytes=settings.bus.max_in_flight_bytes,
        inbox=inbox,
        seen=seen,
    )
    bus = Bus(transport, dispatcher, root=settings.bus.root, outbox=_outbox(settings))
    presence = Presence(bus)
    stack.push_async_callback(bus.close)
    stack.push_async_callback(presence.end)
    stack.push_async_callback(dispatcher.close, settings.shutdown_grace_seconds)
    await bus.start(hold=True)
    presence.start()
    with contextlib.suppress(NotConnected):
        await bus.link.wait_connected(_FIRST_CONNECTION)
    return Core(engine, client, dispatcher, bus, presence)


async def _open_records(settings: DSkitySettings, stack: AsyncExitStack) -> tuple[Spool, Seen]:
    """The files behind `ack="stored"` and `dedupe`."""
    limits = settings.bus.inbox
    inbox = Spool(
        settings.state_dir / "inbox.db",
        what="the inbox",
        bounds=Bounds(limits.max_messages, limits.max_bytes),
    )
    seen = Seen(
        settings.state_dir / "seen.db",
        what="the record of handled keys",
        keep=settings.bus.dedupe_max_window_seconds,
    )
    for record in (inbox, seen):
        await record.open()
        stack.push_async_callback(record.close)
    return inbox, seen


def _outbox(settings: DSkitySettings) -> Outbox | None:
    limits = settings.bus.outbox
    if not limits.enabled:
        return None
    return Outbox(
        settings.state_dir / "outbox.db",
        bounds=Bounds(limits.max_messages, limits.max_bytes, limits.policy),
        max_age=limits.max_age_seconds,
    )


def _engine(settings: DSkitySettings) -> Engine:
    broker = settings.broker
    return choose_engine(
        broker.engine,
        settings.common.mqtt.url,
        listen=Listen(broker.host, broker.port, broker.websocket_port, broker.users_file),
        state_dir=settings.state_dir,
    )


def _transport(settings: DSkitySettings, client: Client, url: str, client_id: str) -> Transport:
    will = state_message(settings.bus.root, client_id, "lost", 0)
    return client.make(connection(settings.common.mqtt, url=url, client_id=client_id, will=will))
