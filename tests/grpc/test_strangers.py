"""What a caller can send and hold at the gRPC door."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from dskity.modules.grpc.server import GrpcBounds
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub
from tests.grpc.doors import Door, open_door
from tests.grpc.test_door import details, refused
from tests.security.test_loopback import FORWARDER, NOBODY, ROOT, started
from tests.servers import HOST, free_port


async def test_malformed_protobuf_is_an_invalid_argument(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a single request, in a stream of them, and for a stream of answers; no traceback."""
    service = "/dskity.v1.Bus"
    garbage = b"\x0a\xff\xff"
    channel: Any = door.channel
    for call in (
        channel.unary_unary(f"{service}/Publish")(garbage),
        channel.unary_stream(f"{service}/Subscribe")(garbage).read(),
        channel.stream_stream(f"{service}/PublishStream")(iter([garbage])).read(),
    ):
        error = await refused(call)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert details(error)["ErrorInfo"].reason == "INVALID_INPUT"
    assert "Traceback" not in caplog.text


async def test_connections_beyond_the_bound_are_closed() -> None:
    """Those that are in go on."""
    async with open_door(bounds=GrpcBounds(connections=2)) as door:
        await BusStub(door.channel).Publish(pb.PublishRequest(topic="t"))
        _, other = await asyncio.open_connection(HOST, door.server.port)
        own = (("grpc.use_local_subchannel_pool", 1),)  # or it would share the first one's
        try:
            async with grpc.aio.insecure_channel(f"{HOST}:{door.server.port}", own) as third:
                error = await refused(BusStub(third).Publish(pb.PublishRequest(topic="t")))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            await BusStub(door.channel).Publish(pb.PublishRequest(topic="t"))
        finally:
            other.close()


async def test_a_connection_that_says_nothing_is_closed() -> None:
    """It has to send its settings in time."""
    async with open_door(bounds=GrpcBounds(handshake_seconds=0.1)) as door:
        reader, writer = await asyncio.open_connection(HOST, door.server.port)
        async with asyncio.timeout(10):
            await reader.read()
            assert reader.at_eof()
        writer.close()


async def test_calls_beyond_the_bound_are_refused() -> None:
    """On all connections together."""
    async with open_door(bounds=GrpcBounds(calls=1)) as door:
        stub = BusStub(door.channel)
        subscription = stub.Subscribe(pb.SubscribeRequest(filter="t"))
        await subscription.initial_metadata()
        error = await refused(stub.Publish(pb.PublishRequest(topic="t")))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        subscription.cancel()


@ROOT
async def test_a_forwarder_of_another_user_needs_a_token(tmp_path: Path) -> None:
    """As at the HTTP door."""
    async with open_door() as door:
        port = free_port()
        become = f"import os, socket, threading\n'a'.encode('idna')\nos.setgid({NOBODY})\n"
        run = f"{become}os.setuid({NOBODY})\n{FORWARDER}"
        command: list[Any] = [sys.executable, "-c", run, str(port), str(door.server.port)]
        with started(command, port, tmp_path):
            async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
                error = await refused(BusStub(channel).Publish(pb.PublishRequest(topic="t")))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert os.geteuid() != NOBODY
        await BusStub(door.channel).Publish(pb.PublishRequest(topic="t"))
