"""`clients.events`: named events in this runtime, and through the bus in all on the same broker.

An event travels on `{root}/events/{name}` as a structured CloudEvents object. Local handlers are
called by `emit` itself; what this runtime published is not handled again when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dskity.bus import topics
from dskity.bus.background_publisher import BackgroundPublisher, as_it_is
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidPayload
from dskity.bus.events import EVENT_TYPE, SPEC_VERSION
from dskity.bus.message import Message, encode_payload
from dskity.bus.routing.subscriptions import Subscription
from dskity.modules.clients.calls import Call, call, check_call, name_of
from dskity.modules.clients.tasks import Tasks

_logger = logging.getLogger(__name__)
NAMED_EVENT = "dev.dskity.event.v1"
"""The CloudEvents `type`; the event's name is its `subject`."""


@dataclass(slots=True, eq=False)
class _Listener:
    """One handler on one name; `subscription` brings it the events of other runtimes."""

    name: str
    handler: Call
    active: bool = True
    subscription: Subscription | None = None


@dataclass(slots=True, eq=False)
class _Hub:
    """What the events of all modules share."""

    publisher: BackgroundPublisher[Message]
    listeners: dict[str, list[_Listener]] = field(default_factory=dict)


class BusEvents:
    """See `contract.Events`. `scope` makes one for each module; all share a hub."""

    def __init__(self, bus: Bus, tasks: Tasks, hub: _Hub | None = None) -> None:
        self._bus = bus
        self._tasks = tasks
        self._hub = hub or _Hub(BackgroundPublisher(bus, as_it_is, name="events"))
        self._mine: list[_Listener] = []

    @property
    def publisher(self) -> BackgroundPublisher[Message]:
        """Publishes what the broker was not there for; the supervisor starts and ends it."""
        return self._hub.publisher

    def scope(self, bus: Bus, tasks: Tasks) -> BusEvents:
        """The same events for one module; what is added through it ends with `clear`."""
        return BusEvents(bus, tasks, self._hub)

    def on(self, name: str, handler: Call) -> None:
        """Call `handler(data)` for each event of this name; a plain function runs in a thread."""
        topics.parse(self._topic(name))
        check_call(handler, f"event {name!r}")
        listener = _Listener(name, handler)
        self._hub.listeners.setdefault(name, []).append(listener)
        self._mine.append(listener)
        self._tasks.spawn(self._subscribe(listener), f"event {name}")

    def off(self, name: str, handler: Call) -> None:
        """Stop calling it; what was never added is ignored."""
        for listener in [entry for entry in self._mine if entry.name == name]:
            if listener.handler == handler:
                self._forget(listener)
                if listener.subscription is not None:
                    self._tasks.spawn(listener.subscription.cancel(), f"event {name} off")

    async def emit(self, name: str, data: Any = None) -> int:
        """Call the local handlers, publish, and return how many were called.

        `data` becomes JSON for other runtimes; local handlers get it as it is. A handler that fails
        is logged; the others are called all the same. While the broker is away the event waits.
        """
        message = self._message(name, data)
        listeners = [entry for entry in self._hub.listeners.get(name, ()) if entry.active]
        for listener in listeners:
            await self._call(listener, data)
        await self.publisher.send(message)
        return len(listeners)

    def set_active(self, active: bool) -> None:
        """Whether this module's handlers are called by `emit`."""
        for listener in self._mine:
            listener.active = active

    def clear(self) -> None:
        """Forget this module's handlers; their subscriptions end with the scope of the bus."""
        for listener in tuple(self._mine):
            self._forget(listener)

    def _forget(self, listener: _Listener) -> None:
        listener.active = False
        self._mine.remove(listener)
        others = self._hub.listeners[listener.name]
        others.remove(listener)
        if not others:
            del self._hub.listeners[listener.name]

    async def _call(self, listener: _Listener, data: Any) -> None:
        try:
            await call(listener.handler, data, self._bus.threads)
        except (asyncio.CancelledError, GeneratorExit):  # the emitter's end
            raise
        except BaseException:  # one handler's failure is not the emitter's, nor another handler's
            _logger.exception("%s failed on event %r", name_of(listener.handler), listener.name)

    async def _subscribe(self, listener: _Listener) -> None:
        async def deliver(message: Message) -> None:
            event = message.json()
            if not isinstance(event, dict) or "specversion" not in event:
                raise InvalidPayload(f"{message.topic}: an event is a CloudEvents JSON object")
            if event.get("source") != self._bus.source:
                await call(listener.handler, event.get("data"), self._bus.threads)

        deliver.__qualname__ = name_of(listener.handler)
        subscription = await self._bus.subscribe(self._topic(listener.name), deliver)
        listener.subscription = subscription
        if listener not in self._mine:  # `off` came first
            await subscription.cancel()

    def _topic(self, name: str) -> str:
        return f"{self._bus.root}/events/{topics.quote(name)}"

    def _message(self, name: str, data: Any) -> Message:
        event = {
            "specversion": SPEC_VERSION,
            "id": uuid.uuid4().hex,
            "source": self._bus.source,
            "type": NAMED_EVENT,
            "time": datetime.fromtimestamp(self._bus.clock.time(), UTC).isoformat(),
            "subject": name,
            "datacontenttype": "application/json",
            "data": data,
        }
        payload, _ = encode_payload(event)
        return Message(topics.check_topic(self._topic(name)), payload, content_type=EVENT_TYPE)
