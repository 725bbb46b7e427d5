"""The server's life: where it listens, what it refuses, how it stops."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dskity.bus.errors import Conflict, EngineError, InvalidSettings
from dskity.bus.message import Message
from dskity.modules.access.server_tls import ServerTls
from dskity.modules.grpc.client import GrpcClients
from dskity.modules.grpc.server import GrpcServer
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub
from tests.grpc import echo
from tests.grpc.doors import OPEN, Door, open_door
from tests.servers import HOST
from tests.waiting import until


async def ready() -> None:
    return None


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    """A certificate for loopback that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    found = ServerTls(folder / "cert.pem", folder / "key.pem")
    found.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    found.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


async def test_a_port_in_use_is_refused_and_named() -> None:
    """By the number and the setting; grpc would share it in silence."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = GrpcServer(GrpcClients(), OPEN, ready, host=HOST, port=port)
        with pytest.raises(EngineError, match=rf"{port}.*grpc\.port"):
            await server.start()
        await server.stop()


async def test_two_servers_cannot_share_a_port(door: Door) -> None:
    """Not even two of ours."""
    second = GrpcServer(GrpcClients(), OPEN, ready, host=HOST, port=door.server.port)
    with pytest.raises(EngineError):
        await second.start()


async def test_stopping_ends_streams_at_once_and_lets_calls_end(door: Door) -> None:
    """A subscriber is told UNAVAILABLE; whoever has a grace of an hour does not wait an hour."""
    release = asyncio.Event()

    async def handler(_: Message) -> str:
        await release.wait()
        return "done"

    await door.house.bus.subscribe("ask", handler)
    stub = BusStub(door.channel)
    subscription = stub.Subscribe(pb.SubscribeRequest(filter="t"))
    await subscription.initial_metadata()
    request = stub.Request(pb.RequestRequest(topic="ask"))
    asked = asyncio.ensure_future(request)
    await until(lambda: door.house.dispatcher.routes[-1]._open, "the request at its handler")
    stopped = asyncio.create_task(door.server.stop(grace=3600))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await subscription.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    release.set()
    assert (await asked).payload == b"done"
    await stopped


async def test_a_request_over_the_limit_is_refused() -> None:
    """`grpc.max_message_bytes`."""
    async with open_door(max_message_bytes=10_000) as door:
        publish = BusStub(door.channel).Publish
        await publish(pb.PublishRequest(topic="t", payload=bytes(9_000)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await publish(pb.PublishRequest(topic="t", payload=bytes(11_000)))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_over_tls_a_client_knows_whom_it_talks_to(files: ServerTls) -> None:
    """And one that speaks plain text gets nowhere."""
    async with open_door(tls=files) as door:
        authority = grpc.ssl_channel_credentials(files.cert_file.read_bytes())
        target = f"{HOST}:{door.server.port}"
        async with grpc.aio.secure_channel(target, authority) as channel:
            await BusStub(channel).Publish(pb.PublishRequest(topic="t"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await BusStub(door.channel).Publish(pb.PublishRequest(topic="t"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_with_a_client_authority_a_client_needs_a_certificate(files: ServerTls) -> None:
    """One that it has signed."""
    pem = files.cert_file.read_bytes()
    async with open_door(tls=ServerTls(files.cert_file, files.key_file, files.cert_file)) as door:
        target = f"{HOST}:{door.server.port}"
        known = grpc.ssl_channel_credentials(pem, files.key_file.read_bytes(), pem)
        async with grpc.aio.secure_channel(target, known) as channel:
            await BusStub(channel).Publish(pb.PublishRequest(topic="t"))
        unknown = grpc.ssl_channel_credentials(pem)
        async with grpc.aio.secure_channel(target, unknown) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await BusStub(channel).Publish(pb.PublishRequest(topic="t"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the settings that ask for it."""
    tls = ServerTls(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = GrpcServer(GrpcClients(), OPEN, ready, host=HOST, port=0, tls=tls)
    with pytest.raises(InvalidSettings, match=r"grpc\.tls: .*key\.pem"):
        await server.start()


async def test_a_service_can_be_added_once_and_before_the_start(door: Door) -> None:
    """Later it would never be served."""
    with pytest.raises(Conflict, match="has started"):
        door.clients.add(echo.register)
    clients = GrpcClients()
    clients.add(echo.register)
    with pytest.raises(Conflict, match=r"test\.Echo"):
        clients.add(echo.register)


async def test_a_channel_is_shared_and_closed_with_the_clients(door: Door) -> None:
    """One for each target; after the close a new one is made."""
    clients = GrpcClients()
    target = f"{HOST}:{door.server.port}"
    channel = clients.channel(target)
    assert clients.channel(target) is channel
    await BusStub(channel).Publish(pb.PublishRequest(topic="t"))
    await clients.close()
    with pytest.raises(grpc.aio.UsageError):
        await BusStub(channel).Publish(pb.PublishRequest(topic="t"))
    assert clients.channel(target) is not channel
    await clients.close()
