"""A change of the store as a lifecycle event."""

from __future__ import annotations

from dskity.bus.events import KvChanged, KvDeleted, KvEnded, KvExpired, KvSet
from dskity.modules.kv.store import StoreChange
from dskity.modules.kv.values import thaw

_EVENTS: dict[str, type[KvChanged]] = {"set": KvSet, "deleted": KvDeleted, "expired": KvExpired}
_ENDS: dict[str, type[KvEnded]] = {"deleted": KvDeleted, "expired": KvExpired}


def event_of(change: StoreChange) -> KvChanged:
    """The event that tells of `change`."""
    kind, key, version, previous, ttl, _, store = change
    cause = "ttl" if kind == "expired" else "api"
    return _EVENTS[kind](key, version, previous, ttl, cause, store)


def event_with_value(change: StoreChange) -> KvEnded:
    """The event of a key's end, with the value that the change carries; `NotJson` where the store
    has something else there."""
    kind, key, version, previous, ttl, value, store = change
    cause = "ttl" if kind == "expired" else "api"
    return _ENDS[kind](key, version, previous, ttl, cause, store, thaw(value), has_value=True)
