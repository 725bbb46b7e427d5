"""The wire protocol of the server: uvicorn's, with time-outs and bounds on what a stranger sends.

Each request is in one of the phases below. A phase with a time-out sets the `deadline` of the
connection's place, which one sweep for all connections looks at: no timer a request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, ClassVar, cast

from starlette.types import ASGIApp

from dskity.bus.base.foreign import MissingPrivateName
from dskity.bus.problem import PROBLEM_TYPE
from dskity.modules.http.security_headers import STRICT
from dskity.modules.http.wire.connections import LINGER, PLACE, Place, TimeOuts
from dskity.modules.http.wire.listener import Listener
from dskity.modules.http.wire.reserve import health_only

log = logging.getLogger(__name__)

_READ_BYTES = 64 * 1024
"""Bytes taken from a socket at once: what is over a bound is over it by no more than this."""


class Phase(Enum):
    """What is awaited from the peer."""

    IDLE = auto()  # a next request, if there is one
    HEAD = auto()
    BODY = auto()
    SERVED = auto()  # nothing; a response is under way


class Bounded(asyncio.Protocol):
    """What the protocols of both parsers share, in front of one of uvicorn's."""

    listener: ClassVar[Listener]
    head_bytes: ClassVar[int]

    # uvicorn's
    app: ASGIApp
    app_state: dict[str, Any]
    cycle: Any
    flow: Any
    timeout_keep_alive: Any
    transport: asyncio.Transport

    _now = staticmethod(time.monotonic)
    _phase = Phase.IDLE
    _place: Place
    _time_outs: TimeOuts
    _refused = False
    _handed_on = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`; the place counts from when the socket was accepted."""
        connection = cast("asyncio.Transport", transport)
        self._place = self.listener.place_of(connection)
        self._place.cut, self._place.overdue = connection.abort, self._overdue
        self.app_state = {**self.app_state, PLACE: self._place}
        self._time_outs = self.listener.connections.time_outs
        self.timeout_keep_alive = self._time_outs.idle
        if self._place.health_only:
            self.app = health_only(self.app)
        if hasattr(connection, "max_size"):  # asyncio's; 256 KiB otherwise
            connection.max_size = _READ_BYTES
        super().connection_made(transport)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`: the peer reads too little from here on."""
        self._place.stalled = self._now() + self._time_outs.body
        super().pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._place.stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """In place of uvicorn's, which knows no problems."""
        self.refuse(HTTPStatus.BAD_REQUEST, msg)

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer, if nothing of an answer has been sent yet, and close."""
        self._refused = True
        self._place.deadline = self._now() + LINGER
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_response(status, detail))
        self.transport.close()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._place.deadline = None if phase is Phase.SERVED else self._now() + self._seconds(phase)

    def _seconds(self, phase: Phase) -> float:
        """How long a peer may take in a phase that waits for it."""
        if phase is Phase.HEAD:
            return self._time_outs.head
        return self._time_outs.body if phase is Phase.BODY else self._time_outs.idle

    def _answered(self) -> None:
        """A response is complete: the next request may come, when the body has ended."""
        if self._phase is Phase.SERVED:
            self._enter(Phase.IDLE)
        elif self._phase is Phase.BODY and self._place.deadline is not None:
            self._place.deadline = min(self._place.deadline, self._now() + LINGER)
        if self.transport.is_closing():
            self._place.deadline = self._now() + LINGER

    def _overdue(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()
        elif self._phase is Phase.IDLE:
            self._place.deadline = self._now() + LINGER
            self.transport.close()
        elif self._phase is Phase.BODY and self.flow.read_paused:  # it is the app that is slow
            self._enter(Phase.BODY)
        else:
            what = self._phase.name.lower()
            self.refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the {what} took over {self._seconds(self._phase):g} s: see "
                f"`http.{what}_timeout_seconds`",
            )

    def _upgraded(self) -> None:
        """Another protocol has the connection; its place stays taken."""
        self._handed_on = True
        self._place.deadline = self._place.stalled = None


def is_websocket(method: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request asks for a WebSocket as RFC 6455 4.1 says: GET, and without a body.

    Any other one would not be answered by the protocol that WebSockets are handed to, and would
    hold its place for ever.
    """
    found = {name: value.lower() for name, value in headers}
    has_body = found.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in found
    return method == b"GET" and found.get(b"upgrade") == b"websocket" and not has_body


def http_protocol(listener: Listener, head_bytes: int) -> type[asyncio.Protocol]:
    """The faster HTTP protocol of uvicorn, over httptools; where that cannot be used, over h11."""
    try:
        from dskity.modules.http.wire.over_httptools import OverHttptools as Found  # noqa: PLC0415  # a compiled library, and another release of uvicorn may not fit
    except (ImportError, MissingPrivateName) as error:
        log.warning("httptools cannot be used, h11 is: %s", error)
        from dskity.modules.http.wire.over_h11 import (  # type: ignore[assignment]  # noqa: PLC0415
            OverH11 as Found,
        )
    return type(Found.__name__, (Found,), {"listener": listener, "head_bytes": head_bytes})


def _response(status: HTTPStatus, detail: str) -> bytes:
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    body = json.dumps(problem).encode()
    headers = (
        *STRICT,
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    )
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() + lines + b"\r\n" + body
