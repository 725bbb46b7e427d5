"""One client's side of amqtt, with the handshakes of QoS 1 and 2 that survive a lost connection.

amqtt has a task wait for each answer; after five seconds or at a disconnect it forgets the
message. Here a message stays in the session's `inflight_out` until the client's PUBACK or PUBCOMP,
and is sent again when a kept session returns ([MQTT-4.4.0-1]); nothing waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.session import IncomingApplicationMessage, OutgoingApplicationMessage, Session

if TYPE_CHECKING:
    from amqtt.mqtt.puback import PubackPacket

    Application: TypeAlias = IncomingApplicationMessage | OutgoingApplicationMessage


class Handler(BrokerProtocolHandler):
    """Sends without waiting for the answer, and settles a message when the answer comes."""

    async def _handle_qos1_message_flow(self, app_message: Application) -> None:
        if isinstance(app_message, OutgoingApplicationMessage):
            await self._send_kept(app_message, _id(app_message))
        else:
            await super()._handle_qos1_message_flow(app_message)

    async def _handle_qos2_message_flow(self, app_message: Application) -> None:
        packet_id = _id(app_message)
        if isinstance(app_message, IncomingApplicationMessage):
            # The same identifier again is the same message, until its PUBREL ([MQTT-4.3.3-2]).
            self._own_session().inflight_in.setdefault(packet_id, app_message)
            await self._send_packet(PubrecPacket.build(packet_id))
        elif app_message.pubrec_packet is None:
            await self._send_kept(app_message, packet_id)
        else:
            await self._send_packet(PubrelPacket.build(packet_id))

    async def _send_kept(self, message: OutgoingApplicationMessage, packet_id: int) -> None:
        self._own_session().inflight_out[packet_id] = message
        packet = message.build_publish_packet(dup=message.publish_packet is not None)
        message.publish_packet = packet
        await self._send_packet(packet)

    async def handle_puback(self, puback: PubackPacket) -> None:
        self._own_session().inflight_out.pop(puback.packet_id, None)

    async def handle_pubrec(self, pubrec: PubrecPacket) -> None:
        message = self._own_session().inflight_out.get(pubrec.packet_id)
        if message is not None:
            message.pubrec_packet = pubrec
        await self._send_packet(PubrelPacket.build(pubrec.packet_id))

    async def handle_pubcomp(self, pubcomp: PubcompPacket) -> None:
        self._own_session().inflight_out.pop(pubcomp.packet_id, None)

    async def handle_pubrel(self, pubrel: PubrelPacket) -> None:
        session = self._own_session()
        message = session.inflight_in.pop(pubrel.packet_id, None)
        if message is not None:
            session.delivered_message_queue.put_nowait(message)
        await self._send_packet(PubcompPacket.build(pubrel.packet_id))

    async def _retry_deliveries(self) -> None:
        """Called when a session begins, before anything new is sent."""
        for message in tuple(self._own_session().inflight_out.values()):
            await self._handle_message_flow(message)

    def _own_session(self) -> Session:
        assert self.session is not None  # noqa: S101  # attached before it is started
        return self.session


def _id(message: Application) -> int:
    assert message.packet_id is not None  # noqa: S101  # every PUBLISH with a QoS has one
    return message.packet_id
