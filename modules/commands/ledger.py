"""Where executions change: stepped on, stored, told to watchers, published, timed out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Literal, TypeAlias

from dskity.bus.background_publisher import BackgroundPublisher
from dskity.bus.base.tasks import keep_running
from dskity.bus.bus import Bus
from dskity.bus.errors import NotFound, Overloaded
from dskity.bus.events import CommandChanged, Event
from dskity.modules.commands.deadlines import Deadlines
from dskity.modules.commands.keys import SharedKeys
from dskity.modules.commands.states import Change, State, Verdict, has_ended, step
from dskity.modules.commands.store import ExecutionStore
from dskity.modules.commands.watching import Watchers
from dskity.modules.contract import Execution

Outcome: TypeAlias = Verdict | Literal["unknown"]

_EVENTS = 10_000
"""Events that may wait for the broker; each is a few hundred bytes."""
_AGAIN = 1.0
"""Seconds until a time-out that could not be written down is due again."""


class Ledger:
    """All executions of this runtime; at most `max_open` of them have not ended. `keys` are the
    idempotency keys that other runtimes see, too."""

    def __init__(
        self, bus: Bus, store: ExecutionStore, max_open: int, keys: SharedKeys | None = None
    ) -> None:
        self._clock = bus.clock
        self._store = store
        self._max_open = max_open
        self._keys = keys
        self._deadlines = Deadlines(bus.clock)
        self._events: BackgroundPublisher[Event] = BackgroundPublisher(
            bus, bus.event_message, name="command events", limit=_EVENTS
        )
        self._watchers = Watchers()
        self._timer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Publish changes and time executions out, until `stop`."""
        self._events.start()
        self._timer = keep_running(self._time_out, name="commands: deadlines", clock=self._clock)

    async def stop(self) -> None:
        """End, and publish what has changed; open executions stay as they are."""
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.wait((self._timer,))
            self._timer = None
        await self._events.close()

    def open(self, execution: Execution, ttl: float) -> None:
        """Keep a new execution, which times out in `ttl` seconds; `Overloaded` at the bound."""
        if len(self._deadlines) >= self._max_open:
            raise Overloaded(f"{self._max_open} commands are under way: try again as they end")
        self._deadlines.add(execution.id, ttl)
        self._keep(execution)

    def apply(self, execution: str, change: Change) -> Outcome:
        """Step an execution on, and tell everybody if that changed it."""
        current = self._store.get(execution)
        if current is None:
            return "unknown"
        after = step(current, change, self._clock.time())
        if after.verdict == "changed":
            if has_ended(after.execution):
                self._deadlines.discard(execution)
            self._keep(after.execution)
        return after.verdict

    def get(self, execution: str) -> Execution:
        """`NotFound` where it never was, or is forgotten."""
        found = self._store.get(execution)
        if found is None:
            raise NotFound(f"no execution {execution!r}: it does not exist, or ended long ago")
        return found

    def has(self, execution: str) -> bool:
        """Whether it is, or was, one of this runtime, and is remembered."""
        return self._store.get(execution) is not None

    def find(self, target: str | None, state: str | None) -> list[Execution]:
        """Those of a target and in a state (None: any), newest first."""
        return self._store.find(target, state)

    def by_key(self, idempotency_key: str) -> Execution | None:
        """The execution that holds an idempotency key."""
        return self._store.by_key(idempotency_key)

    def release_key(self, execution: str) -> None:
        """Its idempotency key may be used again."""
        held = self.get(execution)
        self._store.save(replace(held, idempotency_key=None))
        if self._keys is not None and held.idempotency_key is not None:
            self._keys.release(held)

    async def watch(self, execution: str) -> AsyncGenerator[Execution, None]:
        """Its present state, then each change, until it has ended."""
        with self._watchers.changes(execution) as changes:
            current = self.get(execution)
            yield current
            while not has_ended(current):
                current = await changes.get()
                yield current

    async def _time_out(self) -> None:
        while True:
            execution = await self._deadlines.next()
            try:
                self.apply(execution, Change(State.TIMED_OUT))
            except BaseException:
                self._deadlines.add(execution, _AGAIN)
                raise

    def _keep(self, execution: Execution) -> None:
        self._store.save(execution)
        self._watchers.tell(execution)
        if self._keys is not None and execution.idempotency_key is not None:
            self._keys.note(execution)
        self._events.put(
            CommandChanged(
                execution.target,
                execution.id,
                execution.state,
                execution.command,
                execution.result,
                execution.error,
                execution.progress,
            )
        )
