"""A broker and the clients of one test, the same handles for every cell."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.rumqttd import ManagedRumqttd
from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.delivery import Delivery
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.transport import Capabilities, Transport
from tests.contract.cells import Cell
from tests.servers import (
    HOST,
    ServerProcess,
    TcpProxy,
    free_port,
    mosquitto,
    need_rumqttd,
    tcp_proxy,
)
from tests.waiting import until


def mqtt(cell: Cell, client_id: str, port: int, **settings: Any) -> MqttTransport:
    """The transport of a cell, towards a loopback port."""
    _, _, version = cell.broker.partition("-")
    choice = version or "auto"
    given: dict[str, Any] = {
        "url": f"mqtt://{HOST}:{port}",
        "protocol": choice,
        "connect_timeout": 1.0,
    }
    return AiomqttTransport(ConnectionSettings(client_id=client_id, **(given | settings)))


@dataclass(eq=False)
class Client:
    """A transport, and all that it told. `handle` is what is done with a delivery."""

    transport: Transport
    proxy: TcpProxy | None = None
    handle: Callable[[Delivery], None] = Delivery.done
    deliveries: list[Delivery] = field(default_factory=list)
    ups: list[bool] = field(default_factory=list)
    downs: list[str] = field(default_factory=list)

    def receive(self, delivery: Delivery) -> None:
        """The transport's receiver."""
        self.deliveries.append(delivery)
        self.handle(delivery)

    def connected(self, capabilities: Capabilities, *, resumed: bool) -> None:
        """See `TransportEvents`."""
        assert capabilities == self.transport.capabilities
        self.ups.append(resumed)

    def trouble(self, reason: str) -> None:
        """Attempts that fail are the transport's affair here."""

    def disconnected(self, reason: str) -> None:
        """See `TransportEvents`."""
        self.downs.append(reason)

    @property
    def payloads(self) -> list[bytes]:
        """The payloads, in the order of arrival."""
        return [delivery.payload for delivery in self.deliveries]

    async def start(self) -> None:
        """Begin to connect."""
        await self.transport.start(self.receive, self)

    async def up(self, times: int = 1) -> None:
        """Wait until it has connected that often."""
        await until(lambda: len(self.ups) >= times, f"{times} connections, {self.downs}")

    async def got(self, count: int) -> None:
        """Wait for that many deliveries."""
        await until(
            lambda: len(self.deliveries) >= count, f"{count} deliveries, not {self.payloads!r:.200}"
        )

    async def publish(self, topic: str, payload: bytes = b"", **fields: Any) -> bool | None:
        """Publish a message."""
        return await self.transport.publish(Message(topic, payload, **fields))

    async def cut(self) -> None:
        """Break its connection, and wait until it is back."""
        times = len(self.ups) + 1
        if self.proxy is not None:
            self.proxy.cut()
        else:
            assert isinstance(self.transport, MemoryTransport)
            self.transport.cut()
        await self.up(times)

    def unplug(self) -> None:
        """Cut its line, for as long as it takes."""
        if self.proxy is not None:
            self.proxy.refuse()
            self.proxy.cut()
        else:
            assert isinstance(self.transport, MemoryTransport)
            self.transport.unplug()  # a transport in memory has one connection for all

    def plug_in(self) -> None:
        """Fix its line."""
        if self.proxy is not None:
            self.proxy.refuse(on=False)
        else:
            assert isinstance(self.transport, MemoryTransport)
            self.transport.plug_in()

    async def kill(self) -> None:
        """End it without a goodbye, as `kill -9` does."""
        if self.proxy is not None:
            self.proxy.refuse()
            self.proxy.cut()
            await until(lambda: self.downs, "the loss is noticed")
            await self.transport.close()
        else:
            assert isinstance(self.transport, MemoryTransport)
            self.transport.kill()


class Broker(Protocol):
    """A broker that can go away and come back, with what it has kept."""

    port: int

    async def stop(self) -> None:
        """Go away."""
        ...

    async def start(self) -> None:
        """Come back."""
        ...


class House:
    """The broker of a test, and a maker of clients that are closed with it."""

    def __init__(self, cell: Cell, broker: Broker, stack: contextlib.AsyncExitStack) -> None:
        self.cell = cell
        self.broker = broker
        self._stack = stack

    async def client(self, client_id: str = "one", **settings: Any) -> Client:
        """A client that is not started yet."""
        if isinstance(self.broker, _Memory):
            will = settings.get("will")
            client = Client(MemoryTransport(self.broker.memory, client_id, will))
        else:
            proxy = await self._stack.enter_async_context(tcp_proxy(self.broker.port))
            client = Client(mqtt(self.cell, client_id, proxy.port, **settings), proxy)
        self._stack.push_async_callback(client.transport.close)
        return client

    async def connected(self, client_id: str = "one", **settings: Any) -> Client:
        """A client that is connected."""
        client = await self.client(client_id, **settings)
        await client.start()
        await client.up()
        return client


class _Memory:
    port = 0

    def __init__(self) -> None:
        self.memory = MemoryBroker()

    async def stop(self) -> None:
        self.memory.stop()

    async def start(self) -> None:
        self.memory.start()


class _Mosquitto:
    def __init__(self, process: ServerProcess) -> None:
        self.port = process.port
        self._process = process

    async def stop(self) -> None:
        self._process.kill()

    async def start(self) -> None:
        self._process.start()


class _OfOurs:
    """In this process: amqtt, or the built-in one."""

    def __init__(self, make: Callable[[Listen], AmqttBroker | BuiltinBroker]) -> None:
        self.port = free_port()
        self._make = make
        self._broker: AmqttBroker | BuiltinBroker | None = None

    async def stop(self) -> None:
        if self._broker is not None:
            await self._broker.stop()
            self._broker = None

    async def start(self) -> None:
        self._broker = self._make(Listen(port=self.port))
        await self._broker.start()


class _Rumqttd:
    def __init__(self, state_dir: Path) -> None:
        self.port = free_port()
        self._state_dir = state_dir
        self._broker: ManagedRumqttd | None = None

    async def stop(self) -> None:
        if self._broker is not None:
            await self._broker.stop()
            self._broker = None

    async def start(self) -> None:
        self._broker = ManagedRumqttd(Listen(port=self.port), self._state_dir)
        await self._broker.start()


@contextlib.contextmanager
def _mosquitto(lines: tuple[str, ...], *, persistence: bool) -> Iterator[_Mosquitto]:
    with mosquitto(lines, persistence=persistence) as process:
        yield _Mosquitto(process)


@contextlib.asynccontextmanager
async def _of_ours(
    make: Callable[[Listen], AmqttBroker | BuiltinBroker],
) -> AsyncIterator[_OfOurs]:
    broker = _OfOurs(make)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@contextlib.asynccontextmanager
async def _rumqttd() -> AsyncIterator[_Rumqttd]:
    need_rumqttd()
    with tempfile.TemporaryDirectory() as state_dir:
        broker = _Rumqttd(Path(state_dir))
        await broker.start()
        try:
            yield broker
        finally:
            await broker.stop()


@contextlib.asynccontextmanager
async def open_house(
    cell: Cell, lines: tuple[str, ...] = (), *, persistence: bool = False
) -> AsyncIterator[House]:
    """The broker of a cell; `lines` and `persistence` are mosquitto's."""
    async with contextlib.AsyncExitStack() as stack:
        broker: Broker
        if cell.broker == "memory":
            broker = _Memory()
        elif cell.broker == "amqtt":
            broker = await stack.enter_async_context(_of_ours(AmqttBroker))
        elif cell.broker in {"builtin-5", "builtin-3.1.1"}:
            broker = await stack.enter_async_context(_of_ours(BuiltinBroker))
        elif cell.broker == "rumqttd":
            broker = await stack.enter_async_context(_rumqttd())
        else:
            broker = stack.enter_context(_mosquitto(lines, persistence=persistence))
        yield House(cell, broker, stack)
