"""The store over the bus itself: requests to `{root}/kv/get`, `put`, `delete` and `keys`.

Whatever speaks MQTT has the store: with a response topic on MQTT 5, in an envelope on 3.1.1. An
error is answered as a problem, like everywhere. Where the broker has shared subscriptions, one of
several runtimes answers; otherwise each of them does.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler
from dskity.bus.errors import NotFound
from dskity.modules.clients.answering import Answering
from dskity.modules.contract import KV

_GROUP = "kv"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Get(_Request):
    """`{"key"}` → `{"key", "value", "version", "expires_in"}`, or 404."""

    key: str


class Put(_Request):
    """`{"key", "value"}`, `"ttl_seconds"`, `"if_version"` → `{"key", "stored", "version"}`."""

    key: str
    value: Any
    ttl_seconds: float | None = None
    if_version: int | None = None


class Delete(_Request):
    """`{"key"}`, `"if_version"` → `{"key", "deleted"}`."""

    key: str
    if_version: int | None = None


class Keys(_Request):
    """`{"prefix"}` → `{"keys"}`."""

    prefix: str = ""


class KvRequests:
    """The handlers of the requests."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    def answering(self, bus: Bus) -> Answering:
        """What subscribes them on a bus."""
        handlers: dict[str, AnyHandler] = {
            "kv/get": self.get,
            "kv/put": self.put,
            "kv/delete": self.delete,
            "kv/keys": self.keys,
        }
        return Answering(bus, handlers, _GROUP)

    async def get(self, request: Get) -> dict[str, Any]:
        """See `Get`."""
        entry = await self._kv.entry(request.key)
        if entry is None:
            raise NotFound(f"no key {request.key!r}")
        return {
            "key": entry.key,
            "value": entry.value,
            "version": entry.version,
            "expires_in": entry.expires_in,
        }

    async def put(self, request: Put) -> dict[str, Any]:
        """See `Put`."""
        version = await self._kv.put(
            request.key, request.value, request.ttl_seconds, request.if_version
        )
        return {"key": request.key, "stored": True, "version": version}

    async def delete(self, request: Delete) -> dict[str, Any]:
        """See `Delete`."""
        deleted = await self._kv.delete(request.key, request.if_version)
        return {"key": request.key, "deleted": deleted}

    async def keys(self, request: Keys) -> dict[str, Any]:
        """See `Keys`."""
        return {"keys": await self._kv.keys(request.prefix)}
