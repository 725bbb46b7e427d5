"""One connection by mqttium; what comes in is in `mqttium_incoming.py`."""

from __future__ import annotations

import asyncio
import contextlib

from mqttium.api import PublishReceipt
from mqttium.enums import QoS
from mqttium.errors import (
    BrokerDisconnectError,
    MQTTError,
    PacketTooLargeError,
    ProtocolError,
    PublishRejectedError,
    SubscribeError,
)
from mqttium.packets import SubscribeOptions
from mqttium.persistence.memory import MemoryInflightStore
from mqttium.types import Properties

from dskity.broker.mqttium.client import connect, make_client
from dskity.broker.mqttium.fields import publish_properties, server_keep_alive, welcome_of
from dskity.broker.mqttium.incoming import Incoming
from dskity.broker.mqttium.outgoing import Outgoing
from dskity.broker.mqttium.qos2 import successor
from dskity.broker.reasons import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    TAKEN_OVER,
    reason_text,
    refusal,
)
from dskity.broker.wire import ConnectRequest, ConnectResult, TakenOver, Wire
from dskity.bus.base.tasks import spawn
from dskity.bus.errors import DSkityError, NotConnected, TooLarge, Unsupported
from dskity.bus.message import Message
from dskity.bus.transport import Receiver

IN_NO_HURRY = 86_400.0  # seconds for a SUBACK that may come behind all that waits
GOODBYE = 2.0  # seconds for the last acknowledgements, and DISCONNECT, to leave


class MqttiumWire:
    """`Wire` by mqttium."""

    def __init__(self, opening: ConnectRequest, receive: Receiver, before: Wire | None) -> None:
        self._opening = opening
        self.store: MemoryInflightStore = successor(
            before.store if isinstance(before, MqttiumWire) else None
        )
        self._client = make_client(opening, self.store)
        self._client.on_disconnect = self._ended
        self._five = opening.five
        self._outgoing = Outgoing(self._client, five=self._five)
        self._incoming = Incoming(
            self._client,
            receive,
            five=self._five,
            keepalive=opening.settings.keepalive,
        )
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._taken_over = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def oldest(self) -> object | None:
        """See `Wire`."""
        return self._outgoing.oldest

    # Life

    async def open(self) -> ConnectResult:
        """See `Wire`."""
        connack = await connect(self._client, self._opening, self._incoming.gate)
        asked = server_keep_alive(connack)
        if asked is not None:
            self._incoming.keep_alive(asked)
        name = f"mqtt {self._opening.client_id}"
        self._tasks = (
            spawn(self._incoming.pump(), name=f"{name} pump"),
            spawn(self._incoming.acknowledge(), name=f"{name} acks"),
        )
        for task in self._tasks:
            task.add_done_callback(self._on_task_end)
        welcome = welcome_of(self._opening, connack)
        if not self._end.done():  # it may have ended in the meantime
            self._outgoing.begin(welcome.window(self._opening.settings.max_in_flight))
        return welcome

    async def lost(self) -> str:
        """See `Wire`."""
        reason = await asyncio.shield(self._end)
        if self._taken_over:
            raise TakenOver(reason)
        return reason

    async def close(self) -> None:
        """See `Wire`. It is done to the end, also when it is cancelled: mqttium's tasks would live
        on with a client that was never disconnected."""
        if not self._tasks:
            return  # it was never open
        closing = spawn(
            self._close(*self._tasks),
            name=f"mqtt {self._opening.client_id} close",
            awaited=True,
        )
        try:
            await asyncio.shield(closing)
        finally:
            await asyncio.wait((closing,))

    async def _close(self, pump: asyncio.Task[None], acks: asyncio.Task[None]) -> None:
        pump.cancel()
        self._incoming.finish()
        await asyncio.wait((acks,), timeout=GOODBYE)
        acks.cancel()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._client.disconnect()
                    await asyncio.shield(self._end)
        finally:
            self._ended(None)
            await asyncio.wait((pump, acks))

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        """What comes in would not be handed over, or not acknowledged: the connection ends, too."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ended(error)

    def _ended(self, error: BaseException | None) -> None:
        if not self._end.done():
            self._end.set_result(self._why(error))
        self._incoming.end()
        self._outgoing.end(self._end.result())

    def _why(self, error: BaseException | None) -> str:
        if isinstance(error, BrokerDisconnectError):
            self._taken_over = error.reason_code == TAKEN_OVER
            return reason_text(error.reason_code)
        return "the connection was closed" if error is None else str(error) or repr(error)

    # In

    @property
    def receive(self) -> Receiver:
        """See `Wire`."""
        return self._incoming.receive

    @receive.setter
    def receive(self, receive: Receiver) -> None:
        self._incoming.receive = receive

    def pause(self) -> None:
        """See `Wire`."""
        self._incoming.pause()

    def resume(self) -> None:
        """See `Wire`."""
        self._incoming.resume()

    # Out

    async def publish(self, message: Message) -> bool | None:
        """See `Wire`."""
        if message.qos == 1:
            code = await self._outgoing.publish(message)
            if code >= FAILURE:
                raise refusal(f"the publish to {message.topic!r}", code)
            return code != NO_MATCHING_SUBSCRIBERS if self._five else None
        try:
            if message.qos == 0:
                await self._by_mqttium(message)
            else:
                async with self._outgoing.place():
                    await (await self._by_mqttium(message)).wait()
        except PublishRejectedError as error:
            raise refusal(f"the publish to {message.topic!r}", error.reason_code) from error
        except (MQTTError, OSError) as error:
            raise self._ours(error) from error
        return None  # of QoS 2 only PUBREC would tell, and mqttium keeps that to itself

    async def _by_mqttium(self, message: Message) -> PublishReceipt:
        return await self._client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            properties=publish_properties(message) if self._five else None,
        )

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
        named = {"subscription_identifier": identifier}
        options = SubscribeOptions(QoS(qos), retain_as_published=as_published and self._five)
        properties = Properties(named) if self._five and identifier is not None else None
        read_on = self._incoming.read_on() if urgent else contextlib.nullcontext()
        try:
            with read_on:
                granted = await self._client.subscribe(
                    [(filter, options)],
                    properties=properties,
                    timeout=None if urgent else IN_NO_HURRY,
                )
        except SubscribeError as error:
            code = error.result.reason_codes[0]
            raise refusal(f"the subscription to {filter!r}", code) from error
        except (MQTTError, OSError) as error:
            raise self._ours(error) from error
        return int(granted.reason_codes[0])

    async def unsubscribe(self, filter: str) -> None:
        """See `Wire`."""
        try:
            with self._incoming.read_on():
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
