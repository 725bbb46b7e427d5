"""What a store must do: one protocol, one contract suite (`tests/kv/contract`) for all of them.

**Versions.** A key starts at a version and grows by one with each write. A new life of a key starts
one above the *floor*, the highest version at which any key of the store has ended (0 at first). So
a version never comes twice for one key, and neither does the id of an event, which is made of key,
version and the store's own identity; and all that has to be remembered of the dead is one number.

**Time.** `ttl` is in seconds, None for never. From its deadline on a key is not there for any
method, and `made` is told `expired` once, by whichever store object found it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from dskity.bus.errors import Conflict
from dskity.modules.contract import Entry
from dskity.modules.kv.values import Frozen
from dskity.modules.providers.provision import extension_point


class StoreChange(NamedTuple):
    """One change. `version` is the new one of a `set`, and the last one of a key that has ended;
    `previous` is the one before, 0 where there was none. `store` is the identity of the data: what
    begins at version 1 again has another one. `value` is that of a `set`; where a key has ended it
    is the last one if the store knows it (None: it does not; JSON's null is `b"null"`).

    A named tuple, because one is made for every write: a frozen dataclass costs 1 µs more.
    """

    kind: Literal["set", "deleted", "expired"]
    key: str
    version: int
    previous: int
    ttl: float | None
    value: Frozen = None
    store: str = ""


Listener: TypeAlias = Callable[[StoreChange], None]
"""Is told of a change, synchronously, on the event loop; never raises."""


Pace: TypeAlias = Callable[[], Awaitable[None]]
"""Returns, after a turn of the event loop, when more expired keys can be reported."""


@extension_point
class Store(Protocol):
    """Keys and values somewhere. Keys, times and versions were checked; values are not yet.

    A module may provide one for `kv.store`, under its own name: see `KvStore` in `dskity`.
    Constructing opens nothing. Every method may raise `StoreUnavailable`.
    """

    def listen(self, made: Listener, seen: Listener, pace: Pace) -> None:
        """Call `made` with what this object changed (it publishes the event), and `seen` with every
        change of the data, also by others, in the order in which the store made them. `pace` is
        awaited after every bunch of expired keys."""
        ...

    @property
    def trouble(self) -> str:
        """Why the store cannot be used at the moment; empty while it can, as far as is known."""
        ...

    async def start(self) -> None:
        """Begin to expire keys; returns at once, also where a server is away."""
        ...

    async def stop(self) -> None:
        """End what `start` began."""
        ...

    async def get(self, key: str, default: Any) -> Any:
        """The value, or `default`."""
        ...

    async def entry(self, key: str) -> Entry | None:
        """The value with version and seconds left."""
        ...

    async def put(self, key: str, value: Any, ttl: float | None, if_version: int | None) -> int:
        """The new version; `Conflict` where `if_version` is not the present one (0: no key)."""
        ...

    async def delete(self, key: str, if_version: int | None) -> bool:
        """Whether there was something to delete; `Conflict` as for `put`."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, sorted."""
        ...


def conflict(key: str, present: int, wanted: int) -> Conflict:
    """The error of a compare-and-set that does not fit."""
    there = f"is at version {present}" if present else "does not exist"
    return Conflict(f"key {key!r} {there}, not at {wanted}: read it again, then decide")


KvStore: TypeAlias = Store
"""The public name of `Store`."""
KvStoreChange: TypeAlias = StoreChange
"""The public name of `StoreChange`."""
