"""What waits for a reader of a stream: bounded in messages and in bytes."""

from __future__ import annotations

from dskity.bus.stream import MessageStream
from tests.house_bus import memory_house
from tests.waiting import until


async def taken(stream: MessageStream, count: int) -> list[bytes]:
    return [(await anext(stream)).payload for _ in range(count)]


async def test_a_reader_that_never_reads_holds_a_bounded_number_of_bytes() -> None:
    """The oldest go, and are counted, as with too many messages; what is read frees its bytes."""
    async with memory_house() as house:
        stream = MessageStream(limit=1000, max_bytes=100)
        await house.bus.attach("a", stream.accept)
        for number in range(5):
            await house.bus.publish("a", bytes([number]) * 40)
        await until(lambda: stream.dropped == 3, "the messages")
        assert (len(stream._messages), stream._messages.bytes) == (2, 80)
        assert await taken(stream, 2) == [b"\x03" * 40, b"\x04" * 40]
        await house.bus.publish("a", b"x" * 100)
        assert await taken(stream, 1) == [b"x" * 100]
        assert (stream._messages.bytes, stream.dropped) == (0, 3)


async def test_one_message_may_wait_however_large_it_is() -> None:
    """Else it could never be read."""
    async with memory_house() as house:
        stream = MessageStream(limit=2, max_bytes=100)
        await house.bus.attach("a", stream.accept)
        await house.bus.publish("a", b"x" * 1000)
        assert await taken(stream, 1) == [b"x" * 1000]
