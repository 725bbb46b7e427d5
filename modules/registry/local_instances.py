"""Our own instances: their retained entries, their heartbeat, and their `up` and `down`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dskity.bus.bus import Bus
from dskity.bus.errors import Unavailable
from dskity.modules.contract import Instance
from dskity.modules.registry.announcements import clear, say_down, say_up
from dskity.modules.registry.entry import Record, encode, entry_topic
from dskity.modules.registry.presence import Cause, Key


@dataclass(slots=True)
class _Own:
    record: Record
    announced: bool = False
    """Whether `up` is published for this life."""
    beat_at: float = 0.0
    missing_since: float | None = None
    """Since when the broker is not known to have the entry: it was cleared, or we came back."""


class OwnInstances:
    """What this runtime keeps in the registry.

    An entry that somebody cleared (we were taken for lost), or that the broker has forgotten, is
    restored: with a new incarnation, since for others its former life may have ended.
    """

    def __init__(self, bus: Bus, heartbeat: float, settle: float) -> None:
        self._bus = bus
        self._heartbeat = heartbeat
        self._settle = settle
        self._own: dict[Key, _Own] = {}
        self._turn = asyncio.Lock()

    def __iter__(self) -> Iterator[Instance]:
        return (own.record.instance for own in self._own.values())

    def add(self, instance: Instance) -> Instance:
        """Keep an instance from the next `beat` on; one with the same name is changed to it, and
        lives on."""
        own = self._own.get((instance.service, instance.instance))
        if own is None:
            record = Record(instance, self._bus.client_id)
            self._own[record.key] = _Own(record)
        else:
            instance = replace(instance, registered_at=own.record.instance.registered_at)
            own.record, own.beat_at = replace(own.record, instance=instance), 0.0
        return instance

    def get(self, key: Key) -> Instance | None:
        """One of ours."""
        own = self._own.get(key)
        return None if own is None else own.record.instance

    def confirmed(self, record: Record) -> bool:
        """The broker has this entry; whether it is one of ours, in its present life."""
        own = self._own.get(record.key)
        if own is None or not _same_life(own.record, record):
            return False
        own.missing_since = None
        return True

    def cleared(self, key: Key, now: float) -> None:
        """A client has cleared an entry. If it was ours, and no newer one of ours follows, it is
        restored; our own farewell to a former life is followed by one."""
        own = self._own.get(key)
        if own is not None and own.announced:
            own.missing_since = now

    def reconnected(self, now: float) -> None:
        """Whether the broker still has our entries will show: it is asked for all of them."""
        for own in self._own.values():
            if own.announced:
                own.missing_since = now

    async def beat(self, now: float) -> None:
        """Publish what is due; raises `Unavailable` where that is not possible."""
        for key in tuple(self._own):
            await self.publish(key, now)

    async def publish(self, key: Key, now: float) -> None:
        """Publish one entry if it is due, and `up` where it is new."""
        async with self._turn:
            own = self._own.get(key)
            if own is None or not self._is_due(own, now):
                return
            seen = replace(own.record.instance, last_seen=self._bus.clock.time())
            own.record = record = replace(own.record, instance=seen)
            await self._bus.publish(
                entry_topic(self._bus.root, *key),
                encode(record),
                retain=True,
                expires_in=seen.ttl_seconds,
            )
            if not own.announced:
                await say_up(self._bus, seen)
                own.announced = True
            if own.record is record:  # else it was changed meanwhile, and is due
                own.beat_at = now + min(self._heartbeat, seen.ttl_seconds / 3)

    async def remove(self, key: Key, cause: Cause) -> bool:
        """Keep it no longer, and say so; whether it was ours.

        While the broker is away nothing is said: the entry lapses, or is found when we are back.
        """
        async with self._turn:
            own = self._own.pop(key, None)
            if own is None:
                return False
            if self._bus.connected:
                with contextlib.suppress(Unavailable):
                    if own.announced:
                        await say_down(self._bus, own.record.instance, cause)
                    await clear(self._bus, key)
            return True

    def _is_due(self, own: _Own, now: float) -> bool:
        if own.missing_since is not None:
            if now < own.missing_since + self._settle:
                return False
            self._renew(own)
        return now >= own.beat_at

    def _renew(self, own: _Own) -> None:
        now = self._bus.clock.time()
        reborn = replace(own.record.instance, registered_at=now)
        own.record = replace(own.record, instance=reborn)
        own.announced, own.missing_since, own.beat_at = False, None, 0.0


def _same_life(ours: Record, other: Record) -> bool:
    return (ours.runtime, ours.instance.registered_at) == (
        other.runtime,
        other.instance.registered_at,
    )
