"""The dispatcher: makes a consumer of each handler, and owns the workers and their bound."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dskity.bus.base.threads import ThreadPool
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler, Consumer
from dskity.bus.errors import InvalidHandler, Unsupported
from dskity.bus.middleware import Middleware, middleware_name
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.spool import Spool
from dskity.bus.topics import Pattern
from dskity.handlers.binding import bind
from dskity.handlers.chain import Frame, chained
from dskity.handlers.dedupe import Dedupe, Deduplication
from dskity.handlers.in_flight import InFlightLimit, Overload
from dskity.handlers.ordering import key_of
from dskity.handlers.policy import RoutePolicy
from dskity.handlers.provided import Injectables, Provided
from dskity.handlers.route import HandlerRoute
from dskity.handlers.stored import StoredRoute
from dskity.handlers.worker_pool import WorkerPool

THREADS_NAME = "dskity-handlers"
_logger = logging.getLogger("dskity.handlers")


class Dispatcher:
    """See `dskity.bus.consumer.Dispatcher`. One dispatcher serves one bus.

    `inbox` is where `ack="stored"` keeps messages, `seen` where `dedupe` keeps keys; whoever made
    them has opened them before the first handler is registered. `overload` is what happens to
    QoS 0 at the bound (see `flow.py`). Plain handlers run in `threads`, which several dispatchers
    may share.
    """

    def __init__(
        self,
        *,
        max_in_flight: int = 1000,
        max_in_flight_bytes: int = 64 * 1024 * 1024,
        overload: Overload = "wait",
        inbox: Spool | None = None,
        seen: DedupStore | None = None,
        threads: ThreadPool | None = None,
    ) -> None:
        self._inbox = inbox
        self._seen = seen
        self._live: dict[str, HandlerRoute] = {}
        self._stored: dict[StoredRoute, None] = {}
        self.in_flight = InFlightLimit(max_in_flight, max_in_flight_bytes, overload)
        self._pool = WorkerPool()
        self.threads = threads or ThreadPool(THREADS_NAME)
        self._owns_threads = threads is None
        self._provided: Injectables = Provided()
        self._bound = False

    @property
    def routes(self) -> tuple[HandlerRoute, ...]:
        """The routes that are subscribed now, oldest first."""
        return tuple(self._live.values())

    def inject(self, provided: Injectables) -> None:
        """Give these values to parameters of their types, in handlers registered from now on."""
        self._provided = provided

    def consumer(
        self, bus: Bus, pattern: Pattern, handler: AnyHandler, policy: Mapping[str, Any]
    ) -> Consumer:
        """See `dskity.bus.consumer.Dispatcher`."""
        if not self._bound:
            self.in_flight.bind(bus.pause, bus.resume)
            self._bound = True
        words = RoutePolicy.of(policy)
        throttled = ThrottledLog(_logger, bus.clock)
        key = key_of(words.order_by, pattern, throttled)
        provided = self._provided.seen_by(bus.owner)
        binding = bind(handler, pattern, bus, provided, words.event)
        name = f"{bus.owner}.{binding.name}" if bus.owner else binding.name
        identity = self._identity(f"{name} {pattern.text}")
        start = binding.starter()
        middleware = (*bus.middleware, *words.middleware)
        links = middleware
        if words.dedupe is not None:
            seen = self._need_seen(words.dedupe)
            link = Deduplication(words.dedupe, seen, identity, throttled, self.threads)
            links = (link, *middleware)
        if links:
            frame = Frame(name, bus.owner, pattern.text, words.retry.attempts, words.timeout)
            start = chained(binding, links, frame)
        stored = words.ack == "stored"
        in_flight = InFlightLimit.boundless() if stored else self.in_flight
        route = HandlerRoute(
            bus,
            start,
            binding,
            words,
            key,
            self._pool,
            in_flight,
            self._live,
            name=name,
            within=_within(middleware),
            identity=identity,
        )
        if not stored:
            return route
        if self._inbox is None:
            raise Unsupported("ack='stored' requires the disk inbox, and this bus has none")
        return StoredRoute(
            route, pattern, self._inbox, self.in_flight, in_flight, bus.clock, self._stored
        )

    def _identity(self, wanted: str) -> str:
        """Handlers may have one name, as those do that one function makes: then they count."""
        identity, number = wanted, 1
        while identity in self._live:
            number += 1
            identity = f"{wanted} #{number}"
        return identity

    def _need_seen(self, dedupe: Dedupe) -> DedupStore:
        if self._seen is None:
            raise Unsupported("dedupe requires the file of handled keys, and this bus has none")
        if dedupe.window > self._seen.keep:
            raise InvalidHandler(
                f"Dedupe(window={dedupe.window:g}): keys are kept for {self._seen.keep:g} s, which "
                "`bus.dedupe_max_window_seconds` sets"
            )
        return self._seen

    async def tell_of_strays(self) -> None:
        """Log what waits in the inbox for handlers that are not here: renamed, or taken out. They
        keep their place there, and their names, until a handler of that name is back."""
        if self._inbox is None or not self._inbox.messages:
            return
        for lane, count in (await self._inbox.lanes()).items():
            if lane not in self._live:
                _logger.warning(
                    "%s has %d messages for %r, which is no longer a handler",
                    self._inbox.what,
                    count,
                    lane,
                )

    async def close(self, grace: float = 0.0) -> bool:
        """Let handlers end for `grace` seconds, then cancel them; whether all had ended.

        What is cancelled is not acknowledged: the broker delivers it again.
        """
        try:
            async with asyncio.timeout(grace):
                for stored in tuple(self._stored):
                    await stored.drain()
                for route in self.routes:
                    await route.drain()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            for stored in tuple(self._stored):
                await stored.close()
            await self._pool.close()
            self._tell_of_threads()
            if self._owns_threads:
                self.threads.close()

    def _tell_of_threads(self) -> None:
        """Log what is left in threads; they are daemons, and end with the process."""
        left = self.threads.running
        for owner, count in Counter(job.owner for job in left).items():
            longest = max(job.seconds for job in left if job.owner == owner)
            _logger.warning(
                "%s still runs in %d thread(s), the longest for %.1f s", owner, count, longest
            )


def _within(middleware: Iterable[Middleware]) -> str:
    """What a warning about a handler adds: it may be one of these that holds the loop."""
    names = ", ".join(map(middleware_name, middleware))
    return f" (with middleware {names})" if names else ""
