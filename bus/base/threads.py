"""Threads for code that blocks: pools with a name and a bound, apart from asyncio's own.

asyncio's default executor resolves host names, so what blocks there stops reconnecting; and the
interpreter joins its threads at the end, so what blocks there stops the process from ending. The
threads here are daemons: nothing waits for one that does not end.

    BLOCKING      the shared pool for short blocking calls of our own: files, TLS, `Thread.join`
    ThreadPool    another one; a runtime has one for the plain handlers of its modules
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
HANDLER_THREADS = 40
"""Threads for plain handlers, where no setting says otherwise."""
GROWTH = 4
"""A pool with overdue threads has at most this many times its size."""
_IDLE_SECONDS = 30.0  # after which a thread without work ends
_Result = tuple[Any, BaseException | None]


class Job:
    """One call in a thread. `owner` names who asked; `ended` is set when the thread is done with
    it, and `overdue` when no task waits for its result any more."""

    def __init__(self, owner: Hashable, call: Callable[[], Any]) -> None:
        self.owner = owner
        self.call = call
        self.loop = asyncio.get_running_loop()
        self.result: asyncio.Future[Any] = self.loop.create_future()
        self.ended = asyncio.Event()
        self.running = False
        self.overdue = False
        self.on_end: list[Callable[[], object]] = []
        self.since = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long ago it was asked for."""
        return time.monotonic() - self.since

    def perform(self) -> _Result:
        """Run it, in the thread; whatever it raises is its outcome."""
        try:
            return self.call(), None
        except (StopIteration, GeneratorExit) as error:  # thrown into a coroutine, it would end it
            failure = RuntimeError(f"the function raised {type(error).__name__}")
            failure.__cause__ = error
            return None, failure
        except BaseException as error:  # noqa: BLE001  # it is for whoever asked
            return None, error

    def tell(self, outcome: _Result) -> None:
        """Have the event loop know, from the thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._end, *outcome)

    def _end(self, value: Any, error: BaseException | None) -> None:
        self.ended.set()
        for tell in self.on_end:
            tell()
        if self.result.done():  # whoever asked was cancelled
            return
        if error is None:
            self.result.set_result(value)
        else:
            self.result.set_exception(error)


class ThreadPool:
    """At most `size` daemon threads, started when they are needed.

    Two exceptions keep one owner's blocked calls from stopping the others: an owner that has no
    thread gets one beyond the bound, and an overdue call (its caller was cancelled, its thread runs
    on) does not count, up to `GROWTH` times the size. Of several owners that wait, the one with
    the fewest threads is next. All methods may be called from several event loops.
    """

    def __init__(self, name: str, size: int = HANDLER_THREADS) -> None:
        self.name = name
        self.size = size
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job | None]] = []
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._running: Counter[Hashable] = Counter()
        self._jobs: dict[Job, None] = {}
        self._left: dict[asyncio.Task[Any] | None, list[Job]] = {}
        self._alive = 0
        self.overdue = 0
        """Threads whose callers were cancelled."""
        self._started = 0
        self._keeps = True

    @property
    def threads(self) -> int:
        """Threads that exist now."""
        return self._alive

    @property
    def running(self) -> tuple[Job, ...]:
        """What the threads run now, the oldest first."""
        with self._lock:
            return tuple(self._jobs)

    async def run(
        self,
        function: Callable[..., T],
        *arguments: Any,
        owner: Hashable = None,
        caller: asyncio.Task[Any] | None = None,
    ) -> T:
        """What `function(*arguments)` returns or raises, in a thread, with this context's values.

        A cancelled caller stops waiting. A call that has not begun then never does; one that has
        begun goes on, and `unfinished` tells of it: to `caller`, None for the present task.
        """
        context = contextvars.copy_context()
        job = Job(owner, lambda: context.run(function, *arguments))
        self._submit(job)
        try:
            result: T = await job.result
        except asyncio.CancelledError:
            if not job.ended.is_set() and self._leave(job):
                task = caller or asyncio.current_task()
                self._left.setdefault(task, []).append(job)
                job.on_end.append(lambda: self._forget(task, job))
            raise
        return result

    def unfinished(self, task: asyncio.Task[Any] | None) -> Job | None:
        """A call that `task` waited for when it was cancelled, if its thread still runs."""
        left = self._left.get(task)
        return left[0] if left else None

    def all_unfinished(self, task: asyncio.Task[Any] | None) -> tuple[Job, ...]:
        """All such calls: a middleware may have begun several at once."""
        return tuple(self._left.get(task, ()))

    def _forget(self, task: asyncio.Task[Any] | None, job: Job) -> None:
        left = self._left[task]
        left.remove(job)
        if not left:
            del self._left[task]

    def close(self) -> None:
        """Keep no idle threads from now on; those that run end after their call."""
        with self._lock:
            self._keeps = False
            idle, self._idle = self._idle, []
            self._alive -= len(idle)
        for inbox in idle:
            inbox.put(None)

    def _submit(self, job: Job) -> None:
        with self._lock:
            if self._idle:
                self._begin(job)
                self._idle.pop().put(job)
            elif not (self._may_begin(job.owner) and self._start_thread(job)):
                self._waiting.setdefault(job.owner, deque()).append(job)

    def _leave(self, job: Job) -> bool:
        """Its caller is gone; whether its thread runs on."""
        with self._lock:
            if job.running and job in self._jobs:
                job.overdue = True
                self.overdue += 1
                self._begin_more()
                return True
            waiting = self._waiting.get(job.owner, ())
            if job in waiting:
                self._take(job.owner, job)
            return False

    # With the lock held

    def _has_room(self) -> bool:
        uncounted = min(self.overdue, self.size * (GROWTH - 1))
        return self._alive - uncounted < self.size

    def _may_begin(self, owner: Hashable) -> bool:
        return owner not in self._running or self._has_room()

    def _begin_more(self) -> None:
        while (owner := self._next_owner()) is not None and self._may_begin(owner):
            job = self._waiting[owner][0]
            if not self._start_thread(job):
                return
            self._take(owner, job)

    def _next_owner(self) -> Hashable | None:
        if not self._waiting:
            return None
        return min(self._waiting, key=lambda owner: self._running[owner])

    def _take(self, owner: Hashable, job: Job) -> None:
        """Out of the queue; its owner's other calls come after those of owners with as few."""
        waiting = self._waiting.pop(owner)
        waiting.remove(job)
        if waiting:
            self._waiting[owner] = waiting

    def _begin(self, job: Job) -> None:
        job.running = True
        self._jobs[job] = None
        self._running[job.owner] += 1

    def _end(self, job: Job) -> None:
        del self._jobs[job]
        self.overdue -= job.overdue
        self._running[job.owner] -= 1
        if not self._running[job.owner]:
            del self._running[job.owner]

    def _start_thread(self, job: Job) -> bool:
        """Whether there is one more; where the system has no room, the call waits for the others.
        Without any other, `RuntimeError`."""
        self._started += 1
        thread = threading.Thread(
            target=self._work, args=(job,), name=f"{self.name}-{self._started}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            if not self._alive:
                raise
            return False
        self._alive += 1
        self._begin(job)
        return True

    # In the threads

    def _work(self, first: Job) -> None:
        inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        inbox.put(first)
        while (job := self._receive(inbox)) is not None:
            outcome = job.perform()
            stays = self._go_on(job, inbox)
            job.tell(outcome)
            if not stays:
                return
            del job, outcome  # an idle thread keeps nobody's values alive

    def _go_on(self, ended: Job, inbox: queue.SimpleQueue[Job | None]) -> bool:
        """Put the next call into the inbox, or the inbox among the idle ones; False: no more."""
        with self._lock:
            self._end(ended)
            self._alive -= 1
            owner = self._next_owner()
            if owner is not None and self._may_begin(owner):
                job = self._waiting[owner][0]
                self._take(owner, job)
                self._begin(job)
                inbox.put(job)
            elif owner is None and self._keeps and self._has_room():
                self._idle.append(inbox)
            else:
                return False
            self._alive += 1
            return True

    def _receive(self, inbox: queue.SimpleQueue[Job | None]) -> Job | None:
        try:
            return inbox.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    self._alive -= 1
                    return None
        return inbox.get()  # it was given a call, or its end, just then


BLOCKING = ThreadPool("dskity-blocking", 16)
"""For blocking calls of our own that end by themselves. Nothing of a user runs here."""


async def blocking(function: Callable[..., T], *arguments: Any) -> T:
    """What a short blocking call of our own returns or raises, in a thread of `BLOCKING`."""
    return await BLOCKING.run(function, *arguments)
