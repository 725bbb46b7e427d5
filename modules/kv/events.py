"""A change of the store as a lifecycle event."""

from __future__ import annotations

from dskity.bus.events import KvChanged, KvDeleted, KvExpired, KvSet
from dskity.modules.kv.store import StoreChange

_EVENTS: dict[str, type[KvChanged]] = {"set": KvSet, "deleted": KvDeleted, "expired": KvExpired}


def event_of(change: StoreChange) -> KvChanged:
    """The event that tells of `change`."""
    kind, key, version, previous, ttl, _, store = change
    cause = "ttl" if kind == "expired" else "api"
    return _EVENTS[kind](key, version, previous, ttl, cause, store)
