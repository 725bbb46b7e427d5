"""Messages that cannot be handed to handlers yet: those of a start, and those over the bound.

What somebody waits for may stand behind them on the same connection: SUBACK, UNSUBACK, PINGRESP,
the broker's DISCONNECT. So the connection is read on, and what comes is kept here, in order:

* up to `MOST_HELD` messages or `MOST_HELD_BYTES` in any case; then the transport is paused;
* up to `MOST_TAKEN` messages or `MOST_TAKEN_BYTES` while the paused transport reads on all the
  same, because it awaits an answer of the broker;
* beyond that, QoS ≥ 1 is let go without an acknowledgement, and the connection is made again once
  all that is kept has been handed on: the broker then sends the rest again, in order. QoS 0,
  which nobody keeps, is dropped and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from dskity.bus.base import tasks
from dskity.bus.delivery import Delivery

MOST_HELD = 1_000
MOST_HELD_BYTES = 16 * 1024 * 1024
# All that a broker may send unacknowledged: MQTT has so many packet identifiers.
MOST_TAKEN = 65_535
MOST_TAKEN_BYTES = 64 * 1024 * 1024


class Intake(Protocol):
    """The part of `Transport` that reaches back to the broker."""

    def pause(self) -> None:
        """See `Transport`."""
        ...

    def resume(self) -> None:
        """See `Transport`."""
        ...

    def renew(self) -> None:
        """See `Transport`."""
        ...


class Hold:
    """`hand_on` takes a message when its time has come, `drop` is told of a QoS 0 message that is
    lost. `holding` says that what comes now must be given to `keep`."""

    def __init__(
        self,
        intake: Intake,
        hand_on: Callable[[Delivery], None],
        drop: Callable[[Delivery], None],
    ) -> None:
        self.holding = False
        self.starting = False
        self.full = False
        self.left = False
        self._intake = intake
        self._hand_on = hand_on
        self._drop = drop
        self._kept: deque[Delivery] = deque()
        self._bytes = 0
        self._stopped = False
        self._torn = False
        self._emptying = False

    def __len__(self) -> int:
        return len(self._kept)

    def start(self) -> None:
        """Keep everything until `open`: the handlers are not there yet."""
        self.starting = self.holding = True

    def open(self) -> None:
        """The handlers are there."""
        self.starting = False
        self._empty()

    def pause(self) -> None:
        """Keep everything until `resume`: the handlers have all they can take."""
        self.full = self.holding = True

    def resume(self) -> None:
        """They can take more."""
        self.full = False
        self._empty()

    def leave(self) -> None:
        """Hand on nothing more, and acknowledge nothing more: the rest is for the next process."""
        self.left = self.holding = True
        self._kept.clear()

    def keep(self, delivery: Delivery) -> None:
        """Keep a message, or let it go; see the module."""
        if self.left:
            return
        if self._torn and delivery.qos:
            return  # it comes again, behind the one that was let go first
        if len(self._kept) >= MOST_TAKEN or self._bytes > MOST_TAKEN_BYTES:
            if delivery.qos:
                self._torn = True
            else:
                self._drop(delivery)
            return
        self._kept.append(delivery)
        self._bytes += len(delivery.payload)
        if not self._stopped and (len(self._kept) >= MOST_HELD or self._bytes >= MOST_HELD_BYTES):
            self._stopped = True
            tasks.call("pause the intake", self._intake.pause)

    def _waits(self) -> bool:
        return self.full or self.starting or self.left

    def _empty(self) -> None:
        """Hand on what is kept until the handlers are full again, then read on."""
        if self._emptying:
            return
        self._emptying = True
        try:
            while self._kept and not self._waits():
                delivery = self._kept.popleft()
                self._bytes -= len(delivery.payload)
                self._hand_on(delivery)
        finally:
            self._emptying = False
        if self._kept or self._waits():
            return
        if self._torn:
            self._torn = False
            tasks.call("renew the intake", self._intake.renew)
        self.holding = False
        if self._stopped:
            self._stopped = False
            tasks.call("resume the intake", self._intake.resume)
