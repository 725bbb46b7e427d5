"""One handler on one filter: from a delivery to its outcome, and the acknowledgement.

The fast path is `begin`: decode, one step of the handler, done. Everything else (suspension, retry,
reply, dead letter) is in `process`, which a worker awaits. A delivery is done, and so acknowledged,
when its handler succeeded, when it raised `Drop`, or when the broker has its dead letter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused, DSkityError, InvalidPayload, Unavailable
from dskity.bus.message import Message
from dskity.bus.problem import PROBLEM_TYPE, STATUS_HEADER, problem_of, status_of
from dskity.handlers.crew import TURN_SECONDS
from dskity.handlers.dead_letter import dead_letter, dead_letters
from dskity.handlers.dedupe import Duplicate
from dskity.handlers.lanes import Lanes
from dskity.handlers.ordering import Key
from dskity.handlers.outcome import Drop, Outcome, Reject, Retry, in_words, is_answer
from dskity.handlers.rest import BLOCKED_SECONDS, Rest

if TYPE_CHECKING:
    from dskity.handlers.binding import Binding
    from dskity.handlers.crew import Crew
    from dskity.handlers.flow import Flow
    from dskity.handlers.policy import RoutePolicy

_logger = logging.getLogger("dskity.handlers")
Captures: TypeAlias = Mapping[str, str]
_CANCELLED = "the handler cancelled itself"
_DEAD_LETTER_RETRY = 5.0  # seconds, the longest pause while the broker does not take a dead letter


@dataclass(slots=True)
class RouteStats:
    """What became of a route's messages; `busy_seconds` is the time inside the handler, and
    `shed` counts QoS 0 messages that an overload dropped."""

    handled: int = 0
    failed: int = 0
    retried: int = 0
    invalid: int = 0
    dropped: int = 0
    duplicates: int = 0
    shed: int = 0
    dead_lettered: int = 0
    timed_out: int = 0
    blocked: int = 0
    busy_seconds: float = 0.0


class HandlerRoute:
    """A `Consumer`; the dispatcher makes it. `name` is for people; `identity` is what no other
    live route has, and what it has again in the next process: its things on the disk bear it."""

    def __init__(
        self,
        bus: Bus,
        binding: Binding,
        policy: RoutePolicy,
        key: Key,
        crew: Crew,
        flow: Flow,
        live: dict[str, HandlerRoute],
        *,
        name: str,
        identity: str,
    ) -> None:
        self.name = name
        self.identity = identity
        self.stats = RouteStats()
        self.policy = policy
        self._bus = bus
        self._answers = binding.answers if policy.reply is None else policy.reply
        self._returned = binding.returned
        self._start = binding.starter()
        self._key = key
        self._crew = crew
        self._flow = flow
        self._live = live
        self._lanes: Lanes[tuple[Delivery, Captures]] = Lanes(policy.concurrency)
        self._open = 0
        self._inside: set[asyncio.Task[Any] | None] = set()
        self._ending = 0
        self._drained = asyncio.Event()

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
    def unfinished(self) -> int:
        """Messages that were accepted, and are neither acknowledged nor given up."""
        return self._open

    def open(self) -> None:
        """See `Consumer`."""
        self._live[self.identity] = self

    def accept(self, delivery: Delivery, captures: Captures) -> None:
        """See `Consumer`."""
        self._open += 1
        self._crew.submit(self, delivery, captures)
        if self._flow.enter(len(delivery.payload), delivery.qos):
            self._shed()

    def _shed(self) -> None:
        """Drop an old QoS 0 message; what waits in the lanes is older than what is not begun."""
        oldest = self._lanes.shed(_is_unkept)
        if oldest is None:
            self._crew.shed()
        else:
            self.discard(oldest[0])

    def discard(self, delivery: Delivery) -> None:
        """See `crew.Route`."""
        self.stats.shed += 1
        self._done(delivery)

    async def drain(self) -> None:
        """See `Consumer`. A handler that awaits the end of its own route is not waited for."""
        if self._open:
            await asyncio.sleep(0)  # from here on such a handler is known to be inside
        ends_itself = asyncio.current_task() in self._inside
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

    def begin(self, delivery: Delivery, captures: Captures) -> Coroutine[Any, Any, None] | None:
        """See `crew.Route`."""
        lanes = self._lanes
        if lanes.busy:
            key = self._key(delivery, captures)  # once: a function may answer otherwise next time
            if lanes.must_wait(key, (delivery, captures)):
                return None
            rest = self._step(delivery, captures)
            return None if rest is None else self._serve(key, delivery, captures, rest)
        rest = self._step(delivery, captures)
        if rest is None:
            return None
        return self._serve(self._key(delivery, captures), delivery, captures, rest)

    def _step(self, delivery: Delivery, captures: Captures) -> Coroutine[Any, Any, None] | None:
        """Decode and take the handler's first step; what remains, if anything does."""
        started = time.perf_counter()
        try:
            coroutine = self._start(delivery, captures)
            yielded = coroutine.send(None)
        except StopIteration as stop:
            result = stop.value
        except asyncio.CancelledError:  # nobody cancels a worker inside a step
            self._spent(started)
            return self._process(delivery, captures, DSkityError(_CANCELLED))
        except Exception as error:  # noqa: BLE001  # whatever a handler raises has an outcome
            self._spent(started)
            return self._process(delivery, captures, error)
        else:
            self._spent(started)
            return self._finish(delivery, captures, Rest(coroutine, yielded, self._blocked))
        # Written out rather than called: each call would be a twentieth of what a message costs.
        held = time.perf_counter() - started
        stats = self.stats
        stats.busy_seconds += held
        if held > BLOCKED_SECONDS:
            self._blocked(held)
        if delivery.meta is not None and self._owes_reply(delivery, result):
            return self._answer(delivery, result)
        stats.handled += 1
        self._done(delivery)
        return None

    def _spent(self, started: float) -> None:
        held = time.perf_counter() - started
        self.stats.busy_seconds += held
        if held > BLOCKED_SECONDS:
            self._blocked(held)

    def _blocked(self, seconds: float) -> None:
        self.stats.blocked += 1
        _logger.warning(
            "handler %s held the event loop for %.0f ms: make it a plain function (it then "
            "runs in a thread), or await",
            self.name,
            seconds * 1000,
        )

    async def _serve(
        self,
        key: Hashable,
        delivery: Delivery,
        captures: Captures,
        rest: Coroutine[Any, Any, None],
    ) -> None:
        """See a suspended message through, then those that waited for its key or its place."""
        self._lanes.occupy(key)
        await self._go_on(key, delivery, captures, rest)

    async def _go_on(
        self,
        key: Hashable,
        delivery: Delivery,
        captures: Captures,
        rest: Coroutine[Any, Any, None] | None,
    ) -> None:
        """`rest` of a message whose key is occupied, then the others, by turns of the loop."""
        try:
            while rest is not None:
                try:
                    await rest
                except Exception:  # the last net: what waits here must go on
                    _logger.exception("%s: a fault in the processing of a message", self.name)
                    delivery.acknowledge = None  # the broker sends it again
                    self._done(delivery)
                turn_ends, rest = time.perf_counter() + TURN_SECONDS, None
                while rest is None:
                    following = self._lanes.following(key)
                    if following is None:
                        return
                    key, (delivery, captures) = following
                    if time.perf_counter() > turn_ends:
                        await asyncio.sleep(0)
                        turn_ends = time.perf_counter() + TURN_SECONDS
                    rest = self._step(delivery, captures)
        except asyncio.CancelledError:
            if not self._crew.closed:  # a handler has cancelled its own task, which ends with this
                again = self._process(delivery, captures, DSkityError(_CANCELLED))
                self._crew.hand_over(self._go_on(key, delivery, captures, again))
            raise

    async def _finish(self, delivery: Delivery, captures: Captures, rest: Rest) -> None:
        """Await a handler that has suspended, under its time-out."""
        try:
            result = await self._limited(rest)
        except Exception as error:  # noqa: BLE001  # whatever a handler raises has an outcome
            await self._process(delivery, captures, error)
        else:
            await self._answer(delivery, result)

    async def _limited(self, rest: Any) -> Any:
        started = time.perf_counter()
        task = asyncio.current_task()
        self._inside.add(task)
        try:
            async with self._bus.clock.timeout(self.policy.timeout) as limit:
                return await rest
        except TimeoutError as error:
            if not limit.expired():
                raise
            self.stats.timed_out += 1
            raise TimeoutError(f"no end within {self.policy.timeout:g} s") from error
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling():
                raise  # it ends this task: we are being closed, or see `_go_on`
            raise DSkityError(_CANCELLED) from error
        finally:
            self._inside.discard(task)
            self.stats.busy_seconds += time.perf_counter() - started

    async def _process(
        self, delivery: Delivery, captures: Captures, error: Exception, attempt: int = 1
    ) -> None:
        """Retry as the policy says, until success or the end."""
        retry = self.policy.retry
        while self._again(error, attempt, delivery):
            self.stats.retried += 1
            after = error.after if isinstance(error, Retry) else None
            await self._bus.clock.sleep(retry.delay(attempt) if after is None else after)
            attempt += 1
            try:
                result = await self._limited(self._start(delivery, captures))
            except Exception as again:  # noqa: BLE001  # whatever a handler raises has an outcome
                error = again
            else:
                await self._answer(delivery, result)
                return
        await self._give_up(delivery, error, attempt)

    def _again(self, error: Exception, attempt: int, delivery: Delivery) -> bool:
        if attempt >= self.policy.retry.attempts or isinstance(error, Drop | Reject):
            return False
        if isinstance(error, InvalidPayload) and self.policy.on_invalid != "raise":
            return False  # the same bytes fail again
        return isinstance(error, Retry) or not self._owes_reply(delivery)

    async def _give_up(self, delivery: Delivery, error: Exception, attempts: int) -> None:
        """The end of a message that was not handled."""
        policy = self.policy
        dropped = isinstance(error, Drop)
        if isinstance(error, InvalidPayload):
            self.stats.invalid += 1
            dropped = policy.on_invalid == "drop"
        if not dropped:
            self._log(delivery, error, attempts)
        if isinstance(error, Duplicate):
            self.stats.duplicates += 1
        elif self._owes_reply(delivery):
            await self._reply_error(delivery, error)
        elif dropped or not policy.dead_letter or self._is_dead_letter(delivery):
            self.stats.dropped += 1
        else:
            await self._bury(delivery, error, attempts)
        self._done(delivery)

    def _is_dead_letter(self, delivery: Delivery) -> bool:
        """It gets none of its own: a handler that fails on it would get that one too."""
        return delivery.topic.startswith(dead_letters(self._bus.root))

    def _log(self, delivery: Delivery, error: Exception, attempts: int) -> None:
        self.stats.failed += 1
        if self._owes_reply(delivery) and is_answer(error):
            _logger.info(
                "handler %s answered a request on %s with %s",
                self.name,
                delivery.topic,
                in_words(error),
            )
            return
        expected = isinstance(error, InvalidPayload | Outcome | TimeoutError)
        _logger.warning(
            "handler %s gave up on a message of %s after %d attempt(s): %s",
            self.name,
            delivery.topic,
            attempts,
            in_words(error),
            exc_info=None if expected else error,
        )

    async def _bury(self, delivery: Delivery, error: Exception, attempts: int) -> None:
        """Publish the dead letter; until the broker has it the message is not acknowledged."""
        bus = self._bus
        letter = dead_letter(
            delivery.message(), bus.root, error, self.name, attempts, bus.clock.time()
        )
        pause = 0.1
        while True:
            try:
                await bus.send(letter)
            except (Unavailable, BrokerRefused) as failure:
                _logger.warning("no dead letter yet for %s: %s", delivery.topic, failure)
                await bus.clock.sleep(pause)
                pause = min(pause * 2, _DEAD_LETTER_RETRY)
            except Exception as failure:  # noqa: BLE001  # too large, or no wire can carry it
                await self._keep(letter, failure)
                return
            else:
                self.stats.dead_lettered += 1
                return

    async def _keep(self, letter: Message, failure: Exception) -> None:
        """A dead letter that no broker takes stays here."""
        if await self._bus.keep(letter):
            self.stats.dead_lettered += 1
            _logger.error("%s is kept in the outbox: %s", letter.topic, failure)
        else:
            self.stats.dropped += 1
            _logger.error("%s is lost", letter.topic, exc_info=failure)

    async def _answer(self, delivery: Delivery, result: Any) -> None:
        """Success: publish the reply, if one is wanted, and be done."""
        if self._owes_reply(delivery, result):
            try:
                await self._bus.reply(delivery, self._returned(result))
            except InvalidPayload as error:
                _logger.warning("%s returned what cannot be sent: %s", self.name, error)
                await self._reply_error(delivery, DSkityError(f"no result: {error}"))
            except DSkityError as error:  # the requester's time-out tells it
                _logger.warning("no reply to %s on %s: %s", self.name, delivery.topic, error)
        self._handled(delivery)

    def _owes_reply(self, delivery: Delivery, result: Any = None) -> bool:
        """Whether this route answers: a route that only listens must not be taken for the one
        that does. One whose signature does not say answers with what it returns, if anything."""
        if delivery.meta is None or delivery.meta.reply_to is None:
            return False
        return result is not None if self._answers is None else self._answers

    async def _reply_error(self, delivery: Delivery, error: Exception) -> None:
        try:
            await self._bus.reply(
                delivery,
                problem_of(error),
                headers={STATUS_HEADER: str(status_of(error).http)},
                content_type=PROBLEM_TYPE,
            )
        except DSkityError as failure:  # the requester's time-out tells it
            _logger.warning("no error reply to %s: %s", delivery.topic, failure)

    def _handled(self, delivery: Delivery) -> None:
        self.stats.handled += 1
        self._done(delivery)

    def _done(self, delivery: Delivery) -> None:
        delivery.done()
        self._flow.leave(len(delivery.payload))
        self._open -= 1
        if self._open <= self._ending:
            self._drained.set()


def _is_unkept(item: tuple[Delivery, Captures]) -> bool:
    """Whether nobody keeps it: at QoS 0."""
    return item[0].qos == 0
