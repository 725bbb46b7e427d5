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
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from dskity.bus.base.threads import Job
from dskity.bus.base.throttled_log import Allowance
from dskity.bus.base.wording import in_words
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused, DSkityError, InvalidPayload, Unavailable
from dskity.bus.message import Message, encode_payload
from dskity.bus.problem import PROBLEM_TYPE, STATUS_HEADER, problem_of, status_of
from dskity.handlers.attempt import CANCELLED, THREAD_PATIENCE, Attempts
from dskity.handlers.dead_letter import dead_letter, dead_letters
from dskity.handlers.dedupe import Duplicate
from dskity.handlers.key_serializer import KeySerializer
from dskity.handlers.ordering import Key
from dskity.handlers.outcome import Drop, Outcome, Reject, Retry, is_answer
from dskity.handlers.started_coroutine import BLOCKED_SECONDS, UNBEGUN, StartedCoroutine
from dskity.handlers.stats import RouteStats
from dskity.handlers.worker_pool import TURN_SECONDS

if TYPE_CHECKING:
    from dskity.handlers.binding import Binding
    from dskity.handlers.in_flight import InFlightLimit
    from dskity.handlers.policy import RoutePolicy
    from dskity.handlers.worker_pool import WorkerPool

_logger = logging.getLogger("dskity.handlers")
Captures: TypeAlias = Mapping[str, str]
_DEEPEST = 100  # requests in requests that are looked at; each has a time-out of its own
_DEAD_LETTER_RETRY = 5.0  # seconds, the longest pause while the broker does not take a dead letter


class HandlerRoute:
    """A `Consumer`; the dispatcher makes it. `name` is for people; `identity` is what no other
    live route has, and what it has again in the next process: its things on the disk bear it."""

    def __init__(
        self,
        bus: Bus,
        binding: Binding,
        policy: RoutePolicy,
        key: Key,
        pool: WorkerPool,
        in_flight: InFlightLimit,
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
        self._attempts = Attempts(name, policy.timeout, self.stats, pool, bus.threads, bus.clock)
        self._threads = bus.threads
        self._pool = pool
        self._lines = Allowance(bus.clock)
        self._in_flight = in_flight
        self._live = live
        self._serializer: KeySerializer[tuple[Delivery, Captures]] = KeySerializer(
            policy.concurrency
        )
        self._open = 0
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
    def answers(self) -> bool:
        """See `Consumer`."""
        return self._answers is not False

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
        lanes = self._serializer
        if lanes.busy:
            key = self._key(delivery, captures)  # once: a function may answer otherwise next time
            nested = delivery.meta is not None and self._is_nested(delivery.meta.asker)
            if lanes.must_wait(key, (delivery, captures), nested=nested):
                return None
            rest = self._step(delivery, captures)
            return None if rest is None else self._serve(key, delivery, rest)
        rest = self._step(delivery, captures)
        if rest is None:
            return None
        return self._serve(self._key(delivery, captures), delivery, rest)

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
            return self._process(delivery, captures, error)
        try:
            yielded = coroutine.send(None)
        except StopIteration as stop:
            result = stop.value
        except asyncio.CancelledError:  # nobody cancels a worker inside a step
            self._spent(started)
            return self._process(delivery, captures, DSkityError(CANCELLED))
        except BaseException as error:  # noqa: BLE001  # whatever a handler raises has an outcome
            self._spent(started)
            return self._process(delivery, captures, error)
        else:
            self._spent(started)
            return self._finish(
                delivery, captures, StartedCoroutine(coroutine, yielded, self._attempts)
            )
        # Written out rather than called: each call would be a twentieth of what a message costs.
        held = time.perf_counter() - started
        stats = self.stats
        stats.busy_seconds += held
        if held > BLOCKED_SECONDS:
            self._attempts.blocked(held)
        if delivery.meta is not None and self._owes_reply(delivery, result):
            return self._answer(delivery, result)
        stats.handled += 1
        self._done(delivery)
        return None

    def _spent(self, started: float) -> None:
        held = time.perf_counter() - started
        self.stats.busy_seconds += held
        if held > BLOCKED_SECONDS:
            self._attempts.blocked(held)

    async def _serve(
        self,
        key: Hashable,
        delivery: Delivery,
        rest: Coroutine[Any, Any, None],
    ) -> None:
        """See a suspended message through, then those that waited for its key or its place."""
        self._serializer.occupy(key)
        await self._go_on(key, delivery, rest)

    async def _go_on(
        self, key: Hashable, delivery: Delivery, rest: Coroutine[Any, Any, None] | None
    ) -> None:
        """`rest` of a message whose key is occupied, then the others, by turns of the loop."""
        turn_ends = time.perf_counter() + TURN_SECONDS
        while True:
            if rest is not None:
                try:
                    await rest
                except BaseException as fault:  # noqa: BLE001  # the last net
                    await self._mishandled(key, delivery, fault)
                if self._threads.overdue and (job := self._attempts.thread()) is not None:
                    await self._pool.through(partial(self._wait_behind, key, job))
                turn_ends = time.perf_counter() + TURN_SECONDS
            if self._pool.closed:
                raise asyncio.CancelledError  # a handler has caught the one that was for us
            following = self._serializer.following(key)
            if following is None:
                return
            key, (delivery, captures) = following
            if time.perf_counter() > turn_ends:
                await self._pool.through(partial(asyncio.sleep, 0))
                turn_ends = time.perf_counter() + TURN_SECONDS
            rest = self._step(delivery, captures)
            if rest is None:
                await self._recover()

    async def _recover(self) -> None:
        """Forget a cancellation of this worker that the last handler asked for."""
        task = asyncio.current_task()
        if task is not None and task.cancelling() and not self._pool.closed:
            await self._pool.go_on()

    def _leave_worker(self, key: Hashable, delivery: Delivery) -> None:
        """Our coroutine is being closed: at the end of the loop, or by a GeneratorExit that came
        out of a future that the handler awaited. Only then there is a task, and more to do."""
        if not self._pool.closed and _is_in_task():
            error = RuntimeError("what the handler awaited raised GeneratorExit")
            self._pool.hand_over(self._go_on(key, delivery, self._give_up(delivery, error, 1)))

    async def _mishandled(self, key: Hashable, delivery: Delivery, fault: BaseException) -> None:
        """A fault of ours: what waits here must go on, and the PUBACKs too."""
        if isinstance(fault, GeneratorExit):
            self._leave_worker(key, delivery)
            raise fault
        if self._pool.closed:
            raise fault
        _logger.error("%s: a fault in the processing of a message", self.name, exc_info=fault)
        await self._recover()
        try:
            await self._pool.through(partial(self._bury, delivery, fault, 1))
        except Exception:
            self.stats.dropped += 1
            _logger.exception("a message of %s is lost", delivery.topic)
        self._done(delivery)

    async def _wait_behind(self, key: Hashable, job: Job) -> None:
        """Hold the key until the thread ends. What waits for it too long goes to the dead letter:
        unacknowledged, it would hold up every later message. The route gets the place back."""
        places = 0
        try:
            while not await self._attempts.ended(job):
                if not places:
                    places = 1
                    self._begin_another()
                for delivery, _ in self._serializer.take_waiting(key):
                    error = TimeoutError(
                        f"not begun: an earlier message of its key is in a thread that did not "
                        f"end within {THREAD_PATIENCE:g} s"
                    )
                    await self._give_up(delivery, error, 0)
        finally:
            self._serializer.concurrency -= places

    def _begin_another(self) -> None:
        another = self._serializer.let_another()
        if another is not None:
            self._pool.hand_over(self._take_up(*another))

    async def _take_up(self, key: Hashable, item: tuple[Delivery, Captures]) -> None:
        delivery, captures = item
        await self._go_on(key, delivery, self._step(delivery, captures))

    async def _finish(self, delivery: Delivery, captures: Captures, rest: StartedCoroutine) -> None:
        """Await a handler that has suspended, under its time-out."""
        result, error = await self._attempts.run(rest, delivery)
        if error is None:
            await self._answer(delivery, result)
        else:
            await self._process(delivery, captures, error)

    async def _process(
        self, delivery: Delivery, captures: Captures, error: BaseException, attempt: int = 1
    ) -> None:
        """Retry as the policy says, until success or the end."""
        await self._recover()
        retry = self.policy.retry
        while self._again(error, attempt, delivery) and await self._is_free():
            self.stats.retried += 1
            after = error.after if isinstance(error, Retry) else None
            pause = retry.delay(attempt) if after is None else after
            await self._pool.through(partial(self._bus.clock.sleep, pause))
            attempt += 1
            result, failure = await self._try(delivery, captures)
            if failure is None:
                await self._answer(delivery, result)
                return
            error = failure
        await self._give_up(delivery, error, attempt)

    async def _try(
        self, delivery: Delivery, captures: Captures
    ) -> tuple[Any, BaseException | None]:
        """One more attempt, from the decoding on."""
        try:
            coroutine = self._start(delivery, captures)
        except BaseException as error:  # noqa: BLE001  # whatever a validator raises has an outcome
            return None, error
        return await self._attempts.run(
            StartedCoroutine(coroutine, UNBEGUN, self._attempts), delivery
        )

    async def _is_free(self) -> bool:
        """Whether the thread of the last attempt has ended: no second one may run beside it."""
        job = self._attempts.thread()
        return job is None or await self._pool.through(partial(self._attempts.ended, job))

    def _again(self, error: BaseException, attempt: int, delivery: Delivery) -> bool:
        if attempt >= self.policy.retry.attempts or isinstance(error, Drop | Reject):
            return False
        if isinstance(error, InvalidPayload) and self.policy.on_invalid != "raise":
            return False  # the same bytes fail again
        return isinstance(error, Retry) or not self._owes_reply(delivery)

    async def _give_up(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
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
            await self._pool.through(partial(self._reply_error, delivery, error))
        elif dropped or not policy.dead_letter or self._is_dead_letter(delivery):
            self.stats.dropped += 1
        else:
            await self._pool.through(partial(self._bury, delivery, error, attempts))
        self._done(delivery)

    def _is_dead_letter(self, delivery: Delivery) -> bool:
        """It gets none of its own: a handler that fails on it would get that one too."""
        return delivery.topic.startswith(dead_letters(self._bus.root))

    def _log(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
        self.stats.failed += 1
        more = self._lines.take()
        if more is None:
            return
        if self._owes_reply(delivery) and is_answer(error):
            _logger.info(
                "handler %s answered a request on %s with %s%s",
                self.name,
                delivery.topic,
                in_words(error),
                more,
            )
            return
        expected = isinstance(error, DSkityError | Outcome | TimeoutError)
        _logger.warning(
            "handler %s gave up on a message of %s after %d attempt(s): %s%s",
            self.name,
            delivery.topic,
            attempts,
            in_words(error),
            more,
            exc_info=None if expected else error,
        )

    async def _bury(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
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
            await self._pool.through(partial(self._reply, delivery, result))
        self.stats.handled += 1
        self._done(delivery)

    async def _reply(self, delivery: Delivery, result: Any) -> None:
        try:
            payload, content_type = encode_payload(self._returned(result))
        except BaseException as error:  # noqa: BLE001  # a user's serializer may raise anything
            _logger.warning("%s returned what cannot be sent: %s", self.name, in_words(error))
            await self._reply_error(delivery, DSkityError(f"no result: {in_words(error)}"))
            return
        try:
            await self._bus.reply(delivery, payload, content_type=content_type)
        except InvalidPayload as error:
            _logger.warning("%s returned what cannot be sent: %s", self.name, error)
            await self._reply_error(delivery, DSkityError(f"no result: {error}"))
        except DSkityError as error:  # the requester's time-out tells it
            _logger.warning("no reply to %s on %s: %s", self.name, delivery.topic, error)

    def _owes_reply(self, delivery: Delivery, result: Any = None) -> bool:
        """Whether this route answers: a route that only listens must not be taken for the one
        that does. One whose signature does not say answers with what it returns, if anything."""
        if delivery.meta is None or delivery.meta.reply_to is None:
            return False
        return result is not None if self._answers is None else self._answers

    async def _reply_error(self, delivery: Delivery, error: BaseException) -> None:
        try:
            await self._bus.reply(
                delivery,
                problem_of(error),
                headers={STATUS_HEADER: str(status_of(error).http)},
                content_type=PROBLEM_TYPE,
            )
        except DSkityError as failure:  # the requester's time-out tells it
            _logger.warning("no error reply to %s: %s", delivery.topic, failure)

    def _done(self, delivery: Delivery) -> None:
        try:
            delivery.done()
        except Exception:
            _logger.exception("a message of %s was not acknowledged", delivery.topic)
        self._in_flight.leave(len(delivery.payload))
        self._open -= 1
        if self._open <= self._ending:
            self._drained.set()


def _is_in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs
        return False


def _is_unkept(item: tuple[Delivery, Captures]) -> bool:
    """Whether nobody keeps it: at QoS 0."""
    return item[0].qos == 0
