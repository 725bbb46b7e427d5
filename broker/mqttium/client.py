"""mqttium's client, made and connected our way."""

from __future__ import annotations

import asyncio
from functools import partial

from mqttium.api import AsyncClient
from mqttium.enums import MQTTProtocolVersion
from mqttium.errors import ConnectRefusedError, MQTTError, MQTTTimeoutError
from mqttium.packets import ConnAckPacket
from mqttium.persistence.memory import MemoryInflightStore

from dskity.broker.mqttium import private
from dskity.broker.mqttium.fields import connect_properties, will_of
from dskity.broker.mqttium.gate import Gate
from dskity.broker.mqttium.streams import open_stream
from dskity.broker.reasons import reason_code, refusal
from dskity.broker.settings import MAX_INCOMING_PACKET
from dskity.broker.wire import OUR_RECEIVE_MAXIMUM, ConnectRequest, Silent, unreachable
from dskity.bus.base.tasks import spawn
from dskity.bus.errors import DSkityError

AHEAD = 1_000  # messages that mqttium reads ahead of us; then it stops reading


def make_client(opening: ConnectRequest, store: MemoryInflightStore) -> AsyncClient:
    """A client for one connection."""
    settings = opening.settings
    return AsyncClient(
        opening.client_id,
        protocol=MQTTProtocolVersion(opening.version),
        clean_start=opening.clean_start,
        keepalive=settings.keepalive,
        username=settings.user,
        password=settings.secret,
        connect_properties=connect_properties(opening),
        will=will_of(opening),
        maximum_packet_size=MAX_INCOMING_PACKET,
        max_inbound_inflight=OUR_RECEIVE_MAXIMUM,  # it drops the connection above that
        max_unacknowledged_messages=settings.max_in_flight,
        manual_ack=True,
        max_iterator_messages=AHEAD,
        max_iterator_bytes=MAX_INCOMING_PACKET,  # one of the largest must fit
        store=store,
        reconnect=None,
        connect_timeout=settings.connect_timeout,
    )


async def connect(client: AsyncClient, opening: ConnectRequest, gate: Gate) -> ConnAckPacket:
    """Connect it; every failure is one of ours, and leaves nothing open."""
    attempt = spawn(
        _attempt(client, opening, gate), name=f"mqtt {opening.client_id} connect", awaited=True
    )
    try:
        return await _result(attempt)
    except BaseException as error:
        await client.disconnect()
        if isinstance(error, MQTTError | OSError):
            raise _failure(opening, error) from error
        raise


async def _attempt(client: AsyncClient, opening: ConnectRequest, gate: Gate) -> ConnAckPacket:
    address = opening.settings.address
    private.connect_by(client, partial(open_stream, address, gate))
    return await client.connect(address.host, address.port, ssl=opening.tls)


async def _result(attempt: asyncio.Task[ConnAckPacket]) -> ConnAckPacket:
    # mqttium waits by `wait_for`, which before Python 3.12 swallows a cancellation that comes
    # together with the result; so the attempt is cancelled until it hears.
    try:
        await asyncio.wait((attempt,))
    except asyncio.CancelledError:
        while not attempt.done():
            attempt.cancel()
            await asyncio.wait((attempt,), timeout=0.1)
        raise
    return attempt.result()


def _failure(opening: ConnectRequest, error: Exception) -> DSkityError:
    address = opening.settings.address
    if isinstance(error, ConnectRefusedError):
        return refusal(f"the connection to {address}", reason_code(error.reason_code))
    on_the_way = isinstance(error, OSError) and not isinstance(error, MQTTTimeoutError)
    if on_the_way or isinstance(error.__cause__, TimeoutError):
        return unreachable(address, error.__cause__ or error)
    # No CONNACK came, or one that MQTT 5 does not know: brokers of 3.1.1 answer so.
    return Silent(f"{address}: it does not answer CONNECT ({error})")
