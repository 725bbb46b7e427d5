"""Message headers as HTTP headers, both ways.

`ce-…` (CloudEvents) keeps its name; any other header `x` is `Dskity-Header-x`. HTTP header values
are printable ASCII, message headers any text: what does not fit is percent-encoded, as CloudEvents'
HTTP binding 1.0.2 (3.1.3.2) says, and so are names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from dskity.bus.message import Message

_CLOUDEVENTS = "ce-"
_OWN = "dskity-header-"
_OWN_BYTES = _OWN.encode()
# Printable ASCII but for `"` and `%`, the characters that CloudEvents leaves as they are.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"%')
_NAME = "!#$&'*+-.^_`|~"  # RFC 9110's token characters beyond letters and digits, without `%`


def message_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The message headers among a request's headers, their names in lower case."""
    found = {}
    for name, value in raw:
        if name.startswith(b"ce-"):
            found[unquote(name.decode("latin-1"))] = _text(value)
        elif name.startswith(_OWN_BYTES) and len(name) > len(_OWN):
            found[unquote(name.decode("latin-1")[len(_OWN) :])] = _text(value)
    return found


def response_headers(message: Message) -> dict[str, str]:
    """A message's headers and content type as response headers."""
    found = {_http_name(name): quote(value, safe=_PLAIN) for name, value in message.headers.items()}
    if message.content_type is not None:
        found["content-type"] = quote(message.content_type, safe=_PLAIN + '"')
    return found


def content_type(headers: Mapping[str, str]) -> str | None:
    """The content type as it was sent; None where there is none."""
    return headers.get("content-type") or None


def _http_name(name: str) -> str:
    quoted = quote(name, safe=_NAME)
    return quoted if name.startswith(_CLOUDEVENTS) else f"{_OWN}{quoted}"


def _text(value: bytes) -> str:
    return unquote(value.decode("utf-8", errors="replace"))
