from __future__ import annotations

import asyncio
import json

from dskity.modules.http import HttpLimits
from dskity.modules.http.limits import Streams
from dskity.modules.http.sse import EventStream
from tests.http.conftest import Door, lines_of, open_door
from tests.waiting import until


def data_of(line: str) -> object:
    return json.loads(line.removeprefix("data: "))


async def test_matching_messages_come_as_events(door: Door) -> None:
    """Payloads as text, or base64 where they are not UTF-8."""
    async with door.client.stream("GET", "/stream?filter=a/%23") as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        await door.house.bus.publish("a/b", "one\ntwo", headers={"x": "y"})
        await door.house.bus.publish("a/c", b"\xff")
        lines = await lines_of(response, 4)
    assert lines[0] == lines[2] == "event: message"
    assert data_of(lines[1]) == {
        "topic": "a/b",
        "qos": 0,
        "retain": False,
        "content_type": "text/plain; charset=utf-8",
        "headers": {"x": "y"},
        "payload": "one\ntwo",
    }
    assert data_of(lines[3]) == {
        "topic": "a/c",
        "qos": 0,
        "retain": False,
        "content_type": None,
        "headers": {},
        "payload_base64": "/w==",
    }


async def test_the_subscription_ends_when_the_caller_leaves(door: Door) -> None:
    """No stream is left behind."""
    before = len(door.house.bus.subscriptions)
    async with door.client.stream("GET", "/stream?filter=a") as response:
        assert response.status_code == 200
        assert len(door.house.bus.subscriptions) == before + 1
    await until(lambda: len(door.house.bus.subscriptions) == before, "the end of the stream")


async def test_streams_beyond_the_bound_are_refused() -> None:
    """503 at once; a place that is left can be taken."""
    async with open_door(limits=HttpLimits(streams=1)) as door:
        before = len(door.house.bus.subscriptions)
        async with door.client.stream("GET", "/stream?filter=a"):
            refused = await door.client.get("/stream?filter=b")
            assert refused.status_code == 503
            assert "1 streams are open" in refused.json()["detail"]
        await until(lambda: len(door.house.bus.subscriptions) == before, "the end of the stream")
        async with door.client.stream("GET", "/stream?filter=b") as response:
            assert response.status_code == 200


async def test_an_invalid_filter_is_refused(door: Door) -> None:
    """Before the stream begins."""
    response = await door.client.get("/stream?filter=a/%23/c")
    assert response.status_code == 400
    assert "last level" in response.json()["detail"]


async def test_streams_end_when_the_server_stops() -> None:
    """Cleanly and at once, whatever the grace."""
    async with open_door() as door, door.client.stream("GET", "/stream?filter=a") as response:
        began = asyncio.get_running_loop().time()
        stopping = asyncio.create_task(door.server.stop(grace=30), name="stop")
        assert [line async for line in response.aiter_lines()] == []
        await stopping
        assert asyncio.get_running_loop().time() - began < 5


async def test_a_silent_stream_is_kept_alive(door: Door) -> None:
    """By comments, which clients ignore."""
    streams = Streams(1)

    @door.app.get("/silent")
    async def silent() -> EventStream:
        return EventStream(door.house.bus.stream("never"), streams, keep_alive=0.01)  # type: ignore[arg-type]  # nothing comes

    async with door.client.stream("GET", "/silent") as response:
        assert await lines_of(response, 2) == [": keep-alive", ": keep-alive"]


async def test_a_slow_reader_is_told_what_it_missed(door: Door) -> None:
    """The oldest messages go, and are counted."""
    async with door.client.stream("GET", "/stream?filter=a") as response:
        for number in range(1500):  # all before the stream's task runs again: 1000 are held
            await door.house.bus.publish("a", str(number), qos=0)
        lines = await lines_of(response, 2)
    assert lines[0] == "event: dropped"
    count = data_of(lines[1])
    assert isinstance(count, dict)
    assert count["count"] >= 1


async def test_a_reader_that_never_reads_is_bounded_in_bytes(door: Door) -> None:
    """16 MiB wait for it, and what the sockets hold; the rest is dropped and told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port, limit=2**25)
    before = len(door.house.bus.subscriptions)
    writer.write(b"GET /stream?filter=a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await until(lambda: len(door.house.bus.subscriptions) > before, "the stream")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
    sent = 60
    for _ in range(sent):
        await door.house.bus.publish("a", bytes(1024 * 1024), qos=0)
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        await reader.readuntil(b"event: dropped\ndata: ")
        count = json.loads(await reader.readline())["count"]
    writer.transport.abort()
    assert sent - 16 - 16 <= count <= sent - 16
