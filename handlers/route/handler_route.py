"""The fast path of a route: accept, begin, one step of the handler, done.

Everything else (suspension, retry, reply, dead letter) is in the other files of this folder, as a
coroutine that a worker awaits. A delivery is done, and so acknowledged, when its handler succeeded,
when it raised `Drop`, or when the broker has its dead letter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError
from dskity.handlers.key_serializer import KeySerializer
from dskity.handlers.ordering import Key
from dskity.handlers.route.attempt import CANCELLED, Attempts
from dskity.handlers.route.context import Item, RouteContext
from dskity.handlers.route.dead_letter_recorder import DeadLetterRecorder
from dskity.handlers.route.failures import Failures
from dskity.handlers.route.replies import Replies
from dskity.handlers.route.retrying import Retrying
from dskity.handlers.route.serial_runner import SerialRunner
from dskity.handlers.route.stats import RouteStats
from dskity.handlers.started_coroutine import BLOCKED_SECONDS, StartedCoroutine
from dskity.handlers.unawaited import unawaited

if TYPE_CHECKING:
    from dskity.handlers.binding import Binding, Captures, Start
    from dskity.handlers.in_flight import InFlightLimit
    from dskity.handlers.policy import RoutePolicy
    from dskity.handlers.worker_pool import WorkerPool

_logger = logging.getLogger("dskity.handlers")
_DEEPEST = 100  # requests in requests that are looked at; each has a time-out of its own


class HandlerRoute:
    """A `Consumer`; the dispatcher makes it. `name` is for people; `identity` is what no other
    live route has, and what it has again in the next process: its rows on the disk bear it.
    `within` is what warnings of a time-out or a held loop add to the name."""

    def __init__(
        self,
        bus: Bus,
        start: Start,
        binding: Binding,
        policy: RoutePolicy,
        key: Key,
        pool: WorkerPool,
        in_flight: InFlightLimit,
        live: dict[str, HandlerRoute],
        *,
        name: str,
        identity: str,
        within: str = "",
    ) -> None:
        self.name = name
        self.identity = identity
        self.stats = RouteStats()
        self.policy = policy
        self._start = start
        self._key = key
        self._attempts = Attempts(
            name + within, policy.timeout, self.stats, pool, bus.threads, bus.clock
        )
        self._pool = pool
        self._in_flight = in_flight
        self._live = live
        self._serializer: KeySerializer[Item] = KeySerializer(policy.concurrency)
        self._open = 0
        self._ending = 0
        self._drained = asyncio.Event()
        context = RouteContext(name, policy, bus, pool, self.stats, self._attempts, self._done)
        recorder = DeadLetterRecorder(context)
        self._replies = Replies(context, binding)
        failures = Failures(context, self._replies, recorder)
        self._retrying = Retrying(context, self._start, self._replies, failures)
        self._runner = SerialRunner(context, self._serializer, self._step, failures, recorder)

    @property
    def qos(self) -> int:
        """See `Consumer`."""
        return self.policy.qos

    @property
    def group(self) -> str | None:
        """See `Consumer`."""
        return self.policy.group

    @property
    def best_effort(self) -> bool:
        """See `Consumer`."""
        return self.policy.best_effort

    @property
    def answers(self) -> bool:
        """See `Consumer`."""
        return self._replies.answers is not False

    @property
    def unfinished(self) -> int:
        """Messages that were accepted, and are neither acknowledged nor given up."""
        return self._open

    def open(self) -> None:
        """See `Consumer`."""
        self._live[self.identity] = self

    def accept(self, delivery: Delivery, captures: Captures) -> None:
        """See `Consumer`."""
        self._open += 1
        self._pool.submit(self, delivery, captures)
        if self._in_flight.enter(len(delivery.payload), delivery.qos):
            self._shed()

    def _shed(self) -> None:
        """Drop an old QoS 0 message; what waits in the lanes is older than what is not begun."""
        oldest = self._serializer.shed(_is_unkept)
        if oldest is None:
            self._pool.shed()
        else:
            self.discard(oldest[0])

    def discard(self, delivery: Delivery) -> None:
        """See `worker_pool.Route`."""
        self.stats.shed += 1
        self._done(delivery)

    async def drain(self) -> None:
        """See `Consumer`. A handler that awaits the end of its own route is not waited for."""
        if self._open:
            await asyncio.sleep(0)  # from here on such a handler is known to be inside
        ends_itself = self._is_inside(asyncio.current_task())
        self._ending += ends_itself
        self._drained.set()  # another one that ends itself has one less to wait for
        try:
            while self._open > self._ending:
                self._drained.clear()
                await self._drained.wait()
        finally:
            self._ending -= ends_itself
            if self._live.get(self.identity) is self:
                del self._live[self.identity]

    def _is_inside(self, task: asyncio.Task[Any] | None) -> bool:
        rest = None if task is None else self._pool.running.get(task)
        return rest is not None and rest.watcher is self._attempts

    def begin(self, delivery: Delivery, captures: Captures) -> Coroutine[Any, Any, None] | None:
        """See `worker_pool.Route`."""
        serializer = self._serializer
        if serializer.busy:
            key = self._key(delivery, captures)  # once: a function may answer otherwise next time
            nested = delivery.meta is not None and self._is_nested(delivery.meta.asker)
            if serializer.must_wait(key, (delivery, captures), nested=nested):
                return None
            rest = self._step(delivery, captures)
            return None if rest is None else self._runner.serve(key, delivery, rest)
        rest = self._step(delivery, captures)
        if rest is None:
            return None
        return self._runner.serve(self._key(delivery, captures), delivery, rest)

    def _is_nested(self, asker: asyncio.Task[Any] | None) -> bool:
        """Whether a handler of this route waits, over however many requests, for what is asked."""
        for _ in range(_DEEPEST):
            rest = None if asker is None else self._pool.running.get(asker)
            if rest is None:
                return False
            if rest.watcher is self._attempts:
                return True
            asker = rest.asker
        return False

    def _step(self, delivery: Delivery, captures: Captures) -> Coroutine[Any, Any, None] | None:
        """Decode and take the handler's first step; what remains, if anything does."""
        started = time.perf_counter()
        try:
            coroutine = self._start(delivery, captures)
        except BaseException as error:  # noqa: BLE001  # whatever a validator raises has an outcome
            self._spent(started)
            return self._retrying.process(delivery, captures, error)
        try:
            yielded = coroutine.send(None)
        except StopIteration as stop:
            result = stop.value
        except asyncio.CancelledError:  # nobody cancels a worker inside a step
            self._spent(started)
            return self._retrying.process(delivery, captures, DSkityError(CANCELLED))
        except BaseException as error:  # noqa: BLE001  # whatever a handler raises has an outcome
            self._spent(started)
            return self._retrying.process(delivery, captures, error)
        else:
            self._spent(started)
            rest = StartedCoroutine(coroutine, yielded, self._attempts)
            return self._retrying.finish(delivery, captures, rest)
        # Written out rather than called: each call would be a twentieth of what a message costs.
        held = time.perf_counter() - started
        stats = self.stats
        stats.busy_seconds += held
        if held > BLOCKED_SECONDS:
            self._attempts.blocked(held)
        owes = delivery.meta is not None and self._replies.owes(delivery, result)
        if owes or result is not None:
            return self._after(delivery, captures, result, owes=owes)
        stats.handled += 1
        self._done(delivery)
        return None

    def _after(
        self, delivery: Delivery, captures: Captures, result: Any, *, owes: bool
    ) -> Coroutine[Any, Any, None] | None:
        """What is to do where there is a result, or a reply is owed."""
        error = unawaited(result)
        if error is not None:
            return self._retrying.process(delivery, captures, error)
        if owes:
            return self._replies.answer(delivery, result)
        self.stats.handled += 1
        self._done(delivery)
        return None

    def _spent(self, started: float) -> None:
        held = time.perf_counter() - started
        self.stats.busy_seconds += held
        if held > BLOCKED_SECONDS:
            self._attempts.blocked(held)

    def _done(self, delivery: Delivery) -> None:
        try:
            delivery.done()
        except Exception:
            _logger.exception("a message of %s was not acknowledged", delivery.topic)
        self._in_flight.leave(len(delivery.payload))
        self._open -= 1
        if self._open <= self._ending:
            self._drained.set()


def _is_unkept(item: Item) -> bool:
    """Whether no component keeps it: at QoS 0."""
    return item[0].qos == 0
