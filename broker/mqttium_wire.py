"""One connection by mqttium: a pump for what comes in, and one task for its acknowledgements.

mqttium sends PUBACKs in the order of arrival by itself, in whatever order `ack` is called. The
private names used here (mqttium >= 1.2.1, < 2) are guarded by the contract suite.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import partial

from mqttium.api import AsyncClient
from mqttium.enums import MQTTProtocolVersion, QoS
from mqttium.errors import (
    ConnectRefusedError,
    MQTTError,
    MQTTTimeoutError,
    PacketTooLargeError,
    ProtocolError,
    PublishRejectedError,
    SubscribeError,
)
from mqttium.packets import ConnAckPacket, SubscribeOptions
from mqttium.persistence.memory import MemoryInflightStore
from mqttium.types import Message as Received
from mqttium.types import Properties

from dskity.broker.mqttium_fields import (
    connect_properties,
    meta_of,
    publish_properties,
    welcome_of,
    will_of,
)
from dskity.broker.mqttium_qos2 import successor
from dskity.broker.mqttium_streams import open_stream
from dskity.broker.reasons import NO_MATCHING_SUBSCRIBERS, reason_code, refusal
from dskity.broker.settings import MAX_INCOMING_PACKET
from dskity.broker.wire import Opening, Silent, Welcome, Wire, unreachable
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError, NotConnected, TooLarge, Unsupported
from dskity.bus.message import Message
from dskity.bus.transport import Receiver

AHEAD = 1_000  # messages that mqttium reads ahead of us; then it stops reading
ACKS_AT_ONCE = 256  # in one turn of the loop, so that others get theirs
GOODBYE = 2.0  # seconds for the last acknowledgements, and DISCONNECT, to leave
# mosquitto 2.0.11 oversteps the Receive Maximum that it is told, and mqttium would drop the
# connection for it; the bus bounds what is in flight, by pausing.
NO_RECEIVE_MAXIMUM = 65_535


class MqttiumWire:
    """`Wire` by mqttium."""

    def __init__(self, opening: Opening, receive: Receiver, before: Wire | None) -> None:
        self.receive = receive
        self._opening = opening
        self.store: MemoryInflightStore = successor(before.store if isinstance(before, MqttiumWire) else None)
        self._client = self._make_client()
        self._unmatched = _watch_pubacks(self._client)
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._handled: deque[Received] = deque()
        self._due = asyncio.Event()
        self._closing = False
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def _make_client(self) -> AsyncClient:
        opening, settings = self._opening, self._opening.settings
        client = AsyncClient(
            opening.client_id,
            protocol=MQTTProtocolVersion(opening.version),
            clean_start=opening.clean_start,
            keepalive=settings.keepalive,
            username=settings.user,
            password=settings.secret,
            connect_properties=connect_properties(opening),
            will=will_of(opening),
            maximum_packet_size=MAX_INCOMING_PACKET,
            max_inbound_inflight=NO_RECEIVE_MAXIMUM,
            max_unacknowledged_messages=settings.max_in_flight,
            manual_ack=True,
            max_iterator_messages=AHEAD,
            max_iterator_bytes=MAX_INCOMING_PACKET,
            store=self.store,
            reconnect=None,
            connect_timeout=settings.connect_timeout,
        )
        client.on_disconnect = self._ended
        return client

    # Life

    async def open(self) -> Welcome:
        """See `Wire`."""
        name = f"mqtt {self._opening.client_id}"
        attempt = asyncio.create_task(self._connect(), name=f"{name} connect")
        try:
            connack = await _result(attempt)
        except BaseException as error:
            await self._client.disconnect()
            if isinstance(error, MQTTError | OSError):
                raise self._not_opened(error) from error
            raise
        self._tasks = (
            asyncio.create_task(self._pump(), name=f"{name} pump"),
            asyncio.create_task(self._acknowledge(), name=f"{name} acks"),
        )
        return welcome_of(self._opening, connack, tells_no_match=self._unmatched is not None)

    async def _connect(self) -> ConnAckPacket:
        address, tls = self._opening.settings.address, self._opening.tls
        if address.websocket:
            return await self._client.connect_ws(str(address), ssl=tls)
        self._client._transport_factory = open_stream  # noqa: SLF001  # survives `connect`
        return await self._client.connect(address.host, address.port, ssl=tls)

    def _not_opened(self, error: Exception) -> DSkityError:
        """The one place where a failed connection becomes an error of ours."""
        address = self._opening.settings.address
        if isinstance(error, ConnectRefusedError):
            return refusal(f"the connection to {address}", reason_code(error.reason_code))
        on_the_way = isinstance(error, OSError) and not isinstance(error, MQTTTimeoutError)
        if on_the_way or isinstance(error.__cause__, TimeoutError):
            return unreachable(address, error.__cause__ or error)
        # No CONNACK came, or one that MQTT 5 does not know: brokers of 3.1.1 answer so.
        return Silent(f"{address}: it does not answer CONNECT ({error})")

    async def lost(self) -> str:
        """See `Wire`."""
        return await asyncio.shield(self._end)

    async def close(self) -> None:
        """See `Wire`."""
        if not self._tasks:
            return  # it was never open
        pump, acks = self._tasks
        pump.cancel()
        self._closing = True
        self._due.set()
        try:
            await asyncio.wait(self._tasks, timeout=GOODBYE)
        finally:
            acks.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._client.disconnect()
                    await self.lost()
            self._ended(None)
            await asyncio.wait(self._tasks)

    def _ended(self, error: BaseException | None) -> None:
        if not self._end.done():
            self._end.set_result("the connection was closed" if error is None else str(error))
        self._handled.clear()
        self._due.set()

    def pause(self) -> None:
        """See `Wire`. The pump stops; when mqttium is `AHEAD` of it, mqttium stops reading."""
        self._resumed.clear()

    def resume(self) -> None:
        """See `Wire`."""
        self._resumed.set()

    # In

    async def _pump(self) -> None:
        resumed, handled = self._resumed, self._on_handled
        async for message in self._client.messages():
            if not resumed.is_set():
                await self._wait_resumed()
            qos = message.qos
            self.receive(
                Delivery(
                    message.topic,
                    message.payload,
                    qos.value,
                    message.retain,
                    message.dup,
                    meta_of(message.properties),
                    partial(handled, message) if qos else None,
                )
            )

    async def _wait_resumed(self) -> None:
        # A reader that waits for us sees no PINGRESP, and mqttium sends no second PINGREQ before
        # the first is answered: the broker would throw us out after 1.5 × keep alive.
        client, interval = self._client, self._opening.settings.keepalive / 2
        while not self._resumed.is_set():
            try:
                async with asyncio.timeout(interval):
                    await self._resumed.wait()
            except TimeoutError:
                if client._delivery_lane.active_count:  # noqa: SLF001
                    client._ping_pending = False  # noqa: SLF001

    def _on_handled(self, message: Received) -> None:
        if not self._end.done():
            self._handled.append(message)
            self._due.set()

    async def _acknowledge(self) -> None:
        ack, handled = self._client.ack, self._handled
        while not self._end.done():
            for _ in range(min(len(handled), ACKS_AT_ONCE)):
                try:
                    await ack(handled.popleft())
                except (MQTTError, IndexError):
                    return  # the connection is gone, and the broker sends the message again
            if handled:
                await asyncio.sleep(0)
            elif self._closing:
                return
            else:
                self._due.clear()
                await self._due.wait()

    # Out

    async def publish(self, message: Message) -> bool | None:
        """See `Wire`."""
        five = self._opening.version == 5  # noqa: PLR2004  # MQTT 5
        try:
            receipt = await self._client.publish(
                message.topic,
                message.payload,
                qos=message.qos,
                retain=message.retain,
                properties=publish_properties(message) if five else None,
            )
            if receipt.mid is None:
                return None
            if self._unmatched is not None:
                self._unmatched.discard(receipt.mid)  # of an earlier publish that nobody awaited
            await receipt.wait()
        except PublishRejectedError as error:
            raise refusal(f"the publish to {message.topic!r}", error.reason_code) from error
        except (MQTTError, OSError) as error:
            raise self._ours(error) from error
        if message.qos > 1 or not five or self._unmatched is None:
            return None
        return receipt.mid not in self._unmatched

    async def subscribe(self, filter: str, qos: int, identifier: int | None) -> None:
        """See `Wire`."""
        five = self._opening.version == 5  # noqa: PLR2004  # MQTT 5
        named = {"subscription_identifier": identifier}
        try:
            await self._client.subscribe(
                [(filter, SubscribeOptions(QoS(qos)))],
                properties=Properties(named) if five and identifier is not None else None,
            )
        except SubscribeError as error:
            code = error.result.reason_codes[0]
            raise refusal(f"the subscription to {filter!r}", code) from error
        except (MQTTError, OSError) as error:
            raise self._ours(error) from error

    async def unsubscribe(self, filter: str) -> None:
        """See `Wire`."""
        try:
            await self._client.unsubscribe(filter)
        except (MQTTError, OSError) as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> DSkityError:
        """The one place where a failed call becomes an error of ours."""
        if isinstance(error, PacketTooLargeError):
            return TooLarge(f"{error}: this broker takes no larger packet")
        if isinstance(error, ProtocolError) and self._client.is_connected:
            return Unsupported(f"this broker does not do that: {error}")
        return NotConnected(f"no acknowledgement: {error}")


async def _result(attempt: asyncio.Task[ConnAckPacket]) -> ConnAckPacket:
    """Wait for it. mqttium waits by `wait_for`, which before Python 3.12 swallows a cancellation
    that comes together with the result; so it is cancelled until it hears."""
    try:
        await asyncio.wait((attempt,))
    except asyncio.CancelledError:
        while not attempt.done():
            attempt.cancel()
            await asyncio.wait((attempt,), timeout=0.1)
        raise
    return attempt.result()


def _watch_pubacks(client: AsyncClient) -> set[int] | None:
    """The packet identifiers whose PUBACK says that nobody is subscribed; None if out of reach.

    mqttium's receipts do not keep the reason code of a success, so its decoder is listened to.
    """
    outbound = client._engine.outbound  # noqa: SLF001
    decode = getattr(outbound, "_decode_puback", None)
    if decode is None:
        return None
    unmatched: set[int] = set()

    def listen(remaining: bytes) -> tuple[int, int, Properties | None]:
        mid, code, properties = decode(remaining)
        if code == NO_MATCHING_SUBSCRIBERS:
            unmatched.add(mid)
        return mid, code, properties

    outbound._decode_puback = listen  # noqa: SLF001
    return unmatched
