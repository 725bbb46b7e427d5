"""The lower half of a runtime: broker, connection, bus. `bootstrap.py` builds the rest upon it."""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass

from dskity.broker.engine import Engine, ExternalBroker, choose_engine
from dskity.broker.listen import Listen
from dskity.bus.bus import Bus
from dskity.bus.errors import NotConnected
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
    limits = settings.bus
    dispatcher = Dispatcher(
        max_in_flight=limits.max_in_flight, max_in_flight_bytes=limits.max_in_flight_bytes
    )
    bus = Bus(transport, dispatcher, root=limits.root)
    presence = Presence(bus)
    stack.push_async_callback(bus.close)
    stack.push_async_callback(presence.end)
    stack.push_async_callback(dispatcher.close, settings.shutdown_grace_seconds)
    await bus.start(hold=True)
    presence.start()
    with contextlib.suppress(NotConnected):
        await bus.link.wait_connected(_FIRST_CONNECTION)
    return Core(engine, client, dispatcher, bus, presence)


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
