"""Which gRPC method needs which right: each one, by each kind of token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from dskity.modules.access.security import Guard, Token
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.rights import Right
from tests.grpc.doors import Door, open_door

RIGHTS: dict[str, tuple[Right, str, Any]] = {
    "Bus/Publish": ("publish", "a/b", pb.PublishRequest(topic="a/b")),
    "Bus/PublishStream": ("publish", "a/b", pb.PublishRequest(topic="a/b")),
    "Bus/Subscribe": ("subscribe", "a/+", pb.SubscribeRequest(filter="a/+")),
    "Bus/Request": ("publish", "a/b", pb.RequestRequest(topic="a/b", timeout=0.01)),
    "Kv/Get": ("publish", "dskity/kv/get", pb.GetRequest(key="k")),
    "Kv/Put": ("publish", "dskity/kv/put", pb.PutRequest(key="k", value=b"1")),
    "Kv/Delete": ("publish", "dskity/kv/delete", pb.DeleteRequest(key="k")),
    "Kv/List": ("publish", "dskity/kv/keys", pb.ListKeysRequest()),
    "Kv/Watch": ("subscribe", "dskity/kv/#", pb.WatchKeysRequest()),
    "Registry/List": ("subscribe", "dskity/registry/#", pb.ListInstancesRequest()),
    "Commands/Execute": (
        "publish",
        "dskity/commands/execute",
        pb.ExecuteRequest(target="x", command="y"),
    ),
    "Commands/Cancel": ("publish", "dskity/commands/execute", pb.CancelRequest(execution="x")),
    "Commands/Get": ("subscribe", "dskity/commands/#", pb.GetExecutionRequest(execution="x")),
    "Commands/Watch": ("subscribe", "dskity/commands/#", pb.WatchExecutionRequest(execution="x")),
}
DENIED = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}


def _other(right: Right) -> Right:
    return "subscribe" if right == "publish" else "publish"


def _only(token: str, right: Right, topic: str) -> Token:
    if right == "publish":
        return Token.of(token, token, publish=[topic])
    return Token.of(token, token, subscribe=[topic])


def _tokens() -> Iterator[Token]:
    yield Token.of("admin", "admin", admin=True)
    yield Token.of("publishes all", "all-publish", publish=["#"])
    yield Token.of("subscribes to all", "all-subscribe", subscribe=["#"])
    yield Token.of("elsewhere", "elsewhere", publish=["x/#"], subscribe=["x/#"])
    for kind, topic, _ in RIGHTS.values():
        yield _only(f"{kind} {topic}", kind, topic)
        yield _only(f"not {kind} {topic}", _other(kind), topic)


@pytest.fixture
async def guarded() -> AsyncIterator[Door]:
    """All methods of ours, for holders of those tokens."""
    async with open_door(Guard(_tokens())) as door:
        yield door


async def status(door: Door, method: str, token: str | None) -> grpc.StatusCode:
    """How the call ends for the holder of the token; of a stream that stays open, that it does."""
    service, name = method.split("/")
    descriptor = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
    kind = (
        f"{'stream' if descriptor.client_streaming else 'unary'}_"
        f"{'stream' if descriptor.server_streaming else 'unary'}"
    )
    call = getattr(door.channel, kind)(
        f"/dskity.v1.{method}", request_serializer=type(RIGHTS[method][2]).SerializeToString
    )
    given = RIGHTS[method][2]
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    asked = call([given] if descriptor.client_streaming else given, metadata=metadata)
    try:
        if descriptor.server_streaming:
            await asked.initial_metadata()
            if name in {"Subscribe", "Watch"} and asked.done() is False:
                asked.cancel()
                return grpc.StatusCode.OK
            await asked.read()
        else:
            await asked
    except grpc.aio.AioRpcError as error:
        return error.code()
    code: grpc.StatusCode = await asked.code()
    return code


async def test_the_table_names_every_method_of_ours() -> None:
    """One that is added belongs there, and into the docs."""
    services = pb.DESCRIPTOR.services_by_name.values()
    assert {f"{one.name}/{method.name}" for one in services for method in one.methods} == set(
        RIGHTS
    )


@pytest.mark.parametrize("method", RIGHTS)
async def test_a_token_may_call_what_its_lists_name_and_nothing_else(
    guarded: Door, method: str
) -> None:
    """A list that is not given grants nothing: the other list, of all topics, does not help."""
    kind, topic, _ = RIGHTS[method]
    for token in ("admin", f"all-{kind}", f"{kind} {topic}"):
        assert await status(guarded, method, token) not in DENIED, token
    for token in (f"all-{_other(kind)}", "elsewhere", f"not {kind} {topic}"):
        assert await status(guarded, method, token) is grpc.StatusCode.PERMISSION_DENIED, token
    for nobody in (None, "wrong"):
        assert await status(guarded, method, nobody) is grpc.StatusCode.UNAUTHENTICATED
