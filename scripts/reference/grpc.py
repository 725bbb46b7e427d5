"""docs/reference/grpc.md, from modules/grpc/dskity.proto and its comments."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf import descriptor_pb2 as pb

from scripts.reference.markdown import code, page, table
from scripts.stubs import REAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

INTRODUCTION = """
The interface is [dskity.proto](../../modules/grpc/dskity.proto), package `dskity.v1`. The server
also supports reflection, so that `grpcurl` and similar tools need no file, and `grpc.health.v1`,
which reports readiness and needs no token. Every other call needs a token under the same rules as
HTTP, as the metadata `authorization: Bearer …`, and has the rights of the token over MQTT.
`x-request-id` is taken from the metadata or created, and returned in the trailing metadata.

An error is a `google.rpc.Status`. Its details are `RequestInfo`, `ErrorInfo` (domain `dskity.dev`;
the reason is the error's name, as in `NOT_CONNECTED`), `BadRequest` if the request must change,
and `RetryInfo` if it may succeed later. The codes are in the reference of [errors](errors.md).

In Python the stubs are in `dskity.modules.grpc.v1`, for `grpc` and `grpc.aio` alike.
"""
MESSAGES = """
## Messages

A field that is `optional` differs from one that is zero or empty.
"""
Place: TypeAlias = tuple[int, ...]

# Field numbers of descriptor.proto, which the paths of source comments are made of.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_INNER = 2  # DescriptorProto.field, EnumDescriptorProto.value and ServiceDescriptorProto.method


def render() -> str:
    """The whole page."""
    file = _described()
    said = {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in file.source_code_info.location
    }
    return page(
        "gRPC",
        INTRODUCTION,
        *_services(file.service, said),
        MESSAGES,
        *_messages(file.message_type, said),
        *_enums(file.enum_type, said),
    )


def _described() -> pb.FileDescriptorProto:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={REAL}"]
        command += ["--include_source_info", f"--descriptor_set_out={out}", "dskity.proto"]
        subprocess.run(command, check=True)  # noqa: S603  # our own words
        return pb.FileDescriptorSet.FromString(out.read_bytes()).file[0]


def _services(
    services: Iterable[pb.ServiceDescriptorProto], said: dict[Place, str]
) -> Iterator[str]:
    for number, service in enumerate(services):
        rows = (
            [
                code(method.name),
                _stream(method.input_type, streams=method.client_streaming),
                _stream(method.output_type, streams=method.server_streaming),
                said[_SERVICE, number, _INNER, index],
            ]
            for index, method in enumerate(service.method)
        )
        head = ["method", "takes", "answers", "what it does"]
        yield f"## {service.name}\n\n{said[_SERVICE, number]}\n\n{table(head, rows)}"


def _messages(messages: Iterable[pb.DescriptorProto], said: dict[Place, str]) -> Iterator[str]:
    for number, message in enumerate(messages):
        rows = (
            [
                code(field.name),
                _type(message, field),
                said.get((_MESSAGE, number, _INNER, index), ""),
            ]
            for index, field in enumerate(message.field)
        )
        text = said.get((_MESSAGE, number), "")
        fields = table(["field", "type", "what it is"], rows)
        yield "\n\n".join(filter(None, [f"### {message.name}", text, fields]))


def _enums(enums: Iterable[pb.EnumDescriptorProto], said: dict[Place, str]) -> Iterator[str]:
    for number, enum in enumerate(enums):
        rows = (
            [code(value.name), said.get((_ENUM, number, _INNER, index), "")]
            for index, value in enumerate(enum.value)
        )
        values = table(["value", "what it means"], rows)
        yield f"### {enum.name}\n\n{said[_ENUM, number]}\n\n{values}"


def _stream(name: str, *, streams: bool) -> str:
    short = _short(name)
    return f"{'stream of ' if streams else ''}[{code(short)}](#{short.lower()})"


def _type(message: pb.DescriptorProto, field: pb.FieldDescriptorProto) -> str:
    entry = next((one for one in message.nested_type if one.name == _short(field.type_name)), None)
    if entry is not None:
        key, value = entry.field
        return code(f"map<{_scalar(key)}, {_scalar(value)}>")
    label = "repeated " if field.label == pb.FieldDescriptorProto.LABEL_REPEATED else ""
    label = "optional " if field.proto3_optional else label
    if field.type_name:
        short = _short(field.type_name)
        return f"{label}[{code(short)}](#{short.lower()})"
    return code(f"{label}{_scalar(field)}")


def _scalar(field: pb.FieldDescriptorProto) -> str:
    return pb.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _short(name: str) -> str:
    return name.rpartition(".")[2]
