"""The bounds over uvicorn's h11 protocol, whose parser bounds heads and trailers by itself."""

from __future__ import annotations

from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from dskity.modules.http.wire import private
from dskity.modules.http.wire.protocol import Bounded, Phase, is_websocket

private.H11.check()


class OverH11(Bounded, H11Protocol):
    """The phase is read off the state that h11 keeps of the peer."""

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._refused:
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        self._follow()
        if self.transport.is_closing() or self.cycle.response_complete:
            self._answered()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """See uvicorn."""
        if self._place.health_only:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            return
        self._upgraded()
        super().handle_websocket_upgrade(event)

    def _should_upgrade(self) -> bool:
        method = self.scope["method"].encode()
        return is_websocket(method, self.headers) and super()._should_upgrade()

    def _follow(self) -> None:
        if self._refused or self._handed_on:
            return
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            if self._phase is not Phase.BODY:
                self._enter(Phase.BODY)
        elif theirs is h11.IDLE:
            if self._phase in {Phase.BODY, Phase.SERVED}:  # a next request may have begun
                self._enter(Phase.HEAD if self.conn.trailing_data[0] else Phase.IDLE)
        elif self._phase is not Phase.SERVED:
            self._enter(Phase.SERVED)
