"""Handling each message once in a window: a key is looked up before the handler and remembered
after it.

A crash between the two handles the message twice, and so does a disk that does not take the note,
so a handler's own effect should bear that; everything else (a redelivery, a publisher that sends
again, two brokers) is recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dskity.bus.base.tasks import spawn
from dskity.bus.base.threads import Job, ThreadPool
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidHandler, InvalidPayload, StoreUnavailable
from dskity.bus.message import Message
from dskity.bus.store.dedup_store import DedupStore
from dskity.handlers.binding import Binding, Getter
from dskity.handlers.outcome import Drop

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


def deduped(
    binding: Binding,
    dedupe: Dedupe,
    seen: DedupStore,
    scope: str,
    throttled: ThrottledLog,
    threads: ThreadPool,
) -> Binding:
    """The binding with the check before its call and the note after it."""
    key_of = _key_getter(dedupe.key)

    async def call(key: str, *arguments: Any) -> Any:
        turn = seen.turn(scope, key)  # in another lane or from another broker: who was first?
        await turn.__aenter__()
        try:
            if await seen.has(scope, key, dedupe.window):
                raise Duplicate(f"{key!r} was handled already")
            result = await binding.call(*arguments)
            try:
                await seen.add(scope, key)
            except StoreUnavailable as error:
                throttled.warn(f"{scope}: a key was handled and is not remembered: {error}")
        finally:
            job = threads.unfinished(asyncio.current_task())
            if job is None:
                await turn.__aexit__(None, None, None)
            else:  # timed out, and not over yet
                spawn(_end_after(job, turn), name=f"dedupe turn of {scope}")
        return result

    return replace(binding, call=call, getters=(key_of, *binding.getters))


async def _end_after(job: Job, turn: AbstractAsyncContextManager[None]) -> None:
    try:
        await job.ended.wait()
    finally:
        await turn.__aexit__(None, None, None)


def _key_getter(key: KeyOf) -> Getter:
    if callable(key):
        function = key
        return lambda delivery, _: function(delivery.message())
    if key.startswith(_HEADER):
        return _from_header(key.removeprefix(_HEADER))
    return _from_payload(key)


def _from_header(name: str) -> Getter:
    def get(delivery: Delivery, _: Mapping[str, str]) -> str:
        value = delivery.message().headers.get(name)
        if value is None:
            raise InvalidPayload(f"{delivery.topic}: no header {name!r}, which is the dedupe key")
        return value

    return get


def _from_payload(path: str) -> Getter:
    levels = path.split(".")

    def get(delivery: Delivery, _: Mapping[str, str]) -> str:
        value = delivery.message().json()
        for level in levels:
            value = value.get(level) if isinstance(value, dict) else None
        if value is None or isinstance(value, dict | list):
            raise InvalidPayload(f"{delivery.topic}: no field {path!r}, which is the dedupe key")
        return str(value)

    return get
