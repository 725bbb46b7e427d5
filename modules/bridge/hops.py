"""The header `dskity-bridge`: which rules of which runtimes have carried a message.

What `loops.py` cannot see is a loop through other runtimes. On MQTT 5 each rule writes itself
into the header, and drops what it finds itself in. It is the rule and not the runtime that must
not come twice: a message may well pass one runtime from edge to site, and from site to cloud.
"""

from __future__ import annotations

from urllib.parse import quote

from dskity.bus.message import Headers

HEADER = "dskity-bridge"


def hop(client_id: str, number: int) -> str:
    """One entry of the header: rule `number` of a runtime."""
    return f"{quote(client_id, safe='')}:{number}"


def has_passed(headers: Headers, entry: str) -> bool:
    """Whether a message with these headers was carried there before."""
    return entry in headers.get(HEADER, "").split(",")


def stamped(headers: Headers, entry: str) -> Headers:
    """The headers with one more hop."""
    before = headers.get(HEADER)
    return {**headers, HEADER: f"{before},{entry}" if before else entry}
