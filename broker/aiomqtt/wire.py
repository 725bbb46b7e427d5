"""One connection by aiomqtt: publishes and their answers, deliveries and their acknowledgements."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from dskity.broker.aiomqtt import private
from dskity.broker.aiomqtt.client import HookedClient
from dskity.broker.aiomqtt.fields import (
    meta_of,
    publish_properties,
    subscribe_properties,
    welcome_of,
)
from dskity.broker.aiomqtt.outgoing import Outgoing
from dskity.broker.aiomqtt.qos2 import Unfinished
from dskity.broker.connection.sockets import connect, encrypt
from dskity.broker.packets.acks import AckWindow
from dskity.broker.packets.sizes import subscribe_size
from dskity.broker.packets.window import Window
from dskity.broker.reasons import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    TAKEN_OVER,
    reason_code,
    refusal,
)
from dskity.broker.wire import ConnectRequest, ConnectResult, Silent, TakenOver, Wire, unreachable
from dskity.bus.base.tasks import spawn
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected, TooLarge
from dskity.bus.message import Message
from dskity.bus.transport import Receiver

MIDS = 65_535  # packet identifiers
GOODBYE = 1.0  # seconds for what is queued, and DISCONNECT, to leave
TICK = 0.5  # seconds; a broker waits one and a half times keep alive, of which the least is 1


class AiomqttWire:
    """`Wire` by aiomqtt."""

    def __init__(self, opening: ConnectRequest, receive: Receiver, before: Wire | None) -> None:
        self.receive = receive
        self._opening = opening
        self._five = opening.five
        self._client: HookedClient | None = None
        self._outgoing: Outgoing | None = None
        self._mid = 0
        self._connack: tuple[ConnectFlags, ReasonCode, Properties | None] | None = None
        self._waiting: dict[int, asyncio.Future[list[int]]] = {}
        self._flying: dict[int, object] = {}
        self._window = Window()
        self._acks = AckWindow(self._send_pubacks)
        inherited = before.unfinished if isinstance(before, AiomqttWire) else None
        self.unfinished: Unfinished = Unfinished(inherited)
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._taken_over = False
        self._max_packet: int | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def oldest(self) -> object | None:
        """See `Wire`."""
        return next(iter(self._flying.values()), None)

    # Life

    async def open(self) -> ConnectResult:
        """See `Wire`."""
        settings, address = self._opening.settings, self._opening.settings.address
        try:
            async with asyncio.timeout(settings.connect_timeout):
                stream = await self._connect()
        except OSError as error:  # an SSLError and a TimeoutError are some, too
            raise unreachable(address, error) from error
        # Known before CONNACK, because messages of a resumed session may come in one read with it.
        client = self._client = HookedClient(self._opening, stream, self)
        self.unfinished.adopt(client.paho)
        private.draw_mids(client.paho, self._free_mid)
        self._outgoing = Outgoing(client, five=self._five)
        try:
            async with asyncio.timeout(settings.connect_timeout):
                await client.connect()
            return self._begin(client)
        except BaseException as error:
            client.discard()
            if isinstance(error, aiomqtt.MqttError | OSError):
                raise self._not_opened(client, error) from error
            raise

    def _not_opened(self, client: HookedClient, error: Exception) -> Exception:
        """The one place where a failed connection becomes an error of ours."""
        address = self._opening.settings.address
        if self._connack is not None:
            return refusal(f"the connection to {address}", reason_code(self._connack[1].value))
        if client.begun:
            return Silent(f"{address}: it does not answer CONNECT ({error!r})")
        return unreachable(address, error)

    async def _connect(self) -> socket.socket:
        address, tls = self._opening.settings.address, self._opening.tls
        stream = await connect(address.host, address.port)
        return stream if tls is None else await encrypt(stream, tls, address.host)

    def _begin(self, client: HookedClient) -> ConnectResult:
        assert self._connack is not None  # noqa: S101  # aiomqtt waited for it
        flags, _, properties = self._connack
        welcome = welcome_of(self._opening, flags.session_present, properties)
        self._max_packet = welcome.max_packet
        self._window.begin(welcome.window(self._opening.settings.max_in_flight))
        self._ticking = spawn(self._tick(client), name=f"mqtt {self._opening.client_id} keep alive")
        self._ticking.add_done_callback(self._on_last_tick)
        return welcome

    def _on_last_tick(self, ticking: asyncio.Task[None]) -> None:
        """Without ticks a silent broker would not be noticed: the connection ends, too."""
        if not ticking.cancelled() and (error := ticking.exception()) is not None:
            self.ended(f"keep alive failed: {error!r}")

    async def lost(self) -> str:
        """See `Wire`."""
        reason = await asyncio.shield(self._end)
        if self._taken_over:
            raise TakenOver(reason)
        return reason

    async def close(self) -> None:
        """See `Wire`. What is acknowledged leaves before DISCONNECT."""
        if self._client is None or self._ticking is None:
            return  # it was never open
        try:
            if not self._end.done():
                self._acks.flush()
                self._sender().leave()
                await asyncio.wait((self._end,), timeout=GOODBYE)
        finally:
            self._client.discard()
            self.ended("the connection was closed")
            self._ticking.cancel()
            await asyncio.wait((self._ticking,))

    def pause(self) -> None:
        """See `Wire`."""
        if self._client is not None:
            self._client.pause()

    def resume(self) -> None:
        """See `Wire`."""
        if self._client is not None:
            self._client.resume()

    @staticmethod
    async def _tick(client: HookedClient) -> None:
        while True:
            await asyncio.sleep(TICK)
            client.tick()

    # Out

    async def publish(self, message: Message) -> bool | None:
        """See `Wire`."""
        if message.qos == 0:
            await self._publish_unacknowledged(message)
            return None
        await self._window.enter()
        try:
            mid = self._send(message) if message.qos == 1 else self._send_by_paho(message)
        except BaseException:  # also of paho's, about the message
            self._window.leave()
            raise
        answer = self._flying[mid] = self._expect(mid)
        code = _first(await answer)
        if code >= FAILURE:
            raise refusal(f"the publish to {message.topic!r}", code)
        if message.qos == 1 and self._five:
            return code != NO_MATCHING_SUBSCRIBERS
        return None  # of QoS 2 only PUBREC would tell, and paho keeps that to itself

    async def _publish_unacknowledged(self, message: Message) -> None:
        self._send(message)
        if self._outgoing is not None and self._outgoing.full:
            await self._outgoing.drained()

    def _send(self, message: Message) -> int:
        self._paho_client()
        assert self._outgoing is not None  # noqa: S101  # made with the client
        mid = self._free_mid() if message.qos else 0
        self._outgoing.put(message, mid)
        return mid

    def _send_by_paho(self, message: Message) -> int:
        client = self._sender()
        properties = publish_properties(message) if self._five else None
        info = client.paho.publish(
            message.topic, message.payload, message.qos, message.retain, properties
        )
        return self._sent(info.rc, info.mid)

    async def subscribe(
        self,
        filter: str,
        qos: int,
        identifier: int | None,
        *,
        as_published: bool = False,
        urgent: bool = True,
    ) -> int:
        """See `Wire`."""
        client = self._sender()
        paho = client.paho
        if self._max_packet is not None and subscribe_size(filter, identifier) > self._max_packet:
            # The broker would end the connection, and the next one again.
            raise TooLarge(f"{filter}: this broker takes packets of {self._max_packet} bytes")
        if self._five:
            properties = None if identifier is None else subscribe_properties(identifier)
            options = SubscribeOptions(qos, retainAsPublished=as_published)
            outcome = paho.subscribe(filter, options=options, properties=properties)
        else:
            outcome = paho.subscribe(filter, qos)
        answer = self._answer(self._sent(*outcome))
        with client.read_on() if urgent else contextlib.nullcontext():
            code = await answer
        if code >= FAILURE:
            raise refusal(f"the subscription to {filter!r}", code)
        return code

    async def unsubscribe(self, filter: str) -> None:
        """See `Wire`."""
        client = self._sender()
        answer = self._answer(self._sent(*client.paho.unsubscribe(filter)))
        with client.read_on():
            await answer

    def _paho_client(self) -> HookedClient:
        if self._client is None or self._end.done():
            raise NotConnected(self._end.result() if self._end.done() else "not connected yet")
        return self._client

    def _sender(self) -> HookedClient:
        """For what paho sends itself: what waits to be sent leaves first."""
        client = self._paho_client()
        if self._outgoing is not None:
            self._outgoing.flush()
        return client

    def _free_mid(self) -> int:
        """A packet identifier that waits for no answer, for paho's packets too: a message that left
        unacknowledged would answer for one that waits."""
        for _ in range(MIDS):
            mid = self._mid = self._mid % MIDS + 1
            if mid not in self._waiting and mid not in self._flying:
                return mid
        raise NotConnected("no acknowledgement: every packet identifier waits for one")

    def _sent(self, outcome: int, mid: int | None) -> int:
        if outcome != MQTT_ERR_SUCCESS or mid is None:
            raise NotConnected(f"the connection broke ({aiomqtt.MqttCodeError(outcome)})")
        return mid

    async def _answer(self, mid: int) -> int:
        """The reason code that the broker sends for a packet, or 0."""
        return _first(await self._expect(mid))

    def _expect(self, mid: int) -> asyncio.Future[list[int]]:
        """The reason codes that the broker sends for a packet."""
        waiter: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting[mid] = waiter
        return waiter

    # Hooks

    def welcomed(
        self, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        """See `Hooks`."""
        self._connack = flags, code, properties
        if not flags.session_present:
            self.unfinished.forget()

    def answered(self, mid: int, codes: list[int]) -> None:
        """See `Hooks`."""
        if self._flying.pop(mid, None) is not None:
            self._window.leave()
        waiter = self._waiting.pop(mid, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(codes)

    def written(self) -> None:
        """See `Hooks`."""
        if self._outgoing is not None:
            self._outgoing.written()

    def ended(self, reason: str, code: int | None = None) -> None:
        """See `Hooks`. Every caller that waits for the broker learns it now."""
        if self._end.done():
            return
        self._taken_over = code == TAKEN_OVER
        self._end.set_result(reason)
        self._acks.close()
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(NotConnected(f"no acknowledgement: {reason}"))
        self._waiting.clear()
        self._flying.clear()
        self._window.end(reason)
        if self._outgoing is not None:
            self._outgoing.end(reason)

    def received(self, delivery: Delivery, mid: int) -> None:
        """See `Hooks`."""
        if mid:
            delivery.acknowledge = self._acks.arrived(mid)
        self.receive(delivery)

    def knows(self, mid: int) -> bool:
        """See `Hooks`."""
        return self.unfinished.knows(mid)

    def released(self, message: MQTTMessage) -> None:
        """See `Hooks`."""
        self.unfinished.handed(message)
        self.receive(
            Delivery(
                message.topic,
                bytes(message.payload),
                message.qos,
                message.retain,
                message.dup,
                meta_of(message.properties),
                partial(self._send_pubcomp, message.mid),
            )
        )

    def _send_pubacks(self, packets: bytes) -> None:
        assert self._client is not None  # noqa: S101  # the messages came from it
        private.queue(self._client.paho, packets)

    def _send_pubcomp(self, mid: int) -> None:
        # [MQTT-4.6.0] orders PUBACK, PUBREC and PUBREL, but not PUBCOMP: it leaves at once.
        if not self._end.done() and self.unfinished.completed(mid):
            assert self._client is not None  # noqa: S101  # the message came from it
            self._client.paho.ack(mid, 2)


def _first(codes: list[int]) -> int:
    """3.1.1 has none in PUBACK."""
    return codes[0] if codes else 0
