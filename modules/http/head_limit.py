"""The wire protocol of the server, with a bound on a request's head."""

from __future__ import annotations

import asyncio
from typing import Literal


def http_protocol(head_bytes: int) -> type[asyncio.Protocol] | Literal["h11"]:
    """The fastest HTTP protocol of uvicorn that is installed: httptools, else h11.

    h11 bounds the head itself (`h11_max_incomplete_event_size`), httptools does not. Bytes are
    counted as they arrive, because the parser reports a header only when it is whole.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415
    except ImportError:
        return "h11"

    class Bounded(HttpToolsProtocol):
        _in_head = True
        _head = 0

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head, self._head = True, 0

        def on_headers_complete(self) -> None:
            self._in_head = False
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_head and not self.transport.is_closing():
                self._head += len(data)
                if self._head > head_bytes:
                    self.send_400_response(f"The request's head is over {head_bytes} bytes.")

    return Bounded
