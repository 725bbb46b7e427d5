"""`Kv`, `Registry` and `Commands` with a real client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from dskity.bus.delivery import Delivery
from dskity.modules.contract import Instance
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import CommandsStub, KvStub, RegistryStub
from tests.grpc.doors import Door, open_door


async def code_of(call: Any) -> grpc.StatusCode:
    """The code of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def vent(door: Door) -> None:
    """A device that opens as far as it is told."""

    def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
        delivery.done()
        asked = json.loads(delivery.payload)
        reply = {"id": asked["id"], "state": "succeeded", "result": {"open": asked["percent"]}}
        tasks.append(asyncio.create_task(door.house.bus.publish(f"{delivery.topic}/reply", reply)))

    tasks: list[asyncio.Task[Any]] = []
    await door.house.bus.attach("devices/vent/commands/+", accept)


async def test_a_value_is_stored_read_listed_and_deleted(door: Door) -> None:
    """JSON in, JSON out; null is a value."""
    kv = KvStub(door.channel)
    put = await kv.Put(pb.PutRequest(key="a/b", value=b'{"x": 1}', ttl_seconds=0))
    assert put.version == 1
    entry = await kv.Get(pb.GetRequest(key="a/b"))
    assert (json.loads(entry.value), entry.version) == ({"x": 1}, 1)
    assert not entry.HasField("expires_in")
    await kv.Put(pb.PutRequest(key="a/c", value=b"null"))
    entry = await kv.Get(pb.GetRequest(key="a/c"))
    assert entry.value == b"null"
    assert entry.expires_in == pytest.approx(60, abs=5)
    assert (await kv.List(pb.ListKeysRequest(prefix="a/"))).keys == ["a/b", "a/c"]
    assert (await kv.Delete(pb.DeleteRequest(key="a/b"))).deleted is True
    assert (await kv.Delete(pb.DeleteRequest(key="a/b"))).deleted is False


async def test_kv_errors_have_their_codes(door: Door) -> None:
    """A missing key, another version, and what is not JSON."""
    kv = KvStub(door.channel)
    assert await code_of(kv.Get(pb.GetRequest(key="k"))) is grpc.StatusCode.NOT_FOUND
    await kv.Put(pb.PutRequest(key="k", value=b"1", if_version=0))
    conflict = kv.Put(pb.PutRequest(key="k", value=b"2", if_version=0))
    assert await code_of(conflict) is grpc.StatusCode.FAILED_PRECONDITION
    broken = kv.Put(pb.PutRequest(key="k", value=b"{"))
    assert await code_of(broken) is grpc.StatusCode.INVALID_ARGUMENT


async def test_changes_of_keys_are_streamed(door: Door) -> None:
    """From the initial metadata on."""
    kv = KvStub(door.channel)
    call = kv.Watch(pb.WatchKeysRequest(prefix="a/"))
    await call.initial_metadata()
    await kv.Put(pb.PutRequest(key="b/x", value=b"0"))
    await kv.Put(pb.PutRequest(key="a/x", value=b"1"))
    await kv.Delete(pb.DeleteRequest(key="a/x"))
    changes = [await call.read(), await call.read()]
    assert changes == [
        pb.Change(kind=pb.CHANGE_KIND_SET, key="a/x", version=1, value=b"1"),
        pb.Change(kind=pb.CHANGE_KIND_DELETED, key="a/x", version=1),
    ]


async def test_live_instances_are_listed() -> None:
    """Of one service, or of all."""
    known = (
        Instance("vents", "v1", "mqtt:devices/v1", {"floor": 2}, "device", 30.0, 1.0, 2.0),
        Instance("shop", "s1", "http://127.0.0.1:8000"),
    )
    async with open_door(instances=known) as door:
        registry = RegistryStub(door.channel)
        both = (await registry.List(pb.ListInstancesRequest())).instances
        vents = (await registry.List(pb.ListInstancesRequest(service="vents"))).instances
        none = (await registry.List(pb.ListInstancesRequest(service="none"))).instances
    assert [one.instance for one in both] == ["s1", "v1"]
    assert vents == [
        pb.Instance(
            service="vents",
            instance="v1",
            url="mqtt:devices/v1",
            metadata=b'{"floor":2}',
            kind="device",
            ttl_seconds=30,
            registered_at=1,
            last_seen=2,
        )
    ]
    assert none == []


async def test_a_command_is_executed_and_answered(door: Door) -> None:
    """With its result, if it comes within `wait`."""
    await vent(door)
    commands = CommandsStub(door.channel)
    done = await commands.Execute(
        pb.ExecuteRequest(target="vent", command="open", payload=b'{"percent": 40}', wait=5)
    )
    assert (done.state, done.result) == (pb.STATE_SUCCEEDED, b'{"open":40}')
    assert not done.HasField("error")
    assert await commands.Get(pb.GetExecutionRequest(execution=done.id)) == done


async def test_a_command_can_be_watched_and_cancelled(door: Door) -> None:
    """The stream ends with the command."""
    commands = CommandsStub(door.channel)
    sent = await commands.Execute(
        pb.ExecuteRequest(target="ghost", command="open", ttl=30, idempotency_key="k")
    )
    assert sent.expires_at - sent.created_at == pytest.approx(30)
    call = commands.Watch(pb.WatchExecutionRequest(execution=sent.id))
    states = []
    async for execution in call:
        states.append(execution.state)
        if execution.state == pb.STATE_SENT:
            await commands.Cancel(pb.CancelRequest(execution=sent.id))
    assert states == [pb.STATE_SENT, pb.STATE_CANCELLED]


async def test_command_errors_have_their_codes(door: Door) -> None:
    """No device, no such execution, and an end that has come already."""
    commands = CommandsStub(door.channel)
    required = pb.ExecuteRequest(target="ghost", command="open", require_responder=True)
    assert await code_of(commands.Execute(required)) is grpc.StatusCode.NOT_FOUND
    unknown = commands.Get(pb.GetExecutionRequest(execution="e1"))
    assert await code_of(unknown) is grpc.StatusCode.NOT_FOUND
    nobody = commands.Watch(pb.WatchExecutionRequest(execution="e1")).read()
    assert await code_of(nobody) is grpc.StatusCode.NOT_FOUND
    sent = await commands.Execute(pb.ExecuteRequest(target="ghost", command="open"))
    await commands.Cancel(pb.CancelRequest(execution=sent.id))
    again = commands.Cancel(pb.CancelRequest(execution=sent.id))
    assert await code_of(again) is grpc.StatusCode.FAILED_PRECONDITION
