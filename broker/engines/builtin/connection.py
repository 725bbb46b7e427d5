"""One client's connection to the broker, without I/O: bytes in, bytes out, states by a table."""

from __future__ import annotations

from collections.abc import Callable

from dskity.broker.engines.builtin.exchange import Exchange
from dskity.broker.engines.builtin.output import Output
from dskity.broker.engines.builtin.server import LONGEST_SESSION, Server, new_client_id
from dskity.broker.engines.builtin.states import ALLOWED, FLAGS, Kind, State
from dskity.broker.engines.builtin.timers import Timer
from dskity.broker.packets import answers
from dskity.broker.packets.connect import Connect, OtherVersion, Will, read_connect
from dskity.broker.packets.framing import Frames
from dskity.broker.packets.requests import read_disconnect
from dskity.broker.packets.values import Malformed
from dskity.broker.reasons import NOT_AUTHORIZED, TAKEN_OVER, UNSUPPORTED_VERSION

_PROTOCOL_ERROR, _BAD_CLIENT_ID, _SHUTTING_DOWN = 0x82, 0x85, 0x8B
_BAD_METHOD, _KEEP_ALIVE, _WITH_WILL = 0x8C, 0x8D, 0x04
_LEVEL_5 = 5


class Connection:
    """From the first byte to the last. `check` is asked to verify a password, and calls `admit`.

    Whatever a client sends, `feed` does not raise: what breaks the rules ends the connection, with
    the reason where MQTT 5 has one.
    """

    def __init__(
        self,
        server: Server,
        output: Output,
        peer: str,
        check: Callable[[Connect], None],
    ) -> None:
        self.state = State.NEW
        self.peer = peer
        self._server = server
        self._output = output
        self._check = check
        self._frames = Frames(server.rules.max_connect)
        self._connect: Connect | None = None
        self._exchange: Exchange | None = None
        self._will: Will | None = None
        self._heard = server.clock.monotonic()
        self._timer: Timer | None = server.timers.after(server.rules.connect_within, self._late)
        self._out: list[bytes] = []
        self._busy = False

    # What the socket says

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = self._server.clock.monotonic()
        if self.state is State.CLOSED:
            return
        self._frames.feed(data)
        if self.state is not State.CHECKING and not self._busy:
            self._handle()

    def writable_again(self) -> None:
        """What was written has left."""
        if self._exchange is not None:
            self._exchange.outgoing.soon()

    def lost(self) -> None:
        """The connection is gone, without a goodbye."""
        self._leave(with_will=True)

    # What the core says

    def deliver_soon(self) -> None:
        """See `Client`."""
        if self._exchange is not None:
            self._exchange.outgoing.soon()

    def taken_over(self) -> None:
        """See `Client`."""
        self._end(TAKEN_OVER)

    # What the broker says

    def shut_down(self) -> None:
        """The broker goes away. No will: no client is left to receive it."""
        self._end(_SHUTTING_DOWN, with_will=False)

    def admit(self, known: bool) -> None:  # a verdict
        """The password was checked."""
        if self.state is not State.CHECKING:
            return
        assert self._connect is not None  # noqa: S101  # it was checked
        self._output.hold(on=False)
        if known:
            self._open(self._connect)
            self._handle()
        else:
            self._server.complain(self.peer, "wrong user or password")
            self._refuse(NOT_AUTHORIZED, five=self._connect.five)

    # Packets

    def _handle(self) -> None:
        """What has come so far, in portions: a flood of one client must not stop the others."""
        left = self._server.rules.turn
        try:
            for header, body in self._frames:
                self._packet(header, body)
                left -= 1
                if self.state not in {State.NEW, State.OPEN} or left == 0:
                    break
        except Malformed as fault:
            self._malformed(fault)
        self._flush()
        if left == 0 and self.state is State.OPEN:
            self._busy = True
            self._output.hold(on=True)
            self._server.soon(self._go_on)

    def _go_on(self) -> None:
        self._busy = False
        if self.state is State.OPEN:
            self._output.hold(on=False)
            self._handle()

    def _packet(self, header: int, body: bytes) -> None:
        kind, exchange = header >> 4, self._exchange
        if kind == Kind.PUBLISH and exchange is not None:
            answer = exchange.publish(header, body)
            if answer:
                self._out.append(answer)
            return
        if kind not in ALLOWED[self.state]:
            raise Malformed(f"a packet of type {kind}, while {self.state.value}", _PROTOCOL_ERROR)
        if kind == Kind.CONNECT:
            self._on_connect(header, body)
            return
        if header & 0x0F != FLAGS.get(Kind(kind), 0):
            raise Malformed(f"a packet of type {kind} with the flags {header & 0x0F:#x}")
        if kind == Kind.DISCONNECT or exchange is None:
            self._on_disconnect(body)
        else:
            self._out.append(exchange.answers[kind](body))

    def _on_connect(self, header: int, body: bytes) -> None:
        connect = self._connect = read_connect(header, body)
        self._server.timers.cancel(self._timer)
        if connect.method is not None:
            self._refuse(_BAD_METHOD, five=True)
        elif len(connect.client_id) > self._server.rules.max_client_id or (
            not connect.client_id and not connect.five and not connect.clean  # [MQTT-3.1.3-8]
        ):
            self._refuse(_BAD_CLIENT_ID, five=connect.five)
        elif self._server.users is None:
            self._open(connect)
        else:
            self.state = State.CHECKING
            self._output.hold(on=True)
            self._check(connect)

    def _open(self, connect: Connect) -> None:
        client_id = connect.client_id or new_client_id()
        session, resumed = self._server.open(client_id, connect, self)
        self.state = State.OPEN
        self._will = connect.will
        self._frames.most = self._server.rules.max_packet
        self._exchange = Exchange(self._server, session, connect, self._output)
        table = self._terms(connect, client_id) if connect.five else b""
        self._output.write(answers.connack(0, five=connect.five, resumed=resumed, table=table))
        self._exchange.outgoing.begin()
        self._timer = None
        if connect.keepalive:
            self._timer = self._server.timers.after(connect.keepalive * 1.5, self._silent)

    def _terms(self, connect: Connect, client_id: str) -> bytes:
        """The properties of CONNACK: what differs from MQTT 5's defaults (3.2.2.3)."""
        rules = self._server.rules
        table = b"\x27" + rules.max_packet.to_bytes(4, "big")
        table += b"\x21" + rules.receive_maximum.to_bytes(2, "big")
        table += b"\x22" + rules.max_aliases.to_bytes(2, "big")
        if not connect.client_id:
            encoded = client_id.encode()
            table += b"\x12" + len(encoded).to_bytes(2, "big") + encoded
        if (connect.session_expiry or 0) > LONGEST_SESSION:
            table += b"\x11" + LONGEST_SESSION.to_bytes(4, "big")
        return table

    def _on_disconnect(self, body: bytes) -> None:
        code, expiry = read_disconnect(body, five=self._five)
        assert self._exchange is not None  # noqa: S101  # open
        session = self._exchange.session
        if expiry is not None:
            if expiry and not session.expiry:
                raise Malformed("a session that lasts longer after all", _PROTOCOL_ERROR)
            session.expiry = min(expiry, LONGEST_SESSION)
        self._flush()
        self._leave(with_will=code == _WITH_WILL)
        self._output.close()

    # The end

    def _malformed(self, fault: Malformed) -> None:
        self._server.complain(self.peer, str(fault))
        if isinstance(fault, OtherVersion):
            self._refuse(UNSUPPORTED_VERSION, five=fault.level >= _LEVEL_5)
        elif self.state is State.OPEN:
            self._flush()
            self._end(fault.code)
        else:
            self._leave(with_will=False)
            self._output.close()

    def _refuse(self, code: int, *, five: bool) -> None:
        self._output.write(answers.connack(code, five=five))
        self._leave(with_will=False)
        self._output.close()

    def _late(self) -> None:
        if self.state is State.NEW:
            self._leave(with_will=False)
            self._output.close()

    def _silent(self) -> None:
        """One and a half times the keep-alive may pass without a packet ([MQTT-3.1.2-22])."""
        assert self._connect is not None  # noqa: S101  # it named the keep-alive
        if self.state is not State.OPEN:
            return
        left = self._heard + self._connect.keepalive * 1.5 - self._server.clock.monotonic()
        if left > 0:
            self._timer = self._server.timers.after(left, self._silent)
        else:
            self._end(_KEEP_ALIVE)

    def _end(self, code: int, *, with_will: bool = True) -> None:
        if self.state is State.OPEN and self._five:
            self._output.write(answers.disconnect(code))
        self._leave(with_will=with_will)
        self._output.close()

    def _leave(self, *, with_will: bool) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self._server.timers.cancel(self._timer)
        self._frames = Frames(0)
        if self._exchange is not None:
            self._exchange.outgoing.close()
            self._server.leave(self._exchange.session, self._will if with_will else None)

    def _flush(self) -> None:
        if self._out:
            packets = b"".join(self._out)
            self._out.clear()
            if packets:
                self._output.write(packets)

    @property
    def _five(self) -> bool:
        return self._connect is not None and self._connect.five
