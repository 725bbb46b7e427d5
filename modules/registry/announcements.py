"""What is said of instances: `up`, `down`, and an entry that is cleared."""

from __future__ import annotations

from dskity.bus.bus import Bus
from dskity.bus.events import ServiceDown, ServiceUp
from dskity.modules.contract import Instance
from dskity.modules.registry.entry import entry_topic
from dskity.modules.registry.presence import Cause, Key


async def say_up(bus: Bus, instance: Instance) -> None:
    """Publish that an instance has come."""
    one = instance
    await bus.emit(
        ServiceUp(one.service, one.instance, "registered", one.registered_at, one.url, one.kind)
    )


async def say_down(bus: Bus, instance: Instance, cause: Cause) -> None:
    """Publish that an instance has gone, and why."""
    one = instance
    await bus.emit(
        ServiceDown(one.service, one.instance, cause, one.registered_at, one.url, one.kind)
    )


async def clear(bus: Bus, key: Key) -> None:
    """Clear the retained entry."""
    await bus.publish(entry_topic(bus.root, *key), b"", retain=True)
