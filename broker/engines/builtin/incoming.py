"""Messages on their way from one client: topic aliases, QoS 2, and what is acknowledged."""

from __future__ import annotations

from dskity.broker.engines.builtin.server import Server
from dskity.broker.packets import answers, forwarded
from dskity.broker.packets.forwarded import Forwarded, may_publish
from dskity.broker.packets.values import Malformed
from dskity.broker.reasons import NO_MATCHING_SUBSCRIBERS
from dskity.bus.sessions.session import Session

_TOPIC_INVALID, _ALIAS_INVALID, _PROTOCOL_ERROR, _NOT_FOUND = 0x90, 0x94, 0x82, 0x92
_FAILURE = 0x80
_TOO_MANY = 0x93


class Incoming:
    """One connection's."""

    def __init__(self, server: Server, session: Session[Forwarded], *, five: bool) -> None:
        self._core = server.core
        self._session = session
        self._five = five
        self._most_aliases = server.rules.max_aliases
        self._most = server.rules.receive_maximum
        self._aliases: dict[int, str] = {}

    def publish(self, header: int, body: bytes) -> bytes:
        """Share the message out; what to answer."""
        message, mid = forwarded.read(header, body, five=self._five)
        if message.alias:
            self._resolve(message)
        if message.qos == 0:
            if may_publish(message.topic):
                self._core.publish(message, self._session)
            return b""
        if message.qos == 1:
            return answers.acknowledgement(
                answers.PUBACK, mid, self._share_out(message), five=self._five
            )
        return self._keep_once(message, mid)

    def _keep_once(self, message: Forwarded, mid: int) -> bytes:
        """The same identifier again is the same message, until its PUBREL ([MQTT-4.3.3-10])."""
        code = 0
        if mid not in self._session.received:
            if self._five and len(self._session.received) >= self._most:
                raise Malformed("more QoS 2 messages than Receive Maximum", _TOO_MANY)
            code = self._share_out(message)
            if code < _FAILURE or not self._five:
                self._session.received.add(mid)
        return answers.acknowledgement(answers.PUBREC, mid, code, five=self._five)

    def _share_out(self, message: Forwarded) -> int:
        """The reason code for its sender."""
        if not may_publish(message.topic):
            return _TOPIC_INVALID
        return 0 if self._core.publish(message, self._session) else NO_MATCHING_SUBSCRIBERS

    def released(self, mid: int) -> bytes:
        """PUBREL; what to answer."""
        known = mid in self._session.received
        self._session.received.discard(mid)
        return answers.acknowledgement(
            answers.PUBCOMP, mid, 0 if known else _NOT_FOUND, five=self._five
        )

    def _resolve(self, message: Forwarded) -> None:
        """[MQTT-3.3.2-8] and the following."""
        if message.alias > self._most_aliases:
            raise Malformed(f"the topic alias {message.alias}", _ALIAS_INVALID)
        if message.topic:
            self._aliases[message.alias] = message.topic
        elif message.alias in self._aliases:
            message.topic = self._aliases[message.alias]
        else:
            raise Malformed(f"the unknown topic alias {message.alias}", _PROTOCOL_ERROR)
