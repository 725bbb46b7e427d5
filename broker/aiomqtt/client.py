"""aiomqtt with its callbacks in our hands.

As it is, aiomqtt acknowledges on arrival, drops what a bounded queue cannot take, makes a task for
each message it hands out, hides reason codes, and lets pending calls time out when the connection
is lost. All of that sits in the callbacks it gives to paho; this client gives its own instead,
and leaves to aiomqtt what it does well: configuring paho and taking it through the handshakes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiomqtt
from paho.mqtt.client import (
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
)
from paho.mqtt.exception import MQTTException
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dskity.broker.aiomqtt import private
from dskity.broker.aiomqtt.construction import make_client
from dskity.broker.aiomqtt.hooks import Hooks
from dskity.broker.aiomqtt.records import READ_AT_ONCE, receive
from dskity.broker.packets.framing import Frames
from dskity.broker.packets.incoming import PUBLISH, QOS_2, decode
from dskity.broker.packets.values import Malformed
from dskity.broker.reasons import reason_text
from dskity.broker.settings import MAX_INCOMING_PACKET
from dskity.broker.wire import ConnectRequest

log = logging.getLogger("dskity.mqtt")

TYPE = 0xF0  # of the first byte of a packet
PUBACK = 0x40
_DISCONNECT = b"\xe0\x00"  # normal, in both versions
PUBREC = 0x50
PUBREL = 0x60
MID = 2  # bytes of a packet identifier
REFUSAL = b"\x80"  # and above
# What paho stumbles over in a packet that is none.
_MISREAD = (MQTTException, LookupError, ValueError, TypeError, AssertionError, struct.error)
BROKE = "the connection broke"


class HookedClient:
    """One connection; `stream` is its connected socket, encrypted where that is wanted.

    `begun` says that CONNECT is on its way: only a WebSocket has a handshake before it.
    """

    def __init__(self, opening: ConnectRequest, stream: socket.socket, hooks: Hooks) -> None:
        self._aiomqtt = make_client(opening)
        self.paho = private.paho_of(self._aiomqtt)
        self.paho.manual_ack_set(True)
        self.paho.disable_logger()  # it formats each packet; what matters is raised or returned
        self.paho.connect_timeout = opening.settings.connect_timeout
        # paho would do both in a thread, where nothing ends the wait for a silent host.
        private.use_stream(self.paho, stream)
        self._five = opening.five
        self._tls = opening.tls is not None
        self._stream = stream
        self._hooks = hooks
        self._thread = threading.get_ident()
        self._fd = -1
        self._reading = True
        self._paused = False
        self._needed = 0
        self._leaving = False
        self._over = False
        self._writing = False
        self._frames = Frames(MAX_INCOMING_PACKET)
        self._loop = asyncio.get_running_loop()
        self.begun = False
        self._take_callbacks()

    def _take_callbacks(self) -> None:
        """In place of aiomqtt's own."""
        paho = self.paho
        self._theirs = paho.on_connect
        paho.on_connect = self._on_connect
        paho.on_disconnect = self._on_disconnect
        paho.on_message = self._on_message
        paho.on_publish = self._on_publish
        paho.on_subscribe = paho.on_unsubscribe = self._on_answer
        paho.on_socket_open = self._on_socket_open
        paho.on_socket_close = self._on_socket_close
        paho.on_socket_register_write = self._on_socket_register_write

    async def connect(self) -> None:
        """From CONNECT to CONNACK; raises `MqttError` and `OSError`."""
        await self._aiomqtt.__aenter__()

    def pause(self) -> None:
        """Stop reading."""
        self._paused = True
        self._change()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self._change()

    @contextlib.contextmanager
    def read_on(self) -> Iterator[None]:
        """Read also while paused: what comes first may be an answer."""
        self._needed += 1
        try:
            self._change()
            yield
        finally:
            self._needed -= 1
            self._change()

    def _change(self) -> None:
        """TLS may have decoded bytes that the socket knows nothing of."""
        reading = (not self._paused or self._needed > 0) and not self._leaving
        if reading == self._reading:
            return
        self._reading = reading
        if not reading:
            if self._fd >= 0:
                self._loop.remove_reader(self._fd)
        elif self._fd >= 0 and not self._over:
            self._loop.add_reader(self._fd, self._read)
            self._loop.call_soon(self._read)

    def tick(self) -> None:
        """Often enough: PINGREQ when due, and an end when PINGRESP does not come.

        While paused we cannot see a PINGRESP, so paho is told that it came: the broker needs our
        PINGREQ all the same, or it would throw us out.
        """
        if not self._reading:
            private.forgive_ping(self.paho)
        self.paho.loop_misc()

    def leave(self) -> None:
        """Send DISCONNECT, and read past what comes until the broker has closed the connection.

        A socket that is closed with unread bytes resets the connection, and a broker that writes
        to it then drops what it has not read: our last PUBACKs.
        """
        private.queue(self.paho, _DISCONNECT)
        self._leaving = True
        self._change()
        if self._fd >= 0 and not self._over:
            self._loop.add_reader(self._fd, self._read_past)
            self._loop.call_soon(self._read_past)

    def _read_past(self) -> None:
        if self._over:
            return
        try:
            left = self._receive()
        except OSError as error:
            self._fail(error)
            return
        if left == b"":
            self._end(BROKE)
        elif self._pending():
            self._loop.call_soon(self._read_past)

    def discard(self) -> None:
        """Let go of the socket, at whatever stage it is; it ends a handshake in the thread."""
        self._stop()
        with contextlib.suppress(OSError):  # it may not be connected any more
            self._stream.shutdown(socket.SHUT_RDWR)
        private.close_socket(self.paho)
        self._stream.close()

    def _stop(self) -> None:
        """Handle nothing more of what has come or will come."""
        self._over = True
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)

    def _goes_on(self) -> bool:
        return self._reading and not self._over

    def _read(self) -> None:
        if not self._goes_on():
            return
        try:
            # Those that a pause has left come first, before there are more.
            if self._handle_packets() and self._read_more():
                self._handle_packets()
        except Exception as error:  # noqa: BLE001  # see _fail
            self._fail(error)
        else:
            if self._goes_on() and self._pending():  # epoll tells nothing of what TLS has decoded
                self._loop.call_soon(self._read)

    def _receive(self) -> bytes | None:
        """What is there; None where nothing is, nothing (`b""`) where the connection is closed."""
        sock = self.paho.socket()
        if sock is None:
            raise ConnectionError(BROKE)
        try:
            return receive(sock) if self._tls else sock.recv(READ_AT_ONCE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def _read_more(self) -> bool:
        """Read what is there; whether the connection still is.

        paho makes three calls or more to the system for each packet, its first bytes one by one.
        """
        data = self._receive()
        if data is None:
            return True
        if not data:
            self._end(BROKE)
            return False
        private.heard(self.paho)
        self._frames.feed(data)
        return True

    def _handle_packets(self) -> bool:
        """Handle what is complete, until paused; whether to go on."""
        for header, body in self._frames:
            if header & TYPE == PUBACK:
                self._acknowledged(body)
            elif header & TYPE == PUBREC and body[2:3] >= REFUSAL:
                self._refused(int.from_bytes(body[:2], "big"), body[2])
            elif header & TYPE == PUBREL:
                self._released(header, body)
            elif header & TYPE != PUBLISH:
                self._give_to_paho(header, body)
            elif header & QOS_2:
                decode(header, body, five=self._five)  # paho takes what is not one until PUBREL
                self._give_to_paho(header, body)
            else:
                self._hooks.received(*decode(header, body, five=self._five))
            if not self._goes_on():
                return False
        return True

    def _acknowledged(self, body: bytes) -> None:
        """PUBACK, past paho: it has not seen the PUBLISH."""
        if len(body) < MID:
            raise Malformed("a PUBACK that ends in its packet identifier")
        self._hooks.answered(int.from_bytes(body[:MID], "big"), [*body[MID : MID + 1]])

    def _refused(self, mid: int, code: int) -> None:
        """A message of QoS 2 is: the exchange ends here, and paho would go on with PUBREL."""
        if private.forget_sent(self.paho, mid):
            self._hooks.answered(mid, [code])

    def _released(self, header: int, body: bytes) -> None:
        """PUBREL; paho leaves the answer to us, and none is due for an unknown one."""
        mid = int.from_bytes(body[:2], "big")
        known = self._hooks.knows(mid)
        self._give_to_paho(header, body)
        if not known:
            self.paho.ack(mid, 2)

    def _give_to_paho(self, header: int, body: bytes) -> None:
        try:
            code = private.handle(self.paho, header, body)
        except _MISREAD as error:
            raise Malformed(f"packet {header:#04x}, which paho cannot read: {error!r}") from error
        if code > 0:
            self._end(BROKE)

    def _pending(self) -> bool:
        pending = getattr(self.paho.socket(), "pending", None)
        return pending is not None and pending() > 0

    def write_after(self, queue: Callable[[], None]) -> None:
        """Write what `queue` gives to paho, as far as the socket takes it."""
        self._writing = True
        try:
            queue()
        finally:
            self._writing = False
        self._write()

    def _write(self) -> None:
        if self._over:
            return
        try:
            self.paho.loop_write()
        except Exception as error:  # noqa: BLE001  # see _fail
            self._fail(error)
            return
        if not self.paho.want_write():
            self._hooks.written()
        elif self._fd >= 0:
            self._loop.add_writer(self._fd, self._write)

    def _fail(self, error: Exception) -> None:
        # paho lets through what the socket raises, and what it stumbles over in a malformed packet.
        if isinstance(error, Malformed):
            log.debug("the connection is made anew", exc_info=error)
            self._end(f"the broker sent {error}")
            return
        if not isinstance(error, OSError):
            log.error("paho failed; reconnecting", exc_info=error)
        self._end(str(error) or type(error).__name__)

    def _end(self, reason: str, code: int | None = None) -> None:
        self._stop()
        private.fail_to_connect(self._aiomqtt, aiomqtt.MqttError(reason))
        self._hooks.ended(reason, code)

    # What paho calls

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._hooks.welcomed(flags, reason_code, properties)
        if self._theirs is not None:
            self._theirs(client, userdata, flags, reason_code, properties)  # type: ignore[arg-type,call-arg]

    def _on_disconnect(
        self,
        client: Any,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        del client, userdata, properties
        told = flags.is_disconnect_packet_from_server
        reason = reason_text(reason_code.value) if told else BROKE
        self._end(reason, reason_code.value if told else None)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        del client, userdata
        self._hooks.released(message)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        del client, userdata, properties
        self._hooks.answered(mid, [reason_code.value])

    def _on_answer(
        self,
        client: Any,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        del client, userdata, properties
        self._hooks.answered(mid, [code.value for code in reason_codes])

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        """In the connecting thread, before CONNECT, and after the handshake of a WebSocket."""
        del client, userdata
        self.begun = True
        self._loop.call_soon_threadsafe(self._attach, sock)

    def _attach(self, sock: Any) -> None:
        if self._over:  # it was given up while the thread was at it
            sock.close()
            return
        self._fd = sock.fileno()
        if self._fd >= 0 and self._reading:
            self._loop.add_reader(self._fd, self._read)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        del client, userdata
        if (fd := sock.fileno()) >= 0:
            self._loop.remove_reader(fd)
        self._fd = -1

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        del client, userdata, sock
        if self._writing:
            return
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._write)  # most writes fit into the socket at once
        else:
            self._loop.call_soon_threadsafe(self._write)
