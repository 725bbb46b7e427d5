"""grpc.health.v1 with its own client: it follows readiness."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from dskity.bus.base.clock import VirtualClock
from tests.grpc.doors import Door, health_stub, open_door

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("service", ["", "dskity.v1.Bus", "dskity.v1.Commands"])
async def test_health_is_what_readiness_says_at_this_moment(door: Door, service: str) -> None:
    """For the server and for each service."""
    health = health_stub(door.channel)
    for fault, expected in ((None, SERVING), ("mqtt: not connected", NOT_SERVING), (None, SERVING)):
        door.fault = fault
        answer = await health.Check(HealthCheckRequest(service=service))
        assert answer.status == expected


async def test_an_unknown_service_is_not_found(door: Door) -> None:
    """As the protocol says."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_stub(door.channel).Check(HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_who_watches_is_told_of_changes() -> None:
    """Within a second."""
    clock = VirtualClock()
    async with open_door(clock=clock) as door:
        call = health_stub(door.channel).Watch(HealthCheckRequest())
        assert (await call.read()).status == SERVING
        door.fault = "mqtt: not connected"
        await clock.advance(1)
        assert (await call.read()).status == NOT_SERVING
