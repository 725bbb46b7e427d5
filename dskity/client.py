"""A bus of one's own, for a command or a script: no modules, no doors, none of their imports."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator

from dskity.bus.bus import Bus
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher
from dskity.wires import choose_client, connection


@contextlib.asynccontextmanager
async def open_bus(settings: DSkitySettings, *, client_id: str | None = None) -> AsyncIterator[Bus]:
    """A bus on the broker that the settings name.

    Raises `NotConnected` where the broker does not answer within `common.mqtt.connect_timeout`.
    """
    mqtt, broker = settings.common.mqtt, settings.broker
    transport = choose_client(mqtt.client).make(
        connection(
            mqtt,
            url=mqtt.url or f"mqtt://{broker.host}:{broker.port}",
            client_id=client_id or f"dskity-{secrets.token_hex(6)}",
            clean_start=True,
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
