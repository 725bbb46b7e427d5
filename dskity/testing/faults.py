"""A client whose connection misbehaves as a test says: no timers, no chance.

Each fault is one that networks and brokers have, so MQTT's promises still hold under it: what is
not acknowledged comes again after a reconnect, and the connection comes back by itself. A `filter`
keeps a fault to the topics that match it, for a runtime also receives and sends events of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput, NotConnected
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.topics import matches, parse
from dskity.bus.transport import Receiver, TransportEvents


@dataclass(slots=True)
class _Fault:
    """Something that still happens `left` times, on topics that match."""

    left: int = 0
    filter: str = "#"

    @classmethod
    def of(cls, count: int, filter: str) -> _Fault:
        """As a test asks for it."""
        if count < 1:
            raise InvalidInput(f"{count}: a scripted fault happens at least once")
        return cls(count, parse(filter).filter)

    def takes(self, topic: str) -> bool:
        """Whether it happens now; that is one time less then."""
        if not self.left or not matches(self.filter, topic):
            return False
        self.left -= 1
        return True


class ScriptedTransport(MemoryTransport):
    """A `MemoryTransport` with scripted faults, beside its own `cut` and `kill`."""

    def __init__(
        self, broker: MemoryBroker, client_id: str = "memory", will: Message | None = None
    ) -> None:
        super().__init__(broker, client_id, will)
        self._hand_on: Receiver = _nobody
        self._dropping = _Fault()
        self._duplicating = _Fault()
        self._reordering = _Fault()
        self._disconnecting = _Fault()
        self._arrives = False
        self._stalled: str | None = None
        self._stuck: deque[Delivery] = deque()
        self._turned: list[Delivery] = []

    # The script

    def drop_acks(self, count: int = 1, *, filter: str = "#") -> None:
        """The next `count` acknowledgements get lost: after a reconnect their messages come again,
        marked as duplicates."""
        self._dropping = _Fault.of(count, filter)

    def duplicate(self, count: int = 1, *, filter: str = "#") -> None:
        """The next `count` messages with QoS ≥ 1 come twice, the second time as a duplicate."""
        self._duplicating = _Fault.of(count, filter)

    def reorder(self, count: int = 2, *, filter: str = "#") -> None:
        """The next `count` messages come in reverse order, once the last of them is there."""
        self._reordering = _Fault.of(count, filter)

    def disconnect_on_publish(
        self, nth: int = 1, *, arrives: bool = False, filter: str = "#"
    ) -> None:
        """The connection is lost at the `nth` publish from now, and comes back.

        That message does not arrive, or, with `arrives`, only its acknowledgement is lost: the
        sender cannot tell which.
        """
        self._disconnecting = _Fault.of(nth, filter)
        self._arrives = arrives

    def stall(self, *, filter: str = "#") -> None:
        """Be slow: what comes is stuck on the way until `let_in`."""
        self._stalled = parse(filter).filter

    def let_in(self, count: int | None = None) -> None:
        """Hand over `count` of the messages that are stuck; None hands over all and ends it."""
        if count is None:
            self._stalled = None
            count = len(self._stuck)
        for _ in range(min(count, len(self._stuck))):
            self._pass(self._stuck.popleft())

    @property
    def stuck(self) -> int:
        """How many messages wait for `let_in`."""
        return len(self._stuck)

    # The transport

    async def start(self, receive: Receiver, events: TransportEvents) -> None:
        """See `Transport`."""
        self._hand_on = receive
        await super().start(self._arrive, events)

    async def publish(self, message: Message) -> bool | None:
        """See `Transport`."""
        fault = self._disconnecting
        if not self.connected or not fault.takes(message.topic) or fault.left:
            return await super().publish(message)
        if self._arrives:
            await super().publish(message)
        self.cut()
        if message.qos == 0:
            return None  # nobody waits for an acknowledgement
        raise NotConnected("the connection was lost before the acknowledgement")

    def lose(self, reason: str) -> None:
        """See `MemoryTransport`; what was on the way is lost with the connection."""
        self._stuck.clear()
        self._reordering.left += len(self._turned)
        self._turned.clear()
        super().lose(reason)

    def _arrive(self, delivery: Delivery) -> None:
        if self._stalled is not None and matches(self._stalled, delivery.topic):
            self._stuck.append(delivery)
        else:
            self._pass(delivery)

    def _pass(self, delivery: Delivery) -> None:
        if not self._reordering.takes(delivery.topic):
            self._hand_over_scripted(delivery)
            return
        self._turned.append(delivery)
        if self._reordering.left == 0:
            turned, self._turned = self._turned, []
            for each in reversed(turned):
                self._hand_over_scripted(each)

    def _hand_over_scripted(self, delivery: Delivery) -> None:
        if delivery.acknowledge is not None:
            delivery.acknowledge = partial(
                self._acknowledge_scripted, delivery.topic, delivery.acknowledge
            )
        twice = delivery.qos > 0 and self._duplicating.takes(delivery.topic)
        again = delivery.again() if twice else None
        self._hand_on(delivery)
        if again is not None:
            self._hand_on(again)

    def _acknowledge_scripted(self, topic: str, acknowledge: Callable[[], None]) -> None:
        if not self._dropping.takes(topic):
            acknowledge()


def _nobody(delivery: Delivery) -> None:
    raise AssertionError(f"{delivery.topic} came before the transport was started")
