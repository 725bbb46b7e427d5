"""`clients.registry`: our own instances, everybody else's, and the watch on both."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.errors import (
    DSkityError,
    InvalidInput,
    InvalidSettings,
    NotFound,
)
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import Instance
from dskity.modules.registry.announcements import clear, say_down, say_up
from dskity.modules.registry.entry import Record, check_name
from dskity.modules.registry.listener import Hearing
from dskity.modules.registry.local_instances import OwnInstances
from dskity.modules.registry.presence import Presence, Verdict

MIN_TTL = 1.0
"""Seconds. A heartbeat is sent three times as often, and a glance at the clock twice a second."""
MAX_TTL = 4_294_967_295.0
"""What a message expiry interval holds (MQTT 5 spec 3.3.2.3.3)."""
_LONGEST_TICK = 0.5
_PUBLISH_TIMEOUT = 5.0
_GOODBYE = 2.0
"""Seconds that all goodbyes of a stop may take together."""

log = logging.getLogger(__name__)


class ServiceRegistry:
    """See `dskity.modules.contract.Registry`.

    What all runtimes share is the retained tree below `{root}/registry`; each keeps its own entries
    there, and a table of the others'. `heartbeat_interval_seconds` is the longest pause between two
    heartbeats (a third of the time to live, if that is less); `grace_seconds` is how long a runtime
    may be away after its will was sent, and nobody is told.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        heartbeat_interval_seconds: float = 30.0,
        ttl_seconds: float = 60.0,
        grace_seconds: float = 2.0,
    ) -> None:
        self._bus = bus
        self._clock = bus.clock
        self._ttl = _setting("ttl_seconds", ttl_seconds, MIN_TTL)
        heartbeat = _setting("heartbeat_interval_seconds", heartbeat_interval_seconds, 0.1)
        self._grace = grace_seconds
        self._tick = min(_LONGEST_TICK, grace_seconds / 4)
        self._own = OwnInstances(bus, heartbeat, settle=self._tick)
        self._others = Presence(bus.client_id, grace_seconds)
        self._last: dict[str, str] = {}
        self._hearing = Hearing(bus, self._own, self._others)
        self._one_turn = asyncio.Lock()
        self._complaint = ""
        self._running = False
        self._tasks = Tasks(log)

    # Life

    async def start(self) -> None:
        """Watch and announce until `stop`; does not wait for the broker."""
        if self._running:
            return
        self._running = True
        await self._hearing.start()
        self._tasks.keep_running(self._run, "registry", self._clock)

    async def stop(self) -> None:
        """Say goodbye for all that is ours, where the broker is there, and watch no more."""
        if not self._running:
            return
        self._running = False
        await self._tasks.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                for instance in tuple(self._own):
                    await self._own.remove((instance.service, instance.instance), "stopped")
        await self._hearing.stop()

    # Ours

    def announce(
        self,
        service: str,
        instance: str,
        url: str,
        metadata: Mapping[str, Any] | None = None,
        ttl_seconds: float | None = None,
        kind: str = "service",
    ) -> Instance:
        """As `register`, and returns at once: it is published as soon as the broker is there."""
        check_name("service", service)
        check_name("instance", instance)
        ttl = self._ttl if ttl_seconds is None else _check_ttl(ttl_seconds)
        now = self._clock.time()
        return self._own.add(
            Instance(service, instance, url, dict(metadata or {}), kind, ttl, now, now)
        )

    async def register(
        self,
        service: str,
        instance: str,
        url: str,
        metadata: Mapping[str, Any] | None = None,
        ttl_seconds: float | None = None,
        kind: str = "service",
    ) -> Instance:
        """See `Registry`. Does not wait for an absent broker."""
        registered = self.announce(service, instance, url, metadata, ttl_seconds, kind)
        if self._running and self._bus.connected:
            await self._turn(self._clock.monotonic())
        return registered

    async def deregister(self, service: str, instance: str) -> bool:
        """See `Registry`. Only an instance of this runtime's own is there to it."""
        return await self._own.remove((service, instance), "deregistered")

    # Everybody's

    def services(self) -> list[str]:
        """See `Registry`."""
        return sorted({record.instance.service for record in self._live()})

    def instances(self, service: str) -> list[Instance]:
        """See `Registry`."""
        found = [r.instance for r in self._live() if r.instance.service == service]
        return sorted(found, key=lambda instance: instance.instance)

    def resolve(self, service: str) -> Instance:
        """See `Registry`."""
        found = {
            record.instance.instance: record.instance
            for record in self._others.live()
            if record.instance.service == service
        }
        if not found:
            raise NotFound(f"no live instance of {service!r} except those of this runtime")
        names = sorted(found)
        after = bisect.bisect_right(names, self._last.get(service, ""))
        name = names[after % len(names)]
        self._last[service] = name
        return found[name]

    @property
    def own(self) -> list[Instance]:
        """What this runtime has announced."""
        return list(self._own)

    def _live(self) -> list[Record]:
        ours = [Record(instance, self._bus.client_id) for instance in self._own]
        return [*ours, *self._others.live()]

    # Speaking

    async def _run(self) -> None:
        heard_until = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if self._bus.connected:
                if now - heard_until > self._tick + self._grace:
                    self._others.reconnected(now)  # held up, we have heard nobody meanwhile
                heard_until = now
                await self._turn(now)
            await self._clock.sleep(self._tick)

    async def _turn(self, now: float) -> None:
        """Judge and speak, then announce: so the end of a former life of ours comes before `up`."""
        async with self._one_turn:
            try:
                async with asyncio.timeout(_PUBLISH_TIMEOUT):
                    if self._hearing.returned:
                        self._others.reconnected(now)
                        self._own.reconnected(now)
                        await self._hearing.ask_again()
                    for verdict in self._others.due(now):
                        await self._say(verdict)
                    await self._own.beat(now)
            except (DSkityError, TimeoutError) as error:
                self._complain(str(error) or f"no answer within {_PUBLISH_TIMEOUT:g} s")

    async def _say(self, verdict: Verdict) -> None:
        instance = verdict.record.instance
        if verdict.cause == "registered":
            await say_up(self._bus, instance)
        else:
            await say_down(self._bus, instance, verdict.cause)
            if verdict.cause != "deregistered" and self._own.get(verdict.record.key) is None:
                await clear(self._bus, verdict.record.key)
        self._others.said(verdict)
        log.info("%s/%s: %s", instance.service, instance.instance, verdict.cause)

    def _complain(self, reason: str) -> None:
        """Log why nothing could be published, once as long as it stays the same."""
        if reason != self._complaint:
            self._complaint = reason
            log.warning("the registry could not publish, and tries again: %s", reason)


def _check_ttl(seconds: float) -> float:
    if not MIN_TTL <= seconds <= MAX_TTL:
        raise InvalidInput(f"ttl_seconds {seconds!r}: write {MIN_TTL:g} to {MAX_TTL:g} seconds")
    return float(seconds)


def _setting(name: str, seconds: float, least: float) -> float:
    if not least <= seconds <= MAX_TTL:
        raise InvalidSettings(
            f"common.registry.{name} {seconds!r}: write {least:g} to {MAX_TTL:g} seconds"
        )
    return float(seconds)
