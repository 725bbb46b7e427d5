"""`dskity.v1.Bus`: publish, subscribe and request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from dskity.bus import envelope
from dskity.bus.bus import Bus
from dskity.modules.access.doors import REQUEST_ID, publish_now, require_broker
from dskity.modules.grpc import call, encoding
from dskity.modules.grpc.mailbox import Mailbox
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusServicer

_REQUEST_TIMEOUT = 5.0
_DEFAULT_QOS = 1


class BusService(BusServicer):
    """`buffer` is how many messages may wait for a slow subscriber."""

    def __init__(self, bus: Bus, buffer: int) -> None:
        self._bus = bus
        self._buffer = buffer

    async def Publish(  # noqa: N802  # the interface's name
        self, request: pb.PublishRequest, context: ServicerContext[Any, Any]
    ) -> pb.Receipt:
        """See dskity.proto."""
        del context
        return await self._publish(request)

    async def PublishStream(  # noqa: N802  # the interface's name
        self,
        request_iterator: AsyncIterator[pb.PublishRequest],
        context: ServicerContext[Any, Any],
    ) -> AsyncIterator[pb.Receipt]:
        """See dskity.proto."""
        del context
        async for request in request_iterator:
            yield await self._publish(request)

    async def Subscribe(  # noqa: N802  # the interface's name
        self, request: pb.SubscribeRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.Message]:
        """See dskity.proto."""
        pattern = self._bus.parse(request.filter)
        call.current().principal.require_subscribe(pattern.filter)
        mailbox = Mailbox(self._buffer)
        subscription = await self._bus.attach(
            pattern,
            mailbox.accept,
            qos=request.qos if request.HasField("qos") else _DEFAULT_QOS,
        )
        try:
            await context.send_initial_metadata(())
            async for message in mailbox:
                yield encoding.message(message)
        finally:
            await subscription.cancel()

    async def Request(  # noqa: N802  # the interface's name
        self, request: pb.RequestRequest, context: ServicerContext[Any, Any]
    ) -> pb.Message:
        """See dskity.proto."""
        caller = call.current()
        caller.principal.require_publish(request.topic)
        require_broker(self._bus)
        reply = await self._bus.request(
            request.topic,
            envelope.plain(request.payload),  # the reply is for this call, and nowhere else
            timeout=_timeout(request, context),
            headers={**request.headers, REQUEST_ID: caller.request_id},
            content_type=request.content_type if request.HasField("content_type") else None,
        )
        return encoding.message(reply)

    async def _publish(self, request: pb.PublishRequest) -> pb.Receipt:
        caller = call.current()
        caller.principal.require_publish(request.topic)
        receipt = await publish_now(
            self._bus,
            request.topic,
            request.payload,
            qos=request.qos if request.HasField("qos") else _DEFAULT_QOS,
            retain=request.retain,
            headers=dict(request.headers),
            content_type=request.content_type if request.HasField("content_type") else None,
            expires_in=request.expires_in if request.HasField("expires_in") else None,
            request_id=caller.request_id,
            may_publish=caller.principal.may_publish,
        )
        return encoding.receipt(receipt)


def _timeout(request: pb.RequestRequest, context: ServicerContext[Any, Any]) -> float:
    """What the caller asks for, within the call's deadline."""
    asked = request.timeout if request.HasField("timeout") else _REQUEST_TIMEOUT
    left: float | None = context.time_remaining()
    return asked if left is None else min(asked, left)
