"""Answering requests on the bus, for a module: by one of several runtimes, if they can share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler


async def answer(bus: Bus, handlers: Mapping[str, AnyHandler], group: str, **policy: Any) -> None:
    """Wait for the broker, then subscribe each handler to its topic below `{root}/`.

    Only then is it known whether the broker has shared subscriptions. With them one runtime of
    the `group` answers a request; without, each of them does. It is the control lane that they
    come on: they pass a flood of telemetry, and the broker keeps none for a runtime that is gone.
    Each topic has a group of its own, for rumqttd serves but one filter of a group.
    """
    await bus.link.up()
    shares = bus.capabilities.shared
    for topic, handler in handlers.items():
        await bus.subscribe(
            f"{bus.root}/{topic}",
            handler,
            group=f"{group}-{topic.rpartition('/')[2]}" if shares else None,
            lane="control",
            **policy,
        )
