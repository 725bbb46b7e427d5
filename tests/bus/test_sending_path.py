"""How a publish gets from the bus to its transport."""

from __future__ import annotations

import inspect

import pytest

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.handlers import Dispatcher


class WatchedTransport(MemoryTransport):
    """Notes by which functions of ours a publish came."""

    def __init__(self) -> None:
        super().__init__(MemoryBroker())
        self.path: list[str] = []

    async def publish(self, message: Message) -> bool | None:
        """See `Transport`."""
        self.path = []
        frame = inspect.currentframe()
        while frame is not None and (frame := frame.f_back) is not None:
            if frame.f_globals.get("__name__", "").startswith("dskity."):
                self.path.insert(0, frame.f_code.co_qualname)
        return await super().publish(message)


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("with_outbox", [False, True])
async def test_one_function_lies_between_the_bus_and_its_transport(
    qos: int, with_outbox: bool
) -> None:
    """Each more would cost every publish an await."""
    transport = WatchedTransport()
    dispatcher = Dispatcher()
    bus = Bus(transport, dispatcher, outbox=Outbox(None) if with_outbox else None)
    await bus.start()
    try:
        await bus.publish("t", qos=qos)
        assert transport.path == ["Bus.publish", "Outbound.safely"]
        await bus.send(Message("t", qos=qos))
        assert transport.path == ["Bus.send", "Outbound.safely"]
    finally:
        await dispatcher.close()
        await bus.close()
