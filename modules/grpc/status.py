"""Our errors as google.rpc.Status: the code by the one table, and details a program can use."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb  # type: ignore[import-untyped]
from google.rpc import status_pb2

from dskity.bus.errors import DSkityError, InvalidInput, InvalidPayload, RemoteError, Unavailable
from dskity.bus.problem import problem_of, status_of

DOMAIN = "dskity.dev"
"""`ErrorInfo.domain`; its reasons are the names of `dskity.bus.errors`, as in `NOT_CONNECTED`."""


def status(error: BaseException, request_id: str) -> status_pb2.Status:
    """The whole status. The text of an error that is not ours stays inside."""
    code = grpc.StatusCode[status_of(error).grpc]
    found = status_pb2.Status(code=code.value[0], message=problem_of(error)["detail"])
    for detail in _details(error, request_id):
        found.details.add().Pack(detail)
    return found


def _details(error: BaseException, request_id: str) -> Iterator[Message]:
    yield details_pb.RequestInfo(request_id=request_id)
    if isinstance(error, DSkityError):
        yield details_pb.ErrorInfo(
            reason=_reason(type(error).__name__), domain=DOMAIN, metadata=_metadata(error)
        )
    if isinstance(error, InvalidInput):
        yield details_pb.BadRequest(field_violations=_violations(error))
    if isinstance(error, Unavailable):
        retry = details_pb.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after * 1000))
        yield retry


def _reason(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def _metadata(error: DSkityError) -> dict[str, str]:
    return {"status": str(error.status)} if isinstance(error, RemoteError) else {}


def _violations(error: InvalidInput) -> list[details_pb.BadRequest.FieldViolation]:
    if isinstance(error, InvalidPayload) and error.details:
        return [
            details_pb.BadRequest.FieldViolation(
                field=".".join(str(part) for part in fault["loc"]), description=fault["msg"]
            )
            for fault in error.details
        ]
    return [details_pb.BadRequest.FieldViolation(description=str(error))]
