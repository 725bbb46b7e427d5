"""Runtimes at an edge, with a connection to a cloud; the brokers are in memory or real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dskity.bootstrap import start
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.memory import CAPABILITIES, MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.composition.runtime import Runtime
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher
from dskity.modules.bridge import BridgeModule
from dskity.modules.bridge.carrier import Carrier
from tests.waiting import until

RULE: dict[str, Any] = {"from": "default", "to": "cloud", "filter": "up/#"}
MQTT_3 = CAPABILITIES.but(headers=False, expiry=False, reports_no_match=False)


def settings(state_dir: Path, rules: Sequence[Mapping[str, Any]], **values: Any) -> DSkitySettings:
    """Doors closed, nothing searched for, one more connection called `cloud`."""
    closed = {"enabled": False}
    return DSkitySettings.isolated(
        **{
            "state_dir": state_dir,
            "modules_search_paths": (),
            "broker": {"engine": "none"},
            "common": {"registry": closed},
            "http": closed,
            "grpc": closed,
            "shutdown_grace_seconds": 1,
            "mqtt": {"cloud": {"url": "mqtt://cloud"}},
            "bridge": rules,
        }
        | values
    )


@dataclass
class Sites:
    """Two brokers in memory, and runtimes at the edge."""

    edge: MemoryBroker = field(default_factory=MemoryBroker)
    cloud: MemoryBroker = field(default_factory=MemoryBroker)

    @asynccontextmanager
    async def runtime(
        self,
        state_dir: Path,
        *rules: Mapping[str, Any],
        modules: Sequence[Any] = (),
        name: str = "box",
        **values: Any,
    ) -> AsyncIterator[Runtime]:
        """A running one, called `name` at both brokers."""
        async with await start(
            settings(state_dir, rules, **values),
            modules=modules,
            transport=MemoryTransport(self.edge, name),
            transports={"cloud": MemoryTransport(self.cloud, f"{name}-cloud")},
        ) as runtime:
            yield runtime


@dataclass
class Witness:
    """A client of one broker, and what it sees."""

    bus: Bus
    seen: list[Message] = field(default_factory=list)

    @property
    def payloads(self) -> list[bytes]:
        """In the order of arrival."""
        return [message.payload for message in self.seen]

    @property
    def topics(self) -> list[str]:
        """In the order of arrival."""
        return [message.topic for message in self.seen]

    async def saw(self, count: int) -> None:
        """Wait for that many messages."""
        await until(lambda: len(self.seen) >= count, f"{count} messages, not {self.topics}")


@asynccontextmanager
async def witness(
    broker: MemoryBroker, filter: str = "#", name: str = "witness"
) -> AsyncIterator[Witness]:
    """It sees all but our own events, and answers nothing."""
    dispatcher = Dispatcher()
    bus = Bus(MemoryTransport(broker, name), dispatcher)
    found = Witness(bus)

    def see(delivery: Delivery, _: Mapping[str, str]) -> None:
        if not delivery.topic.startswith("dskity/"):
            found.seen.append(delivery.message())
        delivery.done()

    await bus.start()
    try:
        await bus.attach(filter, see)
        yield found
    finally:
        await dispatcher.close()
        await bus.close()


def carriers(runtime: Runtime) -> tuple[Carrier, ...]:
    """The bridge's rules at work."""
    units = runtime.supervisor._units
    module = units["bridge"].found.module
    assert isinstance(module, BridgeModule)
    return module.carriers
