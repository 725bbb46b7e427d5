"""A client of the built-in broker without a socket: bytes in, packets out, time by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dskity.broker.engines.builtin.connection import Connection
from dskity.broker.engines.builtin.server import Rules, Server
from dskity.broker.engines.builtin.states import State
from dskity.broker.packets.connect import Connect
from dskity.broker.packets.framing import Frames
from dskity.broker.packets.outgoing import variable_integer
from dskity.broker.packets.properties import Table, read_table
from dskity.bus.base.clock import VirtualClock

ALL = frozenset(range(1, 0x2B))


def text(value: str) -> bytes:
    """With its length before it."""
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def packet(first: int, body: bytes) -> bytes:
    """With its length behind the first byte."""
    return bytes((first,)) + variable_integer(len(body)) + body


def table(properties: bytes = b"") -> bytes:
    """A property table."""
    return variable_integer(len(properties)) + properties


def connect(
    client_id: str = "a",
    *,
    five: bool = True,
    clean: bool = True,
    keepalive: int = 0,
    properties: bytes = b"",
    will: bytes = b"",
    flags: int = 0,
    tail: bytes = b"",
) -> bytes:
    """A CONNECT; `will` is all of its part (properties, topic, payload)."""
    body = text("MQTT") + bytes((5 if five else 4, flags | clean << 1 | bool(will) << 2))
    body += keepalive.to_bytes(2, "big") + (table(properties) if five else b"")
    return packet(0x10, body + text(client_id) + will + tail)


def publish(
    topic: str,
    payload: bytes = b"x",
    qos: int = 0,
    mid: int = 1,
    *,
    retain: bool = False,
    duplicate: bool = False,
    properties: bytes | None = b"",
) -> bytes:
    """A PUBLISH; `properties` None is one of 3.1.1."""
    body = text(topic) + (mid.to_bytes(2, "big") if qos else b"")
    body += b"" if properties is None else table(properties)
    return packet(0x30 | duplicate << 3 | qos << 1 | retain, body + payload)


def subscribe(*filters: tuple[str, int], mid: int = 1, properties: bytes | None = b"") -> bytes:
    """A SUBSCRIBE: filters with their options."""
    body = mid.to_bytes(2, "big") + (b"" if properties is None else table(properties))
    return packet(0x82, body + b"".join(text(one) + bytes((options,)) for one, options in filters))


def ack(first: int, mid: int, code: int = 0) -> bytes:
    """PUBACK and its like."""
    return packet(first, mid.to_bytes(2, "big") + (bytes((code,)) if code else b""))


@dataclass
class Message:
    """A PUBLISH that came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    duplicate: bool
    mid: int
    table: Table


@dataclass(eq=False)
class Client:
    """One connection. `packets` are what came, as (first byte, body)."""

    house: House
    five: bool = True
    writable: bool = True
    closed: bool = False
    held: bool = False
    written: bytes = b""
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[Connect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._frames = Frames(1 << 28)
        self.connection = Connection(self.house.server, self, "test", self.asked.append)

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after the end"
        self.written += data
        self._frames.feed(data)
        self.packets += self._frames

    def hold(self, on: bool) -> None:
        self.held = on

    def close(self) -> None:
        self.closed = True

    def send(self, *packets: bytes) -> None:
        """Have the broker read these, and let what they cause happen."""
        self.connection.feed(b"".join(packets))
        self.house.turn()

    def take(self) -> list[tuple[int, bytes]]:
        """The packets since the last time."""
        taken, self.packets = self.packets, []
        return taken

    def messages(self) -> list[Message]:
        """The PUBLISH packets since the last time; the others are dropped."""
        return [self._message(first, body) for first, body in self.take() if first >> 4 == 3]

    def _message(self, first: int, body: bytes) -> Message:
        at = 2 + int.from_bytes(body[:2], "big")
        topic, qos, mid = body[2:at].decode(), first >> 1 & 3, 0
        if qos:
            mid, at = int.from_bytes(body[at : at + 2], "big"), at + 2
        found = Table()
        if self.five:
            found, at = read_table(body, at, ALL)
        return Message(topic, body[at:], qos, bool(first & 1), bool(first & 8), mid, found)

    @property
    def open(self) -> bool:
        """Whether the broker takes its packets."""
        return self.connection.state is State.OPEN


class House:
    """A broker without ports."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.clock = VirtualClock()
        self._soon: list[Callable[[], None]] = []
        self.server = Server(self._soon.append, rules=rules, clock=self.clock)

    def turn(self) -> None:
        """Let everything happen that is to happen soon."""
        while self._soon:
            soon, self._soon[:] = self._soon[:], []
            for callback in soon:
                callback()

    async def later(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)
        self.server.timers.call_due()
        self.turn()

    def client(self, first: bytes | None = None, *, five: bool = True) -> Client:
        """A connection that has sent `first`, a CONNECT unless it is given."""
        client = Client(self, five)
        client.send(connect(five=five) if first is None else first)
        return client

    def named(self, client_id: str, *, five: bool = True, **options: object) -> Client:
        """A connection that was accepted; see `connect`. What came so far is dropped."""
        given = connect(client_id, five=five, **options)  # type: ignore[arg-type]  # passed on
        client = self.client(given, five=five)
        assert client.open, client.written
        client.take()
        return client
