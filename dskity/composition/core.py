"""The lower half of a runtime: broker and connections. `bootstrap.py` builds the rest upon it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from dskity.broker.engines.engine import Engine, ExternalBroker, choose_engine
from dskity.broker.engines.listen import Listen
from dskity.broker.limits import Limits
from dskity.broker.url import Urls, listed
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.threads import ThreadPool
from dskity.bus.bus import Bus
from dskity.bus.errors import NotConnected
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.transport import Transport
from dskity.composition.connections import NamedConnection, connect, introduce
from dskity.composition.mqtt_transport import connection, make_transport
from dskity.composition.presence import Presence, state_message
from dskity.config import DSkitySettings
from dskity.config.sections.connections import DEFAULT, NamedMqttSettings
from dskity.handlers import Dispatcher
from dskity.handlers.dispatcher import THREADS_NAME

_FIRST_CONNECTION = 2.0  # seconds that modules wait for the broker before they start without it


@dataclass(frozen=True, slots=True)
class Core:
    """What carries messages, started. `connections` has `default` first, then those of `mqtt`."""

    engine: Engine
    presence: Presence
    connections: Mapping[str, NamedConnection]

    @property
    def dispatcher(self) -> Dispatcher:
        """The default connection's."""
        return self.connections[DEFAULT].dispatcher

    @property
    def bus(self) -> Bus:
        """The default connection's; the others are reachable from it by name."""
        return self.connections[DEFAULT].bus

    @property
    def others(self) -> Mapping[str, NamedConnection]:
        """The connections beside the default one."""
        return {name: entry for name, entry in self.connections.items() if name != DEFAULT}

    def open(self) -> None:
        """Hand on what was held for handlers, and from now on everything at once. Our session at
        the broker is complete now, and worth to be on its disk."""
        self.engine.save()
        for each in self.connections.values():
            each.bus.open()

    def leave(self) -> None:
        """See `Bus.leave`."""
        for each in self.connections.values():
            each.bus.leave()


async def start_core(
    settings: DSkitySettings,
    client_id: str,
    stack: AsyncExitStack,
    transports: Mapping[str, Transport],
    clock: Clock = SYSTEM_CLOCK,
) -> Core:
    """Start the broker if we run one, and the connections; messages for handlers are held until
    `open()`. `transports` take the place of MQTT connections, the one called `default` also that
    of the broker."""
    transport = transports.get(DEFAULT)
    if transport is None:
        engine = _engine(settings)
        stack.push_async_callback(engine.stop)
        await engine.start()
        urls = settings.common.mqtt.url or engine.url
        transport = _transport(settings, urls, client_id, engine.limits)
        where = listed(urls)
    else:
        engine = ExternalBroker(f"memory:{transport.client_id}")
        where = engine.url
    seen = await _open_seen(settings, stack, clock)
    threads = ThreadPool(THREADS_NAME, settings.bus.handler_threads)
    stack.callback(threads.close)
    connections = {DEFAULT: await connect(settings, transport, where, seen, stack, clock, threads)}
    for name, mqtt in settings.mqtt.items():
        transport = transports.get(name) or _further_transport(mqtt, client_id, name)
        where = listed(mqtt.url)
        connections[name] = await connect(
            settings, transport, where, seen, stack, clock, threads, name
        )
    introduce(connections)
    connections[DEFAULT].bus.link.watch(partial(_save_what_is_new, engine))
    presence = await _start(connections, settings.shutdown_grace_seconds, stack)
    return Core(engine, presence, connections)


async def _start(
    connections: Mapping[str, NamedConnection], grace: float, stack: AsyncExitStack
) -> Presence:
    """Start them all, and wait a moment for the default one: others may be away for days.

    At the end the handlers of all drain before any is closed, for they publish on each other's.
    """
    bus = connections[DEFAULT].bus
    presence = Presence(bus)
    for each in connections.values():
        stack.push_async_callback(each.bus.close)
    stack.push_async_callback(presence.end)
    stack.push_async_callback(_drain, [each.dispatcher for each in connections.values()], grace)
    for each in connections.values():
        await each.bus.start(hold=True)
    presence.start()
    with contextlib.suppress(NotConnected):
        await bus.link.wait_connected(_FIRST_CONNECTION)
    return presence


def _save_what_is_new(engine: Engine, connected: bool, *, resumed: bool) -> None:
    """A broker of ours that is killed before it has saved our session forgets what we are
    subscribed to, and with it all that comes until we are back."""
    if connected and not resumed:
        engine.save()


async def _drain(dispatchers: Iterable[Dispatcher], grace: float) -> None:
    await asyncio.gather(*(dispatcher.close(grace) for dispatcher in dispatchers))


async def _open_seen(settings: DSkitySettings, stack: AsyncExitStack, clock: Clock) -> DedupStore:
    """The file behind `dedupe`."""
    seen = DedupStore(
        settings.state_dir / "seen.db",
        what="the record of handled keys",
        keep=settings.bus.dedupe_max_window_seconds,
        clock=clock,
    )
    await seen.open()
    stack.push_async_callback(seen.close)
    return seen


def _engine(settings: DSkitySettings) -> Engine:
    broker = settings.broker
    return choose_engine(
        broker.engine,
        settings.common.mqtt.url,
        listen=Listen(
            broker.host,
            broker.port,
            broker.websocket_port,
            broker.users_file,
            websocket_origins=broker.websocket_origins,
        ),
        state_dir=settings.state_dir,
        user=broker.user,
    )


def _transport(settings: DSkitySettings, url: Urls, client_id: str, limits: Limits) -> Transport:
    will = state_message(settings.bus.root, client_id, "lost", 0)
    mqtt = settings.common.mqtt
    return make_transport(connection(mqtt, url=url, client_id=client_id, will=will, limits=limits))


def _further_transport(mqtt: NamedMqttSettings, client_id: str, name: str) -> Transport:
    own = mqtt.client_id or f"{client_id}-{name}"
    return make_transport(connection(mqtt, url=mqtt.url, client_id=own))
