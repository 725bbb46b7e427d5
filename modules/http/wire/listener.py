"""The listening socket: gives each connection its place when it is accepted, takes it back when it
is closed, and makes room for as many descriptors as the bounds allow."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
import time
from typing import Any

from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import EngineError
from dskity.modules.http.wire.connections import Connections, Place

BACKLOG = 2048
AT_ONCE = 64
"""Connections accepted in one turn of the loop, so that those that are in have their turn too."""
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}
_SPARE = 256  # descriptors for all else: broker, databases, modules, and a turn of accepting
_logger = logging.getLogger(__name__)


class Listener(socket.socket):
    """A listening TCP socket. `places` are by the peer's address, as the transport tells it; where
    the loop accepts by itself (Windows), no place is given."""

    connections: Connections
    places: dict[Any, Place]
    spare: int | None = None
    """A descriptor to let go of where there is no other one; see `_turn_away`."""
    throttled: ThrottledLog

    def accept(self) -> tuple[socket.socket, Any]:
        """See `socket.socket.accept`. Where this process has no descriptor left, who comes is
        turned away at once, and the log says so once a minute."""
        try:
            accepted, address = super().accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR or not self._turn_away():
                raise
            self.throttled.warn(
                f"new HTTP connections are closed at once: {error.strerror}; raise the limit "
                "(`ulimit -n`, `LimitNOFILE=`), or find the cause of so many open files"
            )
            raise BlockingIOError from error  # as if nobody had come
        connection = _Accepted(
            accepted.family, accepted.type, accepted.proto, fileno=accepted.detach()
        )
        place = self.connections.admit(address[0], connection.cut, time.monotonic())
        self.places[address] = place
        connection.belongs(self, address, place)
        return connection, address

    def close(self) -> None:
        """See `socket.socket.close`."""
        super().close()
        if self.spare is not None:
            os.close(self.spare)
            self.spare = None

    def _turn_away(self) -> bool:
        """Close the connection that waits, by means of the spare descriptor; whether it could be.

        Left to asyncio, it would wait a second with each of them, and write `AT_ONCE` tracebacks to
        the log meanwhile: 3 GB a day.
        """
        if self.spare is None:
            return False
        os.close(self.spare)
        self.spare = None
        with contextlib.suppress(OSError):
            super().accept()[0].close()
        self.spare = _spare()
        return True

    def place_of(self, transport: asyncio.Transport) -> Place:
        """The place of a connection; where the loop has accepted by itself, a new one that is not
        counted."""
        place = self.places.get(transport.get_extra_info("peername"))
        return place or Place("", time.monotonic(), transport.abort, health_only=False)

    def forget(self, address: Any, place: Place) -> None:
        """The connection is closed."""
        self.connections.leave(place)
        if self.places.get(address) is place:
            del self.places[address]


class _Accepted(socket.socket):
    """One connection's socket; its end is the end of its place."""

    _of: tuple[Listener, Any, Place] | None = None

    def belongs(self, listener: Listener, address: Any, place: Place) -> None:
        self._of = listener, address, place

    def cut(self) -> None:
        """End it while there is no transport yet that could: the loop sees the end of the data."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self._of is not None:
            (listener, address, place), self._of = self._of, None
            listener.forget(address, place)


def listen(found: Any, connections: Connections, host: str, port: int) -> Listener:
    """A bound socket for one result of `getaddrinfo`; `EngineError` where it cannot be had.

    Its protocol is named, because asyncio sets TCP_NODELAY only on sockets that say they are TCP,
    and an accepted one says what its listener says: without it a keep-alive connection manages
    22 requests/s, each waiting for the peer's delayed acknowledgement.
    """
    family, _, _, _, address = found
    listener = Listener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.connections, listener.places = connections, {}
    listener.throttled, listener.spare = ThrottledLog(_logger, SYSTEM_CLOCK), _spare()
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # where somebody else has it, bound as ours is, this tells
    except OSError as error:
        listener.close()
        raise EngineError(refusal(error, host, port)) from error
    listener.setblocking(False)
    return listener


def _spare() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None


def refusal(error: OSError, host: str, port: int) -> str:
    """Why an address cannot be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"HTTP port {port} is in use on {host}: free it, or set `port` (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"HTTP port {port} needs rights that this process lacks: set `port` above 1023"
    return f"HTTP cannot listen on {host} port {port}: {error.strerror}; check `host` and `port`"


def descriptors_for(connections: int) -> int:
    """Raise this process's limit on descriptors as far as these connections need; returns how many
    of them fit. Without descriptors nothing can be accepted, not even a probe."""
    if sys.platform == "win32":
        return connections
    import resource  # noqa: PLC0415  # there is none on Windows

    needed = connections + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    fit = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE, 1)
    if fit < connections:
        _logger.warning(
            "this process may have %d file descriptors, enough for %d HTTP connections instead of "
            "%d: raise the limit (`ulimit -n`, `LimitNOFILE=`) or set `http.max_connections`",
            fit + _SPARE, fit, connections,
        )  # fmt: skip
    return min(fit, connections)
