"""`/kv`: the key-value store. Keys may hold `/`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter

from dskity.bus.errors import InvalidInput, NotFound
from dskity.modules.access.documented import responses
from dskity.modules.contract import KV
from dskity.modules.http.caller import caller, documented_body, json_body


class Put(BaseModel):
    """What to store. A `key` that is given must be the one in the path."""

    model_config = ConfigDict(extra="forbid")

    value: Any
    key: str | None = None
    ttl_seconds: float | None = None
    if_version: int | None = None


_PUT = TypeAdapter(Put)


def routes(kv: KV, root: str) -> APIRouter:
    """The store under `/kv`; `root` is the bus's."""
    router = APIRouter(prefix="/kv", tags=["kv"])

    @router.get("")
    async def keys(request: Request, prefix: str = "") -> dict[str, Any]:
        """The live keys that start with `prefix`."""
        caller(request).require_publish(f"{root}/kv/keys")
        return {"keys": await kv.keys(prefix)}

    @router.get("/{key:path}", responses=responses(404))
    async def get(request: Request, key: str) -> dict[str, Any]:
        """The value, its version, and the seconds left (null: it never expires)."""
        caller(request).require_publish(f"{root}/kv/get")
        entry = await kv.entry(key)
        if entry is None:
            raise NotFound(f"no key {key!r}")
        return {
            "key": entry.key,
            "value": entry.value,
            "version": entry.version,
            "expires_in": entry.expires_in,
        }

    @router.put(
        "/{key:path}",
        openapi_extra=documented_body(Put.model_json_schema()),
        responses=responses(409),
    )
    async def put(request: Request, key: str) -> dict[str, Any]:
        """Store a value; 409 where `if_version` is not the present one (0: must not exist)."""
        caller(request).require_publish(f"{root}/kv/put")
        body = await json_body(request, _PUT)
        if body.key not in {None, key}:
            raise InvalidInput(f"the path says {key!r} and the body {body.key!r}: leave `key` out")
        version = await kv.put(key, body.value, body.ttl_seconds, body.if_version)
        return {"key": key, "stored": True, "version": version}

    @router.delete("/{key:path}", responses=responses(409))
    async def delete(
        request: Request, key: str, if_version: Annotated[int | None, Query(ge=0)] = None
    ) -> dict[str, Any]:
        """Delete a key; `deleted` is false where there was none."""
        caller(request).require_publish(f"{root}/kv/delete")
        return {"key": key, "deleted": await kv.delete(key, if_version)}

    return router
