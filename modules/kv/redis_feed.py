"""Changes as Redis publishes them: by every runtime, in the order in which they were made.

One connection listens on the channel of the store's prefix. While it is down changes are missed:
watching is for watching. What must not be missed, expiry, comes from the sweep.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dskity.bus.base.clock import Clock
from dskity.bus.base.jsontext import parse_json
from dskity.modules.kv.outage import Outage
from dskity.modules.kv.store import StoreChange

_RETRY = 0.5
_PING = 5.0
"""Seconds of silence after which the connection is tried; a reply is due after as many more."""

_KINDS = frozenset({"set", "deleted", "expired"})

log = logging.getLogger(__name__)

FeedListener = Callable[[StoreChange, bytes], None]
"""Is told a change, and the origin: the token of the store object that made it."""


class RedisFeed:
    """Reads the channel until it is cancelled, and connects again for ever.

    `opened` is called each time the channel is open: changes before that were not heard.
    """

    def __init__(
        self,
        client: Redis,
        channel: str,
        tell: FeedListener,
        opened: Callable[[], None],
        outage: Outage,
        clock: Clock,
    ) -> None:
        self._client = client
        self._channel = channel
        self._tell = tell
        self._opened = opened
        self._outage = outage
        self._clock = clock

    async def run(self) -> None:
        """Listen; returns never."""
        while True:
            pause = _RETRY
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                pause = self._outage.failed("feed", unusable(error))
                await self._drop_idle()
            await self._clock.sleep(pause)

    async def _drop_idle(self) -> None:
        """What this connection has lost, idle ones in the pool have lost too: the next call of each
        would fail, after Redis is back."""
        with contextlib.suppress(RedisError, OSError):
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def _listen(self) -> None:
        async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(self._channel)
            self._outage.works("feed")
            self._opened()
            silent = False
            while True:
                message = await pubsub.get_message(timeout=_PING)
                if message is not None:
                    silent = False
                    if message["type"] == "message":
                        self._hear(message["data"])
                elif silent:
                    raise ConnectionResetError(f"no answer within {_PING:g} s")
                else:
                    silent = True
                    await pubsub.ping()

    def _hear(self, data: bytes) -> None:
        try:
            told = parse_json(data)
            change = _change(told)
            origin = told["origin"].encode()
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            log.warning("ignored a message of another program on redis channel %s", self._channel)
            return
        self._tell(change, origin)


def _change(told: Any) -> StoreChange:
    """The change in a message; one of many errors where it is of another program."""
    kind, key, value = told["kind"], told["key"], told["value"].encode()
    if kind not in _KINDS or not isinstance(key, str):
        raise ValueError("no change of ours")
    if kind == "set":
        parse_json(value)  # watchers read it
    ttl = seconds(told["ttl"])
    if ttl is not None and not math.isfinite(ttl):
        raise ValueError("a time to live that is no number")
    return StoreChange(kind, key, int(told["version"]), int(told["previous"]), ttl, value)


def unusable(error: Exception, without_text: str = "no answer") -> str:
    """What is said of an error of Redis' or the network's."""
    return f"redis (kv.redis.url) cannot be used: {str(error) or without_text}"


def seconds(ttl: str | bytes) -> float | None:
    """A time to live as the scripts write it: empty for never."""
    return float(ttl) if ttl else None
