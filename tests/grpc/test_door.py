"""Round every call: who may pass, the request id, and errors as google.rpc.Status."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from dskity.modules.access.security import Guard, Token
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub, CommandsStub, KvStub, RegistryStub
from tests.grpc import echo
from tests.grpc.doors import Door, health_stub, open_door
from tests.waiting import until

GUARD = Guard(
    [
        Token.of("all", "t-all", publish=["#"], subscribe=["#"]),
        Token.of("plant", "t-plant", publish=["plant/#"], subscribe=["plant/+/state"]),
    ]
)
PLANT = (("authorization", "Bearer t-plant"),)


async def refused(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The details of an error's google.rpc.Status, by their type."""
    status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]  # an aio error is as good
    assert status.code == error.code().value[0]
    found = {}
    for detail in status.details:
        name = detail.type_url.rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name).FromString(detail.value)
    return found


async def test_a_known_token_opens_what_it_is_for() -> None:
    """Topics and filters that its lists have; the same rights hold for what MQTT could do too."""
    async with open_door(GUARD) as door:
        bus = BusStub(door.channel)
        await bus.Publish(pb.PublishRequest(topic="plant/vent"), metadata=PLANT)
        state = bus.Subscribe(pb.SubscribeRequest(filter="plant/{d}/state"), metadata=PLANT)
        await state.initial_metadata()
        wide = bus.Subscribe(pb.SubscribeRequest(filter="plant/#"), metadata=PLANT)
        forbidden: list[Any] = [
            bus.Publish(pb.PublishRequest(topic="other"), metadata=PLANT),
            bus.Request(pb.RequestRequest(topic="other"), metadata=PLANT),
            wide.read(),
            KvStub(door.channel).Get(pb.GetRequest(key="k"), metadata=PLANT),
            KvStub(door.channel).Watch(pb.WatchKeysRequest(), metadata=PLANT).read(),
            RegistryStub(door.channel).List(pb.ListInstancesRequest(), metadata=PLANT),
            CommandsStub(door.channel).Execute(pb.ExecuteRequest(), metadata=PLANT),
            CommandsStub(door.channel).Cancel(pb.CancelRequest(), metadata=PLANT),
            CommandsStub(door.channel).Get(pb.GetExecutionRequest(), metadata=PLANT),
            CommandsStub(door.channel).Watch(pb.WatchExecutionRequest(), metadata=PLANT).read(),
        ]
        for call in forbidden:
            assert (await refused(call)).code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    "metadata", [(), (("authorization", "Bearer wrong"),), (("authorization", "t-all"),)]
)
async def test_without_a_known_token_every_method_is_closed(metadata: Any) -> None:
    """Ours and those of modules, reflection too; health alone is open."""
    async with open_door(GUARD, add=[echo.register]) as door:
        for call in (
            BusStub(door.channel).Publish(pb.PublishRequest(topic="t"), metadata=metadata),
            BusStub(door.channel)
            .Subscribe(pb.SubscribeRequest(filter="t"), metadata=metadata)
            .read(),
            echo.method(door.channel, "Say")(b"", metadata=metadata),
        ):
            error = await refused(call)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
            assert details(error)["ErrorInfo"].reason == "UNAUTHENTICATED"
        health = health_stub(door.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), metadata=metadata)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "metadata",
    [
        (("x-forwarded-for", "203.0.113.7"),),
        (("forwarded", "for=203.0.113.7"),),
        (("origin", "https://evil.example"),),
    ],
)
async def test_an_open_loopback_is_for_this_machine_alone(metadata: Any) -> None:
    """What a proxy passes on is somebody else's call."""
    async with open_door(add=[echo.register]) as door:
        assert await echo.method(door.channel, "Say")(b"hello") == b"hello"
        error = await refused(echo.method(door.channel, "Say")(b"hello", metadata=metadata))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_servicer_of_a_module_knows_who_calls() -> None:
    """And under which request id."""
    async with open_door(GUARD, add=[echo.register]) as door:
        metadata = (("authorization", "bearer t-plant"), ("x-request-id", "r-3"))
        assert await echo.method(door.channel, "Who")(b"", metadata=metadata) == b"plant r-3"


async def test_the_request_id_comes_back() -> None:
    """A sane one of the caller's, else a new one; with errors too."""
    async with open_door(add=[echo.register]) as door:
        for given, expected in (("r-4", "r-4"), ("no spaces, please", r"[0-9a-f]{32}")):
            call = echo.method(door.channel, "Say")(b"", metadata=(("x-request-id", given),))
            await call
            trailing = dict(await call.trailing_metadata())
            assert re.fullmatch(expected, trailing["x-request-id"])
        error = await refused(
            BusStub(door.channel).Publish(
                pb.PublishRequest(topic="#"), metadata=(("x-request-id", "r-5"),)
            )
        )
        assert error.trailing_metadata()["x-request-id"] == "r-5"
        assert details(error)["RequestInfo"].request_id == "r-5"


async def test_an_input_error_says_what_is_wrong_and_the_mend(door: Door) -> None:
    """As a BadRequest; its reason is the error's name."""
    error = await refused(BusStub(door.channel).Publish(pb.PublishRequest(topic="a/#")))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "has a wildcard" in str(error.details())
    found = details(error)
    info = found["ErrorInfo"]
    assert (info.reason, info.domain) == ("INVALID_TOPIC", "dskity.dev")
    assert found["BadRequest"].field_violations[0].description == error.details()


async def test_what_may_pass_later_says_when(door: Door) -> None:
    """The broker is away: no call waits for it, and RetryInfo tells when to try again."""
    door.house.broker.stop()
    await until(lambda: not door.house.bus.connected, "the disconnection")
    stub = BusStub(door.channel)
    for call in (
        stub.Publish(pb.PublishRequest(topic="t"), timeout=2),
        stub.Publish(pb.PublishRequest(topic="t", qos=0), timeout=2),
        stub.Request(pb.RequestRequest(topic="t"), timeout=2),
    ):
        error = await refused(call)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert details(error)["RetryInfo"].retry_delay.ToMilliseconds() == 1000


async def test_an_unexpected_error_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    """The log has it, with the request id; the caller gets INTERNAL and nothing of it."""
    async with open_door(add=[echo.register]) as door:
        metadata = (("x-request-id", "r-6"),)
        error = await refused(echo.method(door.channel, "Fail")(b"", metadata=metadata))
    assert (error.code(), error.details()) == (
        grpc.StatusCode.INTERNAL,
        "an unexpected error; see the log",
    )
    (record,) = caplog.records
    assert record.__dict__["request_id"] == "r-6"
    assert "hunter2" in caplog.text


async def test_a_servicer_may_abort_by_itself() -> None:
    """Its status is left alone."""
    async with open_door(add=[echo.register]) as door:
        error = await refused(echo.method(door.channel, "Abort")(b""))
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "gone")


async def test_methods_that_cannot_be_served_are_unimplemented() -> None:
    """Unknown ones, and those that would block the loop."""
    async with open_door(add=[echo.register]) as door:
        for name in ("Unknown", "Blocking"):
            error = await refused(echo.method(door.channel, name)(b""))
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_stream_passes_the_door() -> None:
    """The fourth kind of method."""
    async with open_door(add=[echo.register]) as door:
        join: Any = door.channel.stream_unary(f"/{echo.SERVICE}/Join")
        assert await join(iter([b"a", b"b"])) == b"a b"


async def test_a_cancelled_stream_closes_its_generator_at_once() -> None:
    """Whatever it holds is given back then, and not when the collector comes by."""
    echo.ended.clear()
    async with open_door(add=[echo.register]) as door:
        forever: Any = door.channel.unary_stream(f"/{echo.SERVICE}/Forever")
        call = forever(b"x")
        await call.read()
        call.cancel()
        await until(lambda: echo.ended == [b"x"], "the end of the generator")
