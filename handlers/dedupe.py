"""Handling each message once in a window: a key is looked up before the handler and remembered
after it.

A crash between the two handles the message twice, and so does a disk that does not take the note,
so a handler's own effect should bear that; everything else (a redelivery, a publisher that sends
again, two brokers) is recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from dskity.bus.base.tasks import spawn
from dskity.bus.base.threads import Job, ThreadPool
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import InvalidHandler, InvalidPayload, StoreUnavailable
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.bus.store.dedup_store import DedupStore
from dskity.handlers.outcome import Drop
from dskity.handlers.unawaited import unawaited

KeyOf: TypeAlias = str | Callable[[Message], str]
_HEADER = "header:"


@dataclass(frozen=True, slots=True)
class Dedupe:
    """`key` is a field of the JSON payload (`id`, `meta.id`), `header:NAME`, or a function of the
    message; `window` is in seconds."""

    key: KeyOf
    window: float = 3600.0

    def __post_init__(self) -> None:
        if not self.window > 0:
            raise InvalidHandler(f"Dedupe(window={self.window!r}): seconds above 0")
        if not self.key or self.key == _HEADER:
            raise InvalidHandler(
                "Dedupe(key=''): name a field of the payload, 'header:NAME', or pass a function"
            )


class Duplicate(Drop):
    """The message was handled already."""


class Deduplication:
    """The outermost link of a chain (see `chain.py`): a look-up before what is inside, and a note
    after it. `scope` is the route whose keys these are."""

    def __init__(
        self,
        dedupe: Dedupe,
        seen: DedupStore,
        scope: str,
        throttled: ThrottledLog,
        threads: ThreadPool,
    ) -> None:
        self._key_of = _key_getter(dedupe.key)
        self._window = dedupe.window
        self._seen = seen
        self._scope = scope
        self._throttled = throttled
        self._threads = threads

    async def __call__(self, call: Call, message: Message, next: Next) -> Any:
        """Raises `Duplicate`, and `InvalidPayload` where the message has no key."""
        key, scope = self._key_of(message), self._scope
        turn = self._seen.turn(scope, key)  # from another queue or broker: who was first?
        await turn.__aenter__()
        try:
            if await self._seen.has(scope, key, self._window):
                raise Duplicate(f"{key!r} was handled already")
            result = await next(call, message)
            if result is not None and (failure := unawaited(result)) is not None:
                raise failure
            try:
                await self._seen.add(scope, key)
            except StoreUnavailable as error:
                self._throttled.warn(f"{scope}: a handled key could not be recorded: {error}")
        finally:
            jobs = self._threads.all_unfinished(asyncio.current_task())
            if not jobs:
                await turn.__aexit__(None, None, None)
            else:  # timed out, and not over yet
                spawn(_end_after(jobs, turn), name=f"dedupe turn of {scope}")
        return result


async def _end_after(jobs: tuple[Job, ...], turn: AbstractAsyncContextManager[None]) -> None:
    try:
        for job in jobs:
            await job.ended.wait()
    finally:
        await turn.__aexit__(None, None, None)


def _key_getter(key: KeyOf) -> Callable[[Message], str]:
    if callable(key):
        return key
    if key.startswith(_HEADER):
        return _from_header(key.removeprefix(_HEADER))
    return _from_payload(key)


def _from_header(name: str) -> Callable[[Message], str]:
    def get(message: Message) -> str:
        value = message.headers.get(name)
        if value is None:
            raise InvalidPayload(f"{message.topic}: no header {name!r}, which is the dedupe key")
        return value

    return get


def _from_payload(path: str) -> Callable[[Message], str]:
    levels = path.split(".")

    def get(message: Message) -> str:
        value = message.json()
        for level in levels:
            value = value.get(level) if isinstance(value, dict) else None
        if value is None or isinstance(value, dict | list):
            raise InvalidPayload(f"{message.topic}: no field {path!r}, which is the dedupe key")
        return str(value)

    return get
