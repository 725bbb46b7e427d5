"""A bus for a command or a script: no modules, no HTTP or gRPC API, none of their imports."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator

from dskity.broker.engines.listen import Listen
from dskity.broker.url import Urls
from dskity.bus.base.threads import blocking
from dskity.bus.bus import Bus
from dskity.bus.errors import NotConnected
from dskity.composition.mqtt_transport import connection, make_transport
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher
from dskity.process.running import find_running


@contextlib.asynccontextmanager
async def open_bus(
    settings: DSkitySettings, *, client_id: str | None = None, trial: bool = True
) -> AsyncIterator[Bus]:
    """A bus on the broker of `broker_url`.

    Without `trial` it publishes nothing of its own to find out what the broker can do. Raises
    `NotConnected` where the broker does not answer within `common.mqtt.connect_timeout`.
    """
    mqtt = settings.common.mqtt
    transport = make_transport(
        connection(
            mqtt,
            url=await blocking(broker_url, settings),
            client_id=client_id or f"dskity-{secrets.token_hex(6)}",
            clean_start=True,
            trial=trial,
        )
    )
    dispatcher = Dispatcher()
    bus = Bus(transport, dispatcher, root=settings.bus.root)
    try:
        await bus.start()
        await bus.link.wait_connected(mqtt.connect_timeout)
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


def broker_url(settings: DSkitySettings) -> Urls:
    """`common.mqtt.url`, or else our own broker: that of the runtime which runs on `state_dir`, or
    the one that the settings describe. `NotConnected` where they have port 0 and none runs."""
    if settings.common.mqtt.url is not None:
        return settings.common.mqtt.url
    running = find_running(settings.state_dir)
    if running is not None and running.broker is not None:
        return running.broker
    broker = settings.broker
    if broker.port == 0:
        raise NotConnected(
            f"broker.port is 0, and no runtime runs on state_dir {str(settings.state_dir)!r}: "
            "start `dskity`, or name the broker with --url"
        )
    listen = Listen(broker.host, broker.port, broker.websocket_port, broker.users_file)
    return listen.url(broker.port)
