"""A store that a module provides, with its faults contained: whatever it raises, returns or never
returns, who asks gets `StoreUnavailable` with its name, the log says so, and readiness too."""

from __future__ import annotations

import logging
from types import UnionType
from typing import Any

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import is_ending
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.base.wording import in_words, shown
from dskity.bus.errors import DSkityError, StoreUnavailable
from dskity.modules.contract import Entry
from dskity.modules.kv.store import Listener, Pace, Store

ANSWER_SECONDS = 10.0
"""How long a store may take for one call: an HTTP caller has no other limit."""
SHOWN_SECONDS = 30.0
"""For so long after a fault readiness fails, unless a call succeeds: without an end, a runtime that
gets no more calls as it is not ready would never be ready again."""
_logger = logging.getLogger(__name__)


class ProvidedStore(Store):
    """`name` is that of `kv.store`, and so of the module. What the store says by a `DSkityError`
    (`Conflict`, `StoreUnavailable`) goes on as it is."""

    def __init__(self, store: Store, name: str, clock: Clock) -> None:
        self._store = store
        self._name = f"kv.store {name!r}"
        self._clock = clock
        self._throttled = ThrottledLog(_logger, clock)
        self._fault = ""
        self._until = 0.0

    def listen(self, made: Listener, seen: Listener, pace: Pace) -> None:
        """See `Store`."""
        self._store.listen(made, seen, pace)

    @property
    def trouble(self) -> str:
        """See `Store`; else its last fault, while no call has succeeded since."""
        try:
            told = self._store.trouble
        except BaseException as error:  # noqa: BLE001  # a property is code of the module's too
            return f"{self._name}: trouble raised {in_words(error)}"
        if told:
            return str(told)
        return self._fault if self._clock.monotonic() < self._until else ""

    async def start(self) -> None:
        """See `Store`; the hook that calls it has a limit."""
        await self._store.start()

    async def stop(self) -> None:
        """See `Store`."""
        await self._store.stop()

    async def get(self, key: str, default: Any) -> Any:
        """See `Store`."""
        return await self._asked("get", object, key, default)

    async def entry(self, key: str) -> Entry | None:
        """See `Store`."""
        found: Entry | None = await self._asked("entry", Entry | None, key)
        return found

    async def put(self, key: str, value: Any, ttl: float | None, if_version: int | None) -> int:
        """See `Store`."""
        version: int = await self._asked("put", int, key, value, ttl, if_version)
        return version

    async def delete(self, key: str, if_version: int | None) -> bool:
        """See `Store`."""
        deleted: bool = await self._asked("delete", bool, key, if_version)
        return deleted

    async def keys(self, prefix: str) -> list[str]:
        """See `Store`."""
        found: list[str] = await self._asked("keys", list, prefix)
        return found

    async def _asked(self, method: str, kind: type | UnionType, *arguments: Any) -> Any:
        try:
            async with self._clock.timeout(ANSWER_SECONDS) as limit:
                result = await getattr(self._store, method)(*arguments)
        except (DSkityError, GeneratorExit):  # the latter closes the coroutine of whoever asks
            raise
        except BaseException as error:
            if isinstance(error, TimeoutError) and limit.expired():
                raise self._failed(f"{method}: no answer within {ANSWER_SECONDS:g} s") from error
            if is_ending():
                raise
            raise self._failed(f"{method} raised {in_words(error)}") from error
        if not isinstance(result, kind):
            raise self._failed(f"{method} returned {shown(result)[:100]}")
        self._fault = ""
        return result

    def _failed(self, what: str) -> StoreUnavailable:
        self._fault = f"{self._name}: {what}"
        self._until = self._clock.monotonic() + SHOWN_SECONDS
        self._throttled.warn(self._fault)
        return StoreUnavailable(self._fault)
