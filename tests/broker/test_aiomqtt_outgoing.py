"""What leaves by aiomqtt past paho's objects: in one piece a turn, in order, and bounded."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dskity.broker.aiomqtt import private
from dskity.broker.aiomqtt.client import HookedClient
from dskity.broker.aiomqtt.outgoing import UNWRITTEN, Outgoing
from dskity.broker.aiomqtt.records import RECORDS_AT_ONCE, receive
from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.packets.outgoing import encode
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message
from tests.broker.raw import PUBLISH, session
from tests.waiting import until

CLIENT = cast("HookedClient", SimpleNamespace(paho=None, write_after=lambda queue: queue()))
"""Only `private.queue` would use its paho."""


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pieces that are handed to paho."""
    pieces: list[bytes] = []
    monkeypatch.setattr(private, "queue", lambda _, packets: pieces.append(bytes(packets)))
    return pieces


def packet(message: Message, mid: int) -> bytes:
    return b"".join(encode(message, mid, five=True))


async def test_the_messages_of_one_turn_leave_in_one_piece(queued: list[bytes]) -> None:
    """A call to the system for each would cost more than all else."""
    outgoing = Outgoing(CLIENT, five=True)
    messages = [Message(f"t/{number}", b"x", qos=1) for number in range(50)]
    for mid, message in enumerate(messages, 1):
        outgoing.put(message, mid)
    assert queued == []
    await asyncio.sleep(0)
    assert queued == [b"".join(packet(message, mid) for mid, message in enumerate(messages, 1))]


async def test_what_one_turn_has_put_is_written_at_its_end() -> None:
    """Not in the turn after it, which is how paho asks for it."""
    async with session(5) as opened:
        assert isinstance(opened.wire, AiomqttWire)
        client = opened.wire._client
        assert client is not None
        await opened.wire.publish(Message("t", b"x", 0))
        await asyncio.sleep(0)
        assert not client.paho.want_write()
        await until(lambda: opened.broker.of(PUBLISH), "it arrives")


async def test_a_large_payload_is_not_copied_and_keeps_its_place(queued: list[bytes]) -> None:
    """What came before it leaves before it."""
    outgoing = Outgoing(CLIENT, five=True)
    small, large = Message("t", b"x"), Message("t", bytes(70_000))
    for message in (small, large, small):
        outgoing.put(message, 0)
    await asyncio.sleep(0)
    assert [len(piece) for piece in queued][1] == 70_000
    assert b"".join(queued) == packet(small, 0) + packet(large, 0) + packet(small, 0)


async def test_something_else_that_is_sent_finds_the_queue_flushed(queued: list[bytes]) -> None:
    """A SUBSCRIBE leaves behind what was published before it; the turn's end then adds nothing."""
    outgoing = Outgoing(CLIENT, five=True)
    outgoing.put(Message("t", b"x"), 0)
    outgoing.flush()
    await asyncio.sleep(0)
    assert queued == [packet(Message("t", b"x"), 0)]


@pytest.mark.usefixtures("queued")
async def test_a_publisher_of_qos_0_waits_for_a_socket_that_takes_no_more() -> None:
    """Until it has taken everything, or is gone."""
    outgoing = Outgoing(CLIENT, five=True)
    for _ in range(UNWRITTEN):
        outgoing.put(Message("t", b"x"), 0)
    assert not outgoing.full
    outgoing.put(Message("t", b"x"), 0)
    assert outgoing.full
    waiting = asyncio.ensure_future(outgoing.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    outgoing.written()
    await waiting
    assert not outgoing.full
    waiting = asyncio.ensure_future(outgoing.drained())
    await asyncio.sleep(0)
    outgoing.end("the broker fell")
    with pytest.raises(NotConnected, match="the broker fell"):
        await waiting


class _Records:
    """A TLS socket with so many records; then it fails."""

    def __init__(self, records: int, then: Exception) -> None:
        self._left = records
        self._then = then

    def recv(self, most: int) -> bytes:
        del most
        if not self._left:
            raise self._then
        self._left -= 1
        return b"\x40\x02\x00\x01"


@pytest.mark.parametrize("then", [ssl.SSLWantReadError(), BlockingIOError(), OSError("reset")])
def test_the_records_of_tls_are_read_together(then: Exception) -> None:
    """As many as are there, up to a bound; an error behind them is left to the next read."""
    sock: Any = _Records(50, then)
    assert receive(sock) == b"\x40\x02\x00\x01" * 50
    with pytest.raises(type(then)):
        receive(sock)
    assert len(receive(_Records(1_000, then))) == 4 * RECORDS_AT_ONCE
