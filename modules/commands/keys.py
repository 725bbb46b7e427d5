"""Idempotency keys that several runtimes share, in the store that they share.

A key is claimed before its command is sent, by a write that one runtime alone can make. Until the
command is sent the claim lapses soon: it may be that of a runtime that died in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import asdict
from typing import Any

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import keep_running
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import Conflict, StoreUnavailable
from dskity.modules.commands.states import State, has_ended
from dskity.modules.contract import KV, Execution

PREFIX = "dskity/commands/idempotency/"
CLAIMED = 60.0  # seconds until a claim without a sent command lapses
KEPT = 86_400.0  # seconds for which a key leads to its execution
_LOOK_AGAIN = 0.1  # seconds
_TRY_AGAIN = 1.0  # seconds
_logger = logging.getLogger(__name__)


class SharedKeys:
    """`kv` is a store that other runtimes use, too. Every call may raise `StoreUnavailable`, but
    for `note` and `release`, which are done as soon as the store is there."""

    def __init__(self, kv: KV, clock: Clock) -> None:
        self._kv = kv
        self._clock = clock
        self._throttled = ThrottledLog(_logger, clock)
        self._due = asyncio.Event()
        self._pending: dict[str, Execution | None] = {}
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Write what is noted, until `stop`."""
        self._writing = keep_running(
            self._write, name="commands: idempotency keys", clock=self._clock
        )

    async def stop(self) -> None:
        """Write what is left, if the store is there."""
        if self._writing is None:
            return
        self._writing.cancel()
        await asyncio.wait((self._writing,))
        self._writing = None
        try:
            await self._write_pending()
        except StoreUnavailable as error:
            _logger.warning("idempotency keys may lead to an old state: %s", error)

    async def claim(self, execution: Execution) -> Execution | None:
        """Take the execution's key; the execution that has it where another runtime was first."""
        name = _name(execution)
        while True:
            try:
                await self._kv.put(name, asdict(execution), CLAIMED, if_version=0)
            except Conflict:
                value = await self._kv.get(name)
                if value is not None:  # else it has lapsed in between
                    return _read(value, name)
            else:
                return None

    def note(self, execution: Execution) -> None:
        """It has changed, and its key leads to it from now on."""
        if execution.state != State.ACCEPTED:
            self._put_off(execution, execution)

    def release(self, execution: Execution) -> None:
        """Its key may be used again."""
        self._put_off(execution, None)

    async def ended(self, execution: Execution, seconds: float) -> Execution:
        """Another runtime's execution as soon as it has ended, or as it is after `seconds`."""
        deadline = self._clock.monotonic() + seconds
        while not has_ended(execution) and self._clock.monotonic() < deadline:
            await self._clock.sleep(_LOOK_AGAIN)
            value = await self._kv.get(_name(execution))
            execution = execution if value is None else _read(value, _name(execution))
        return execution

    def _put_off(self, execution: Execution, state: Execution | None) -> None:
        self._pending[_name(execution)] = state
        self._due.set()

    async def _write(self) -> None:
        self._due.set()  # what an earlier run, which failed, has left
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._write_pending()
            except StoreUnavailable as error:
                self._throttled.warn(f"an idempotency key is not written yet: {error}")
                self._due.set()
                await self._clock.sleep(_TRY_AGAIN)

    async def _write_pending(self) -> None:
        """In order; of a key only the newest state matters."""
        while self._pending:
            name, state = next(iter(self._pending.items()))
            if state is None:
                await self._kv.delete(name)
            else:
                await self._kv.put(name, asdict(state), KEPT)
            if self._pending[name] is state:
                del self._pending[name]


def _name(execution: Execution) -> str:
    """A key of any text, as a name of one length."""
    key = execution.idempotency_key or ""
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()


def _read(value: Any, name: str) -> Execution:
    """What `claim` or `note` has written."""
    try:
        return Execution(**value)
    except TypeError as error:
        raise Conflict(f"the key {name!r} does not contain an execution: delete it") from error
