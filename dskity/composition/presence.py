"""The runtime's own state, retained at `{root}/runtime/{instance}/state`; the will says `lost`."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from dskity.bus.background_publisher import BackgroundPublisher, as_it_is
from dskity.bus.bus import Bus
from dskity.bus.message import JSON_TYPE, Message
from dskity.bus.topics import quote_level

RuntimeState: TypeAlias = Literal["starting", "ready", "draining", "stopped", "lost"]


def state_message(root: str, instance: str, state: RuntimeState, since: float) -> Message:
    """The retained message; `since` is Unix seconds, 0 in a will, which cannot know."""
    body = {"instance": instance, "state": state, "since": since}
    return Message(
        f"{root}/runtime/{quote_level(instance)}/state",
        json.dumps(body).encode(),
        retain=True,
        content_type=JSON_TYPE,
    )


class Presence:
    """Publishes the state, and again at each reconnect: the will may have said `lost`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._publisher = BackgroundPublisher(bus, as_it_is, name="runtime state")
        self._state: RuntimeState = "starting"

    def start(self) -> None:
        """Tell `starting`."""
        self._publisher.start()
        self._bus.link.watch(self._link_changed)
        self.tell("starting")

    def tell(self, state: RuntimeState) -> None:
        """Publish `state` soon; while the broker is away, the reconnect does it."""
        self._state = state
        if self._bus.connected:
            self._publisher.put(self._message())

    async def end(self) -> None:
        """Tell `stopped`, and wait until it is told."""
        self.tell("stopped")
        await self._publisher.close()

    def _link_changed(self, connected: bool, *, resumed: bool) -> None:
        del resumed
        if connected:
            self._publisher.put(self._message())

    def _message(self) -> Message:
        bus = self._bus
        return state_message(bus.root, bus.client_id, self._state, bus.clock.time())
