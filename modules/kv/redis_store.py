"""The store in a Redis that runtimes share: `kv.store: redis`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from dskity.bus.base.alarm import Alarm
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.jsontext import NotJson
from dskity.bus.errors import DSkityError, InvalidSettings, StoreUnavailable
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import Entry
from dskity.modules.kv import redis_scripts as scripts
from dskity.modules.kv.outage import Outage
from dskity.modules.kv.redis_feed import RedisFeed, seconds, unusable
from dskity.modules.kv.store import Listener, Pace, StoreChange, conflict
from dskity.modules.kv.values import thaw, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.commands.core import AsyncScript

TIMEOUT = 1.5
"""Seconds for one call, connecting included; then it is `StoreUnavailable`."""
_STEP_TIMEOUT = 1.0
"""Seconds for one step of it: a free connection, connecting, an answer."""
_CONNECTIONS = 16
_CLAIMS = 200
"""Keys that one sweep ends: Redis serves nobody else for about 1 ms."""
_CLAIMED_BYTES = 4 * 1024 * 1024
"""Bytes of values after which a sweep ends: its answer has to arrive within `TIMEOUT`."""
_POLL = 5.0
"""Other runtimes' keys are learnt from the feed; where it is down, after so many seconds."""
_RETRY = 0.5
_MICRO = 1e6

log = logging.getLogger(__name__)


def _always() -> bool:
    return True


class RedisStore:
    """See `Store`. Every store object sweeps; the scripts see to it that one of them claims a key.

    `may_sweep` says whether events could be published now: while they could not, expired keys are
    left to others, or to later. No connection is made before the first call or `start`, and each
    call finds out anew whether Redis is there, so an outage heals by itself. With `last_values`
    the end of a key tells its value, where this object finds it.
    """

    def __init__(
        self,
        url: str,
        *,
        key_prefix: str = "dskity",
        may_sweep: Callable[[], bool] = _always,
        last_values: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._client = _client(url)
        self._prefix = key_prefix
        self._origin = secrets.token_hex(8)
        self._may_sweep = may_sweep
        self._carries = "1" if last_values else "0"
        self._clock = clock
        self._alarm = Alarm(clock, "kv sweep")
        self._outage = Outage("redis (kv.redis.url)", clock)
        register = self._client.register_script
        self._read: AsyncScript = register(scripts.READ)
        self._put: AsyncScript = register(scripts.PUT)
        self._delete: AsyncScript = register(scripts.DELETE)
        self._sweep: AsyncScript = register(scripts.SWEEP)
        self._feed = RedisFeed(
            self._client,
            f"{key_prefix}:changes",
            self._hear,
            self._sweep_soon,
            self._outage,
            clock,
        )
        self._running = False
        self._feeding = Tasks(log)
        self._sweeping = Tasks(log)
        self._made: Listener
        self._seen: Listener
        self._pace: Pace

    def listen(self, made: Listener, seen: Listener, pace: Pace) -> None:
        """See `Store`."""
        self._made, self._seen, self._pace = made, seen, pace

    @property
    def trouble(self) -> str:
        """See `Store`: found out by the sweep, every 5 s, and by the feed, at once."""
        return self._outage.reason

    async def start(self) -> None:
        """See `Store`."""
        if not self._running:
            self._running = True
            self._feeding.keep_running(self._feed.run, "kv: redis feed", self._clock)
            self._sweeping.keep_running(self._sweep_for_ever, "kv: redis sweep", self._clock)

    async def stop(self) -> None:
        """See `Store`. A sweep under way is not cut off: what it claimed is ours to report."""
        self._running = False
        self._sweep_soon()
        with contextlib.suppress(TimeoutError):  # it may be pausing after an error
            async with asyncio.timeout(2 * TIMEOUT):
                await self._sweeping.settle()
        await self._sweeping.close()
        await self._feeding.close()
        await self._client.aclose()

    async def get(self, key: str, default: Any) -> Any:
        """See `Store`."""
        found = await self._call(self._read, key)
        return _value(key, found[0]) if found else default

    async def entry(self, key: str) -> Entry | None:
        """See `Store`."""
        found = await self._call(self._read, key)
        if not found:
            return None
        left = int(found[2]) / _MICRO if found[2] else None
        return Entry(key, _value(key, found[0]), int(found[1]), left)

    async def put(self, key: str, value: Any, ttl: float | None, if_version: int | None) -> int:
        """See `Store`."""
        data = to_json(value)
        reply = await self._call(self._put, key, data, _text(ttl), _text(if_version))
        stored, store, before, expired, *new = reply
        self._report_expired(key, expired, store)
        if not stored:
            raise conflict(key, int(before), if_version or 0)
        version = int(new[0])
        if ttl is not None:
            self._alarm.no_later_than(self._clock.monotonic() + ttl)
        self._made(StoreChange("set", key, version, int(before), ttl, data, store.decode()))
        return version

    async def delete(self, key: str, if_version: int | None) -> bool:
        """See `Store`."""
        reply = await self._call(self._delete, key, _text(if_version))
        deleted, store, before, expired, *last = reply
        self._report_expired(key, expired, store)
        version = int(before)
        if not deleted:
            raise conflict(key, version, if_version or 0)
        if version:
            self._report("deleted", key, (version, *last), store)
        return version > 0

    async def keys(self, prefix: str) -> list[str]:
        """See `Store`. Walks Redis' whole key space, in steps of 1,000."""
        base = f"{self._prefix}:value:"
        pattern = re.sub(r"([*?\[\]\\^-])", r"\\\1", base + prefix) + "*"
        async with self._translated():
            walk: AsyncIterator[bytes] = self._client.scan_iter(match=pattern, count=1_000)
            found = {_name(key).removeprefix(base) async for key in walk}
            instant, micro = await self._client.time()
            now = instant * 1_000_000 + micro
            due = await self._client.zrangebyscore(f"{self._prefix}:deadlines", "-inf", now)
        return sorted(found - {_name(key) for key in cast("list[bytes]", due)})

    async def _call(self, script: AsyncScript, *arguments: str | bytes) -> list[Any]:
        async with self._translated(), asyncio.timeout(TIMEOUT):
            words = [self._origin, *arguments, self._carries]
            reply: list[Any] = await script([self._prefix], words)
            return reply

    @contextlib.asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Redis' errors, and the network's, as ours."""
        try:
            yield
        except (RedisError, OSError) as error:
            raise StoreUnavailable(unusable(error, f"no answer within {TIMEOUT:g} s")) from error

    def _report_expired(self, key: str, expired: list[bytes], store: bytes) -> None:
        """What a write found at the end of its time, and ended."""
        if expired:
            self._report("expired", key, expired, store)

    def _report(
        self, kind: Literal["deleted", "expired"], key: str, last: Sequence[Any], store: bytes
    ) -> None:
        """The end of a key whose last version, time to live and value (`b""`: not told) these
        are."""
        version, ttl, value = int(last[0]), seconds(last[1]), last[2] or None
        self._made(StoreChange(kind, key, version, version, ttl, value, store.decode()))

    def _hear(self, change: StoreChange, origin: bytes) -> None:
        """A change of the data, by us too: only here do they all come in order."""
        if change.ttl is not None and origin != self._origin.encode():
            self._alarm.no_later_than(self._clock.monotonic() + change.ttl)
        self._seen(change)

    def _sweep_soon(self) -> None:
        self._alarm.no_later_than(-math.inf)

    async def _sweep_for_ever(self) -> None:
        while self._running:
            pause = _RETRY
            if self._may_sweep():
                try:
                    pause = await self._sweep_once()
                    self._outage.works("sweep")
                    await self._pace()
                except StoreUnavailable as error:
                    pause = self._outage.failed("sweep", str(error))
            await self._alarm.sleep_until(self._clock.monotonic() + pause)

    async def _sweep_once(self) -> float:
        """End the keys that are due; the seconds until the next sweep."""
        store, claimed, left = await self._call(self._sweep, str(_CLAIMS), str(_CLAIMED_BYTES))
        for key, *expired in claimed:
            self._report_expired(_name(key), expired, store)
        if not left:
            return _POLL
        return min(max(int(left), 0) / _MICRO, _POLL)


def _client(url: str) -> Redis:
    """A client that has not connected yet, and that never tries twice: a write must not be made
    twice, and the pool replaces broken connections before it hands them out."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_STEP_TIMEOUT,
            socket_timeout=_STEP_TIMEOUT,
            socket_connect_timeout=_STEP_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # else it looks up its own version on disk for every connection
        )
    except ValueError as error:
        raise InvalidSettings(
            f"kv.redis.url: {error}; write redis://host:6379/0, rediss:// for TLS"
        ) from error
    return Redis.from_pool(pool)


def _value(key: str, data: bytes) -> Any:
    """The value of a key; another program may have written anything there."""
    try:
        return thaw(data)
    except NotJson as error:
        raise DSkityError(f"key {key!r} has no JSON in redis: {error}") from error


def _name(key: bytes) -> str:
    """A key of ours, which is UTF-8; another program's may be anything."""
    return key.decode(errors="backslashreplace")


def _text(number: float | None) -> str:
    return "" if number is None else repr(number)
