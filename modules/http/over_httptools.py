"""The bounds over uvicorn's httptools protocol, which has none of its own on a request's head."""

from __future__ import annotations

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dskity.modules.http.protocol import Bounded, Phase


class OverHttptools(Bounded, HttpToolsProtocol):
    """Bytes are counted as they arrive, because the parser reports a header only when it is whole.

    A head is what comes before a body, trailers are what comes after it: in both, reads bring bytes
    and nothing of a body.
    """

    _progress = False
    _without = 0  # bytes since the last of a body

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._refused:
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self._progress = False
        super().data_received(data)
        if self._progress or self._phase is Phase.SERVED or self._phase is Phase.IDLE:
            self._without = 0
            return
        self._without += len(data)
        if self._without > self.head_bytes and not self._refused:
            self.send_400_response(f"the request's head or trailers are over {self._most}")

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
        super().on_headers_complete()
        self._enter(Phase.BODY)
        self._progress = True
        if not self.parser.should_upgrade():
            self.headers = []  # trailers go here, and nowhere else

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._progress = True
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._refused:
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
        self._upgraded()
        super().handle_websocket_upgrade()

    @property
    def _most(self) -> str:
        return f"{self.head_bytes} bytes: see `http.max_header_bytes`"
