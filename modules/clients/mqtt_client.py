"""`clients.mqtt`: the bus under the seed's names.

Its calls are synchronous, so that `register()` can make them: what they begin runs as tasks, which
the supervisor waits for before the module counts as started.
"""

from __future__ import annotations

from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidInput
from dskity.bus.message import Message, Payload, Receipt
from dskity.modules.clients.calls import Call, call, check_call, name_of
from dskity.modules.clients.tasks import Tasks

_QOS = 1


class BusMqttClient:
    """See `contract.MqttClient`; one for each module, over its own scope of the bus."""

    def __init__(self, bus: Bus, tasks: Tasks) -> None:
        self._bus = bus
        self._tasks = tasks
        self._qos: dict[str, int] = {}

    @property
    def is_connected(self) -> bool:
        """Whether the broker is reached now."""
        return self._bus.connected

    async def publish(
        self, topic: str, payload: Payload = b"", qos: int = 1, retain: bool = False
    ) -> Receipt:
        """As `Bus.publish`."""
        return await self._bus.publish(topic, payload, qos=qos, retain=retain)

    def subscribe(self, filter: str, qos: int = _QOS) -> None:
        """Say with which QoS the handlers of `filter` subscribe, where it is not 1.

        It holds for handlers that are added later, or just before in the same function. A filter
        without a handler is not subscribed: its messages would go nowhere.
        """
        self._bus.parse(filter)
        if qos not in {0, 1, 2}:
            raise InvalidInput(f"qos {qos!r}: write 0, 1 or 2")
        self._qos[filter] = qos

    def add_message_handler(self, filter: str, handler: Call) -> None:
        """Call `handler(message)` with each message that matches `filter`.

        It is retried and dead-lettered like any handler. A plain function runs in a thread.
        """
        self._bus.parse(filter)
        check_call(handler, filter)
        self._tasks.spawn(self._subscribe(filter, handler), f"subscribe {filter}")

    async def _subscribe(self, filter: str, handler: Call) -> None:
        async def deliver(message: Message) -> None:
            await call(handler, message, self._bus.threads)

        deliver.__qualname__ = name_of(handler)
        await self._bus.subscribe(filter, deliver, qos=self._qos.get(filter, _QOS))
