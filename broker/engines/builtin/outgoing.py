"""Messages on their way to one client: how many at once, packet identifiers, acknowledgements."""

from __future__ import annotations

from dskity.broker.engines.builtin.output import Output
from dskity.broker.engines.builtin.server import Server
from dskity.broker.packets import answers, forwarded
from dskity.broker.packets.connect import Connect
from dskity.broker.packets.forwarded import Forwarded
from dskity.bus.sessions.session import Queued, Session

_PORTION = 64 * 1024  # bytes written in one turn of the loop
_IDENTIFIERS = 65_535
_FAILURE = 0x80
_NOT_FOUND = 0x92


class Outgoing:
    """One connection's; what waits is in the session."""

    def __init__(
        self, server: Server, session: Session[Forwarded], connect: Connect, output: Output
    ) -> None:
        self._server = server
        self._session = session
        self._output = output
        self._five = connect.five
        self._window = connect.receive_maximum
        self._most = connect.max_packet
        self._waiting = session.waiting["intake"]
        self._scheduled = False
        self._closed = False

    def begin(self) -> None:
        """What the client has and did not complete comes first ([MQTT-4.4.0-1])."""
        for mid in self._session.released:
            self._output.write(answers.acknowledgement(answers.PUBREL, mid, five=self._five))
        self.soon()

    def close(self) -> None:
        """The connection is gone."""
        self._closed = True

    def soon(self) -> None:
        """Deliver in the next turn of the loop: what several messages cause is one write."""
        if not self._scheduled:
            self._scheduled = True
            self._server.soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        if self._closed or not self._output.writable:
            return
        packets: list[bytes] = []
        size = 0
        while self._waiting and size < _PORTION and self._may_send(self._waiting[0]):
            packet = self._packet(self._waiting.popleft())
            packets.append(packet)
            size += len(packet)
        if size:
            self._output.write(b"".join(packets))
        if size >= _PORTION:
            self.soon()

    def _may_send(self, queued: Queued[Forwarded]) -> bool:
        """[MQTT-3.3.4-9]."""
        session = self._session
        return not queued.qos or len(session.unacked) + len(session.released) < self._window

    def _packet(self, queued: Queued[Forwarded]) -> bytes:
        """Its bytes; none where it has expired, or is larger than the client takes (3.1.2.11.4)."""
        remaining = None
        if queued.due is not None:
            remaining = queued.due - self._server.clock.monotonic()
            if remaining <= 0:
                self._server.core.settle(self._session, queued)
                return b""
        if queued.qos and not queued.packet:
            queued.packet = self._next_identifier()
        packet = forwarded.write(
            queued.message,
            queued.qos,
            queued.packet,
            five=self._five,
            retain=queued.retain,
            duplicate=queued.duplicate and queued.qos > 0,
            identifiers=queued.identifiers,
            remaining=remaining,
        )
        too_large = self._most is not None and len(packet) > self._most
        if queued.qos and not too_large:
            self._session.unacked[queued.packet] = ("intake", queued)
        else:
            self._server.core.settle(self._session, queued)
        return b"" if too_large else packet

    def _next_identifier(self) -> int:
        session = self._session
        mid = session.next_id
        while True:
            mid = mid % _IDENTIFIERS + 1
            if mid not in session.unacked and mid not in session.released:
                session.next_id = mid
                return mid

    def acknowledged(self, mid: int) -> None:
        """PUBACK: the client has it."""
        self._settle(mid)

    def received(self, mid: int, code: int) -> bytes:
        """PUBREC: the client has it, or does not want it; what to answer."""
        found = self._settle(mid)
        if code >= _FAILURE:
            return b""
        if found:
            self._session.released[mid] = None
        known = 0 if mid in self._session.released else _NOT_FOUND
        return answers.acknowledgement(answers.PUBREL, mid, known, five=self._five)

    def completed(self, mid: int) -> None:
        """PUBCOMP: both have forgotten the identifier."""
        self._session.released.pop(mid, None)
        if self._waiting:
            self.soon()

    def _settle(self, mid: int) -> bool:
        _, queued = self._session.unacked.pop(mid, (None, None))
        if queued is None:
            return False
        self._server.core.settle(self._session, queued)
        if self._waiting:
            self.soon()
        return True
