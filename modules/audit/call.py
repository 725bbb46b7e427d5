"""One API call, as the audit log records it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """`method` and `path` are those of HTTP, or `gRPC` and the method's full name; `peer` is the
    address at the other end of the connection."""

    method: str
    path: str
    peer: str | None = None
    request_id: str | None = None
