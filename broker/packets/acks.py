"""Acknowledgements in the order of arrival ([MQTT-4.6.0-2]), bound to one connection."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable

_PUBACK = struct.Struct("!BBH")  # success, in both versions of MQTT
_PUBACK_TYPE, _PUBACK_LENGTH = 0x40, 2


class Ticket:
    """The duty to acknowledge one QoS 1 message; calling it says that the message is handled."""

    __slots__ = ("done", "mid", "window")

    def __init__(self, window: AckWindow, mid: int) -> None:
        self.window = window
        self.mid = mid
        self.done = False

    def __call__(self) -> None:
        self.done = True
        self.window.release()


class AckWindow:
    """The messages of one connection that are not acknowledged yet, oldest first.

    `send` writes PUBACK packets, all those of one turn of the event loop in one call: a write for
    each would cost more than its message. A message that is handled before an older one waits for
    it, because PUBACKs must leave in the order in which the messages came. After `close` nothing
    is sent: a packet identifier means nothing on another connection.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._tickets: deque[Ticket] = deque()
        self._due: list[bytes] = []
        self._open = True

    def __len__(self) -> int:
        return len(self._tickets)

    def arrived(self, mid: int) -> Ticket:
        """A message with this packet identifier came; the ticket acknowledges it."""
        ticket = Ticket(self, mid)
        self._tickets.append(ticket)
        return ticket

    def release(self) -> None:
        """Have sent what is ready."""
        tickets, due = self._tickets, self._due
        if not due and tickets and tickets[0].done and self._open:
            asyncio.get_running_loop().call_soon(self.flush)
        while tickets and tickets[0].done:
            due.append(_PUBACK.pack(_PUBACK_TYPE, _PUBACK_LENGTH, tickets.popleft().mid))

    def flush(self) -> None:
        """Send now what would be sent at the end of this turn."""
        if self._due and self._open:
            packets = b"".join(self._due)
            self._due.clear()
            self._send(packets)

    def close(self) -> None:
        """The connection is gone."""
        self._open = False
        self._tickets.clear()
        self._due.clear()
