"""`clients.commands`: commands to devices over MQTT, tracked from accepted to done."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

from dskity.bus.base.keyed_lock import KeyedLock
from dskity.bus.base.text import fault_in
from dskity.bus.bus import Bus
from dskity.bus.errors import (
    Conflict,
    DSkityError,
    InvalidInput,
    NoResponder,
    Overloaded,
    Unavailable,
)
from dskity.bus.message import Message
from dskity.bus.problem import problem_of
from dskity.modules.commands import wire
from dskity.modules.commands.keys import SharedKeys
from dskity.modules.commands.ledger import Ledger
from dskity.modules.commands.replies import ReplyIntake
from dskity.modules.commands.states import Change, State, has_ended
from dskity.modules.commands.store import ExecutionStore, MemoryExecutions
from dskity.modules.contract import KV, Execution

_MAX_SECONDS = 2**32 - 1  # what a message expiry interval holds (MQTT 5 spec 3.3.2.3.3)


class CommandService:
    """Sends commands and answers for their executions.

    `ttl` is the default time to live in seconds; `max_open` bounds the executions that have not
    ended, `store` the ended ones. `shared` is a key-value store that several runtimes use: there an
    idempotency key holds for all of them.
    """

    def __init__(
        self,
        bus: Bus,
        templates: wire.Templates | None = None,
        *,
        ttl: float = 60.0,
        max_open: int = 10_000,
        store: ExecutionStore | None = None,
        shared: KV | None = None,
    ) -> None:
        self._bus = bus
        self._templates = templates or wire.Templates()
        self._ttl = _seconds("commands.ttl", ttl)
        self._keys = None if shared is None else SharedKeys(shared, bus.clock)
        self._locks = KeyedLock()
        self._ledger = Ledger(bus, store or MemoryExecutions(), max_open, self._keys)
        self._intake = ReplyIntake(bus, self._templates.replies, self._ledger)
        self._running = False

    @property
    def replies(self) -> Counter[str]:
        """What became of the replies so far (see `ReplyIntake`)."""
        return self._intake.counts

    async def start(self) -> None:
        """Take replies, publish changes and time out, until `stop`."""
        if not self._running:
            self._bus.protect(self._templates.requests)
            await self._intake.attach()
            self._ledger.start()
            if self._keys is not None:
                self._keys.start()
            self._running = True

    async def stop(self) -> None:
        """Publish what has changed, then stop; open executions stay as they are."""
        if self._running:
            self._running = False
            await self._ledger.stop()
            if self._keys is not None:
                await self._keys.stop()

    async def execute(
        self,
        target: str,
        command: str,
        payload: Any = None,
        *,
        wait: float = 0.0,
        ttl: float | None = None,
        idempotency_key: str | None = None,
        require_responder: bool = False,
    ) -> Execution:
        """See `contract.Commands`.

        Raises `InvalidInput` on a name or a time that cannot be, `InvalidPayload`, `Conflict` where
        the idempotency key belongs to another command, `Overloaded`, `NotConnected` (a connection
        lost on the way: the device may have got it), `NoResponder` if that was asked for and the
        broker says that no client is subscribed, and `Unavailable` while the service is not
        started.
        """
        if not self._running:
            raise Unavailable("commands are not available: the module 'commands' must run")
        fault = None if idempotency_key is None else fault_in(idempotency_key)
        if fault is not None:
            raise InvalidInput(f"the idempotency key {idempotency_key!r} has {fault}: leave it out")
        lifetime = _seconds("ttl", self._ttl if ttl is None else ttl)
        patience = _seconds("wait", wait) if wait else 0.0
        topic = self._templates.request(target, command)
        execution = self._new(target, command, wire.jsonable(payload), lifetime, idempotency_key)
        request = self._request(execution, topic, lifetime)
        if idempotency_key is None:
            await self._send(execution, request, require_responder)
            return await self._ended(execution, patience)
        async with self._locks.of(idempotency_key):
            first = await self._first(execution)
            if first is None:
                await self._send(execution, request, require_responder)
        return await self._ended(first or execution, patience)

    async def get(self, execution: str) -> Execution:
        return self._ledger.get(execution)

    async def list(self, target: str | None = None, state: str | None = None) -> list[Execution]:
        if state is not None and state not in set(State):
            raise InvalidInput(f"state {state!r}: write one of {', '.join(State)}")
        return self._ledger.find(target, state)

    async def cancel(self, execution: str) -> Execution:
        found = self._ledger.get(execution)
        if has_ended(found):
            raise Conflict(f"execution {execution!r} has ended already: it is {found.state}")
        self._ledger.apply(execution, Change(State.CANCELLED))
        return self._ledger.get(execution)

    def watch(self, execution: str) -> AsyncGenerator[Execution, None]:
        return self._ledger.watch(execution)

    def _new(
        self, target: str, command: str, payload: Any, ttl: float, key: str | None
    ) -> Execution:
        now = self._bus.clock.time()
        return Execution(
            uuid.uuid4().hex,
            target,
            command,
            State.ACCEPTED.value,
            payload,
            created_at=now,
            updated_at=now,
            expires_at=now + ttl,
            idempotency_key=key,
        )

    async def _first(self, asked: Execution) -> Execution | None:
        """The execution that holds the idempotency key already, of this runtime or another one;
        where there is none, `asked` holds it from now on."""
        first = self._ledger.by_key(asked.idempotency_key or "")
        if first is None and self._keys is not None:
            first = await self._keys.claim(asked)
        if first is not None and not _same_command(first, asked):
            raise Conflict(
                f"idempotency key {asked.idempotency_key!r} belongs to another command "
                f"({first.command!r} of {first.target!r}): use a new key for a new command"
            )
        return first

    def _request(self, execution: Execution, topic: str, ttl: float) -> Message:
        reply_to = self._intake.reply_to if self._bus.capabilities.headers else None
        return wire.request(execution, topic, ttl, reply_to)

    async def _send(self, execution: Execution, request: Message, require_responder: bool) -> None:
        try:
            self._ledger.open(execution, execution.expires_at - execution.created_at)
        except Overloaded:
            if self._keys is not None and execution.idempotency_key is not None:
                self._keys.release(execution)
            raise
        try:
            receipt = await self._bus.send(request)
            if require_responder and receipt.matched is False:
                raise NoResponder(f"no device is subscribed to {request.topic!r}")
        except DSkityError as error:
            # The caller is told to try again, so the key must not lead to this failure for ever.
            self._ledger.apply(execution.id, Change(State.FAILED, error=problem_of(error)))
            self._ledger.release_key(execution.id)
            raise
        self._ledger.apply(execution.id, Change(State.SENT))

    async def _ended(self, execution: Execution, seconds: float) -> Execution:
        """The execution as soon as it has ended, or as it is after `seconds`."""
        if self._keys is not None and not self._ledger.has(execution.id):
            return await self._keys.ended(execution, seconds)
        newest = self._ledger.get(execution.id)
        if seconds and not has_ended(newest):
            with contextlib.suppress(TimeoutError):
                async with (
                    asyncio.timeout(seconds),
                    contextlib.aclosing(self.watch(execution.id)) as changes,
                ):
                    async for change in changes:
                        newest = change
        return newest


def _same_command(one: Execution, other: Execution) -> bool:
    return (one.target, one.command, one.payload) == (other.target, other.command, other.payload)


def _seconds(what: str, value: float) -> float:
    if not 0 < value <= _MAX_SECONDS:
        raise InvalidInput(f"{what} {value!r}: write seconds above 0 and at most {_MAX_SECONDS}")
    return value
