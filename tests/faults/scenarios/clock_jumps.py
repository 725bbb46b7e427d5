"""The wall clock is set while messages wait in the outbox: by years, as at the first contact with a
time server, and back."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.outbox import Outbox
from dskity.handlers import Dispatcher
from tests.faults.clocks import SetClock
from tests.faults.journal import Ledger
from tests.faults.load import payload_of, topic_of
from tests.faults.outcome import Outcome, Size, reckon
from tests.faults.watching import settles

_YEAR = 365 * 86_400.0
_STEPS = (50 * _YEAR, -3600.0, 2 * _YEAR, -40 * _YEAR)
_MAX_AGE = 7 * 86_400.0
_EXPIRES_IN = 600.0


async def clock_jumps(size: Size, folder: Path) -> Outcome:
    """Half of the messages may be `_MAX_AGE` old, the others expire sooner; none is so old."""
    clock = SetClock()
    ledger = Ledger(folder / "handled")
    accepted: list[int] = []
    broker = MemoryBroker(clock=clock)
    broker.stop()
    async with AsyncExitStack() as stack:
        transport = MemoryTransport(broker, "box")
        outbox = Outbox(folder / "outbox.db", max_age=_MAX_AGE, clock=clock)
        dispatcher = Dispatcher()
        bus = Bus(transport, dispatcher, outbox=outbox, clock=clock)
        await bus.start()
        stack.push_async_callback(bus.close)
        stack.push_async_callback(dispatcher.close)

        async def handle(message: Message) -> None:
            ledger.note(message.json()["n"])

        await bus.subscribe("load/{line}", handle)
        for number in range(size.messages):
            if number % (size.messages // len(_STEPS)) == 1:
                clock.set(_STEPS[number * len(_STEPS) // size.messages])
            expires_in = _EXPIRES_IN if number % 2 else None
            await bus.publish(topic_of(number), payload_of(number), expires_in=expires_in)
            accepted.append(number)
        clock.set(-_STEPS[0])
        broker.start()
        await settles(accepted, ledger, patience=2)
    return reckon(accepted, ledger.counts, note=f"set {len(_STEPS) + 1} times, by up to 50 years")
