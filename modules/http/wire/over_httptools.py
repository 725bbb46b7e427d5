"""The bounds over uvicorn's httptools protocol, which has none of its own on a request's head."""

from __future__ import annotations

import contextlib
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dskity.modules.http.wire import private
from dskity.modules.http.wire.protocol import Bounded, Phase, is_websocket

private.HTTPTOOLS.check()


class OverHttptools(Bounded, HttpToolsProtocol):
    """Bytes are counted as they arrive, because the parser reports a header only when it is whole.

    A head is what comes before a body, trailers are what comes after it: in both, reads bring bytes
    and nothing of a body.

    An `Upgrade` that is not to a WebSocket is ignored (RFC 9110 7.8). The parser cannot: it would
    skip the body, and take it for the next request. So it is given the head again, without it.
    """

    _again: bytes | None = None  # the head without its `Upgrade`
    _progress = False
    _without = 0  # bytes since the last of a body

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._refused:
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self._progress = False
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._progress or self._phase is Phase.SERVED or self._phase is Phase.IDLE:
            self._without = 0
            return
        self._without += len(data)
        if self._without > self.head_bytes and not self._refused:
            self.send_400_response(f"the request's head or trailers are over {self._most}")

    def _feed(self, data: bytes) -> None:
        """In place of uvicorn's, which drops what comes behind an `Upgrade`."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._again is None:
                    if not self._refused:
                        self.handle_websocket_upgrade()
                    return
                data = self._again + data[upgrade.args[0] :]
                self._renew_parser()
            except httptools.HttpParserError:
                message = "Invalid HTTP request received."
                self.logger.warning(message)
                self.send_400_response(message)
                return
            else:
                return

    def _renew_parser(self) -> None:
        """The old one takes nothing more where the request said `close`, or came over HTTP/1.0."""
        self._again = None
        self.parser = httptools.HttpRequestParser(self)
        with contextlib.suppress(AttributeError):  # before httptools 0.6.3; as in uvicorn
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        if self._phase is not Phase.HEAD:  # a pipelined one
            self._enter(Phase.HEAD)

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self._refused:
            return
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.head_bytes:  # it came within one read
            self.send_400_response(f"the request's head is over {self._most}")
            return
        if not self._names_one_host():
            self.send_400_response("exactly one `Host` header is required: RFC 9112 3.2")
            return
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._ignore_upgrade()
            return
        super().on_headers_complete()
        self._enter(Phase.BODY)
        self._progress = True
        if not self.parser.should_upgrade():
            self.headers = []  # trailers go here, and nowhere else

    def _names_one_host(self) -> bool:
        count = sum(name == b"host" for name, _ in self.headers)
        return count == 1 or (count == 0 and self.parser.get_http_version() == "1.0")

    def _should_upgrade(self) -> bool:
        method = self.parser.get_method()
        return is_websocket(method, self.headers) and super()._should_upgrade()

    def _ignore_upgrade(self) -> None:
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        if len(kept) == len(self.headers):
            self.send_400_response("CONNECT is not supported: this is not a proxy")
            return
        version = self.parser.get_http_version().encode()
        lines = b"".join(b"%b: %b\r\n" % header for header in kept)
        start = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        self._again = start + lines + b"\r\n"

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._progress = True
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._refused or self._again is not None:
            return
        super().on_message_complete()
        done = self.cycle is not None and self.cycle.response_complete  # there is none on upgrades
        self._enter(Phase.IDLE if done else Phase.SERVED)

    def on_response_complete(self) -> None:
        """See uvicorn: a pipelined request goes on, or the connection waits for the next one."""
        super().on_response_complete()
        if self.transport.is_closing() or self.cycle.response_complete:
            self._answered()

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn."""
        if self._place.health_only:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            return
        if self.cycle is not None and not self.cycle.response_complete:  # both would write
            self.send_400_response("a WebSocket handshake came before the last response was sent")
            return
        self._upgraded()
        super().handle_websocket_upgrade()

    @property
    def _most(self) -> str:
        return f"{self.head_bytes} bytes: see `http.max_header_bytes`"
