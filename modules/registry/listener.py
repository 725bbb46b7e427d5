"""What the registry hears: entries and runtimes' states, on the lane that no flood holds up."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.base.throttled_log import Allowance
from dskity.bus.bus import Bus
from dskity.bus.consumer import Accept
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidPayload
from dskity.bus.routing.subscriptions import Subscription
from dskity.bus.topics import unquote
from dskity.modules.registry.entry import MOST_BYTES, Record, decode
from dskity.modules.registry.local_instances import OwnInstances
from dskity.modules.registry.presence import Presence

log = logging.getLogger(__name__)


class Hearing:
    """Tells `own` what the broker has of ours, and `others` everything else.

    `returned` says that the connection has come (back), and that nobody has asked again since.
    """

    def __init__(self, bus: Bus, own: OwnInstances, others: Presence) -> None:
        self._bus = bus
        self._own = own
        self._others = others
        self.returned = False
        self._subscriptions: list[Subscription] = []
        self._watching = False
        self._lines = Allowance(bus.clock)

    async def start(self) -> None:
        """Subscribe; returns at once, also where the broker is away."""
        if not self._watching:
            self._bus.link.watch(self._link_changed)
            self._watching = True
        await self.ask_again()

    async def ask_again(self) -> None:
        """Subscribe, be it once more: at each SUBSCRIBE a broker sends what it has retained
        ([MQTT-3.8.4-3]), and what it has can be compared with what we know."""
        self.returned, root = False, self._bus.root
        accepts: dict[str, Accept] = {
            f"{root}/runtime/{{runtime}}/state": self._on_state,
            f"{root}/registry/{{service}}/{{instance}}": self._on_entry,
        }
        former = len(self._subscriptions)
        try:
            for filter, accept in accepts.items():
                subscription = await self._bus.attach(filter, accept, lane="control")
                self._subscriptions.append(subscription)
        except BaseException:
            self.returned = True  # to be asked once more
            raise
        await self._cancel(former)

    async def stop(self) -> None:
        """Hear no more."""
        await self._cancel(len(self._subscriptions))

    async def _cancel(self, count: int) -> None:
        """End the oldest subscriptions."""
        for _ in range(count):
            await self._subscriptions.pop(0).cancel()

    def _link_changed(self, connected: bool, *, resumed: bool) -> None:
        """A resumed session brings what was missed, if the broker kept it for long enough; that
        is not known, so it makes no difference."""
        del resumed
        self.returned = self.returned or connected

    def _on_state(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        with contextlib.suppress(NotJson):  # a stranger's payload says nothing
            body = parse_json(delivery.payload, most=MOST_BYTES)
            if isinstance(body, dict):
                state = str(body.get("state"))
                now = self._bus.clock.monotonic()
                self._others.runtime(unquote(captures["runtime"]), state, now)
        delivery.done()

    def _on_entry(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        service, instance = unquote(captures["service"]), unquote(captures["instance"])
        if not delivery.payload:
            self._own.cleared((service, instance), self._bus.clock.monotonic())
            self._others.cleared(service, instance)
        else:
            try:
                record = decode(service, instance, delivery.payload, self._bus.clock.time())
            except InvalidPayload as error:
                if (more := self._lines.take()) is not None:
                    log.warning("%s: %s%s", delivery.topic, error, more)
            else:
                self._hear(record, delivery)
        delivery.done()

    def _hear(self, record: Record, delivery: Delivery) -> None:
        if self._own.confirmed(record):
            return
        remaining, now = self._remaining(record, delivery), self._bus.clock.monotonic()
        if record.runtime != self._bus.client_id:
            self._others.heard(record, remaining, now, retained=delivery.retain)
        elif delivery.retain or self._own.get(record.key) is None:
            self._others.left_over(record, remaining, now, retained=delivery.retain)

    def _remaining(self, record: Record, delivery: Delivery) -> float | None:
        """Seconds of an entry's life: the broker's word on MQTT 5, else by the writer's clock."""
        ttl = record.instance.ttl_seconds
        if not ttl:
            return None
        if not delivery.retain:
            return ttl
        if delivery.meta is not None and delivery.meta.expires_in is not None:
            return delivery.meta.expires_in
        return ttl - max(0.0, self._bus.clock.time() - record.instance.last_seen)
