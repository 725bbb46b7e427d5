"""Acknowledgements in the order of arrival ([MQTT-4.6.0-2]), bound to one connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


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

    `send` writes one PUBACK. A message that is handled before an older one waits for it, because
    PUBACKs must leave in the order in which the messages came. After `close` nothing is sent: a
    packet identifier means nothing on another connection.
    """

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._tickets: deque[Ticket] = deque()
        self._open = True

    def __len__(self) -> int:
        return len(self._tickets)

    def arrived(self, mid: int) -> Ticket:
        """A message with this packet identifier came; the ticket acknowledges it."""
        ticket = Ticket(self, mid)
        self._tickets.append(ticket)
        return ticket

    def release(self) -> None:
        """Send what is ready."""
        tickets = self._tickets
        while tickets and tickets[0].done:
            mid = tickets.popleft().mid
            if self._open:
                self._send(mid)

    def close(self) -> None:
        """The connection is gone."""
        self._open = False
        self._tickets.clear()
