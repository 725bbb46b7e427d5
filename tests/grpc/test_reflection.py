"""Reflection with its own client: a tool needs no .proto file."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from tests.grpc import echo
from tests.grpc.doors import Door, open_door


async def asked(door: Door, request: ServerReflectionRequest) -> Any:
    channel: Any = door.channel
    stub: Any = ServerReflectionStub(channel)
    async for response in stub.ServerReflectionInfo(iter([request])):
        return response
    raise AssertionError("no answer")


async def test_reflection_lists_every_service() -> None:
    """Ours, those of modules, health and itself."""
    async with open_door(add=[echo.register]) as door:
        answer = await asked(door, ServerReflectionRequest(list_services="*"))
    assert sorted(service.name for service in answer.list_services_response.service) == [
        "dskity.v1.Bus",
        "dskity.v1.Commands",
        "dskity.v1.Kv",
        "dskity.v1.Registry",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "test.Echo",
    ]


async def test_reflection_describes_a_service(door: Door) -> None:
    """With all its methods."""
    request = ServerReflectionRequest(file_containing_symbol="dskity.v1.Bus")
    answer = await asked(door, request)
    (data,) = answer.file_descriptor_response.file_descriptor_proto
    services = {s.name: s for s in FileDescriptorProto.FromString(data).service}
    assert [m.name for m in services["Bus"].method] == [
        "Publish",
        "PublishStream",
        "Subscribe",
        "Request",
    ]
