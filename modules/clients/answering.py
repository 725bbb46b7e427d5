"""Answering requests on the bus, for a module: by one of several runtimes, if they can share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler
from dskity.bus.errors import DSkityError

ASK_AGAIN = 60.0
"""Seconds until what the broker refused is tried again: a broker reads a changed ACL without ending
the connection (mosquitto on SIGHUP), so nothing else would tell."""
_logger = logging.getLogger(__name__)


class Answering:
    """Subscribes each handler to its topic below `{root}/`, from the first connection on.

    Only then is it known whether the broker has shared subscriptions. With them one runtime of the
    `group` answers a request; without, each of them does, unless `unshared` arranges it. It is the
    control lane that they come on: they pass a flood of telemetry, and the broker keeps none for a
    runtime that is gone. Each topic has a group of its own, for rumqttd serves but one filter of a
    group.

    A topic that the broker refuses is logged once and tried again each minute. The runtime is ready
    all the same: an ACL that keeps these requests out is a choice that an operator may make.
    """

    def __init__(
        self,
        bus: Bus,
        handlers: Mapping[str, AnyHandler],
        group: str,
        *,
        unshared: Callable[[], Awaitable[object]] | None = None,
        **policy: Any,
    ) -> None:
        self._bus = bus
        self._waiting = dict(handlers)
        self._group = group
        self._unshared = unshared
        self._policy = policy
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Return when each topic is subscribed; it may be run again after an error of it."""
        while True:
            await self._bus.link.up()
            if await self.try_once():
                return
            await self._bus.clock.sleep(ASK_AGAIN)

    async def try_once(self) -> bool:
        """Subscribe to what waits; whether nothing is left."""
        shares = self._bus.capabilities.shared
        if not shares and not await self._arranged():
            return False
        for topic, handler in tuple(self._waiting.items()):
            try:
                await self._subscribe(topic, handler, shares=shares)
            except DSkityError as error:
                self._complain(topic, error)
            else:
                self._settle(topic)
        return not self._waiting

    async def _arranged(self) -> bool:
        """Whether `unshared` has been able to do its part."""
        if self._unshared is not None:
            try:
                await self._unshared()
            except DSkityError as error:
                for topic in self._waiting:
                    self._complain(topic, error)
                return False
            self._unshared = None
        return True

    async def _subscribe(self, topic: str, handler: AnyHandler, *, shares: bool) -> None:
        await self._bus.subscribe(
            f"{self._bus.root}/{topic}",
            handler,
            group=f"{self._group}-{topic.rpartition('/')[2]}" if shares else None,
            lane="control",
            **self._policy,
        )

    def _complain(self, topic: str, error: DSkityError) -> None:
        if topic not in self._refused:
            self._refused.add(topic)
            _logger.warning(
                "requests to %s/%s are not answered: %s; trying again every %g s",
                self._bus.root,
                topic,
                error,
                ASK_AGAIN,
            )

    def _settle(self, topic: str) -> None:
        del self._waiting[topic]
        if topic in self._refused:
            self._refused.remove(topic)
            _logger.info("requests to %s/%s are answered now", self._bus.root, topic)
