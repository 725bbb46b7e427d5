"""The packets of a client that is connected, and what is answered to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dskity.broker.engines.builtin.incoming import Incoming
from dskity.broker.engines.builtin.outgoing import Outgoing
from dskity.broker.engines.builtin.output import Output
from dskity.broker.engines.builtin.server import Server
from dskity.broker.engines.builtin.states import Kind
from dskity.broker.engines.builtin.subscribing import subscribe, unsubscribe
from dskity.broker.packets import answers
from dskity.broker.packets.connect import Connect
from dskity.broker.packets.forwarded import Forwarded
from dskity.broker.packets.requests import read_ack
from dskity.broker.packets.values import Malformed
from dskity.bus.sessions.session import Session

Answer: TypeAlias = Callable[[bytes], bytes]


class Exchange:
    """One connection's, with its session. `publish` takes the header too; `answers` has the rest by
    type, each from the body of a packet to the bytes of the answer."""

    def __init__(
        self, server: Server, session: Session[Forwarded], connect: Connect, output: Output
    ) -> None:
        self.session = session
        self.outgoing = Outgoing(server, session, connect, output)
        self._server = server
        self._five = connect.five
        self._incoming = Incoming(server, session, five=connect.five)
        self.publish = self._incoming.publish
        self.answers: dict[int, Answer] = {
            Kind.PUBACK: self._puback,
            Kind.PUBREC: self._pubrec,
            Kind.PUBREL: self._pubrel,
            Kind.PUBCOMP: self._pubcomp,
            Kind.SUBSCRIBE: self._subscribe,
            Kind.UNSUBSCRIBE: self._unsubscribe,
            Kind.PINGREQ: self._ping,
        }

    def _subscribe(self, body: bytes) -> bytes:
        return subscribe(self._server, self.session, body, five=self._five)

    def _unsubscribe(self, body: bytes) -> bytes:
        return unsubscribe(self._server, self.session, body, five=self._five)

    def _puback(self, body: bytes) -> bytes:
        self.outgoing.acknowledged(read_ack(body, five=self._five)[0])
        return b""

    def _pubrec(self, body: bytes) -> bytes:
        return self.outgoing.received(*read_ack(body, five=self._five))

    def _pubcomp(self, body: bytes) -> bytes:
        self.outgoing.completed(read_ack(body, five=self._five)[0])
        return b""

    def _pubrel(self, body: bytes) -> bytes:
        return self._incoming.released(read_ack(body, five=self._five)[0])

    @staticmethod
    def _ping(body: bytes) -> bytes:
        if body:
            raise Malformed("a PINGREQ with something in it")
        return answers.PINGRESP
