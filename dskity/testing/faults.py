"""A client whose connection misbehaves as a test says: no timers, no chance.

Each fault is one that networks and brokers have, so MQTT's promises still hold under it: what is
not acknowledged comes again after a reconnect, and the connection comes back by itself. Faults
touch whatever the client receives or sends next, its own replies and events among it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput, NotConnected
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.transport import Receiver, TransportEvents


class ScriptedTransport(MemoryTransport):
    """A `MemoryTransport` with scripted faults, beside its own `cut` and `kill`."""

    def __init__(
        self, broker: MemoryBroker, client_id: str = "memory", will: Message | None = None
    ) -> None:
        super().__init__(broker, client_id, will)
        self._hand_on: Receiver = _nobody
        self._acks_to_drop = 0
        self._to_duplicate = 0
        self._to_reorder = 0
        self._turned: list[Delivery] = []
        self._stalled = False
        self._stuck: deque[Delivery] = deque()
        self._publishes_left = 0
        self._arrives = False

    # The script

    def drop_acks(self, count: int = 1) -> None:
        """The next `count` acknowledgements get lost: after a reconnect their messages come again,
        marked as duplicates."""
        self._acks_to_drop = _positive(count)

    def duplicate(self, count: int = 1) -> None:
        """The next `count` messages with QoS ≥ 1 come twice, the second time as a duplicate."""
        self._to_duplicate = _positive(count)

    def reorder(self, count: int = 2) -> None:
        """The next `count` messages come in reverse order, once the last of them is there."""
        self._to_reorder = _positive(count)

    def stall(self) -> None:
        """Be slow: what comes is stuck on the way until `let_in`."""
        self._stalled = True

    def let_in(self, count: int | None = None) -> None:
        """Hand over `count` of the messages that are stuck; None hands over all and ends it."""
        if count is None:
            self._stalled = False
            count = len(self._stuck)
        for _ in range(min(count, len(self._stuck))):
            self._pass(self._stuck.popleft())

    @property
    def stuck(self) -> int:
        """How many messages wait for `let_in`."""
        return len(self._stuck)

    def disconnect_on_publish(self, nth: int = 1, *, arrives: bool = False) -> None:
        """The connection is lost at the `nth` publish from now, and comes back.

        That message does not arrive, or, with `arrives`, only its acknowledgement is lost: the
        sender cannot tell which.
        """
        self._publishes_left = _positive(nth)
        self._arrives = arrives

    # The transport

    async def start(self, receive: Receiver, events: TransportEvents) -> None:
        """See `Transport`."""
        self._hand_on = receive
        await super().start(self._arrive, events)

    async def publish(self, message: Message) -> bool | None:
        """See `Transport`."""
        if not self._is_last_publish():
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
        self._turned.clear()
        super().lose(reason)

    def _is_last_publish(self) -> bool:
        if not self._publishes_left or not self.connected:
            return False
        self._publishes_left -= 1
        return not self._publishes_left

    def _arrive(self, delivery: Delivery) -> None:
        if self._stalled:
            self._stuck.append(delivery)
        else:
            self._pass(delivery)

    def _pass(self, delivery: Delivery) -> None:
        self._turned.append(delivery)
        if len(self._turned) < self._to_reorder:
            return
        self._to_reorder = 0
        turned, self._turned = self._turned, []
        for each in reversed(turned):
            self._hand_over_scripted(each)

    def _hand_over_scripted(self, delivery: Delivery) -> None:
        if delivery.acknowledge is not None:
            delivery.acknowledge = partial(self._acknowledge_scripted, delivery.acknowledge)
        twice = self._to_duplicate > 0 and delivery.qos > 0
        again = _again(delivery) if twice else None
        self._hand_on(delivery)
        if again is not None:
            self._to_duplicate -= 1
            self._hand_on(again)

    def _acknowledge_scripted(self, acknowledge: Callable[[], None]) -> None:
        if self._acks_to_drop:
            self._acks_to_drop -= 1
        else:
            acknowledge()


def _again(delivery: Delivery) -> Delivery:
    """The same message once more; a receiver changes its own copy."""
    return Delivery(
        delivery.topic,
        delivery.payload,
        delivery.qos,
        delivery.retain,
        duplicate=True,
        meta=delivery.meta,
        acknowledge=delivery.acknowledge,
    )


def _positive(count: int) -> int:
    if count < 1:
        raise InvalidInput(f"{count}: a scripted fault happens at least once")
    return count


def _nobody(delivery: Delivery) -> None:
    raise AssertionError(f"{delivery.topic} came before the transport was started")
