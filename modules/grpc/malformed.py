"""Requests whose bytes are no message of their type: INVALID_ARGUMENT, the caller's fault.

grpc itself answers INTERNAL where a deserializer raises, and logs a traceback, before any of our
code runs. So ours returns what is wrong as a value, and the call fails where its servicer begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

from dskity.bus.errors import InvalidInput

Deserialize: TypeAlias = Callable[[bytes], Any]


class Malformed:
    """In place of a request that could not be read."""


def lenient(deserialize: Deserialize) -> Deserialize:
    """`deserialize`, with `Malformed` for what it refuses."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except Exception:  # noqa: BLE001  # protobuf's DecodeError, and whatever a module's raises
            return Malformed()

    return read


def well_formed(request: Any) -> Any:
    """A request, or an iterator of requests, in which a malformed one is `InvalidInput`."""
    if isinstance(request, Malformed):
        raise InvalidInput("the request is not a protobuf message of the method's type")
    return _each(request) if isinstance(request, AsyncIterator) else request


async def _each(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield well_formed(request)
