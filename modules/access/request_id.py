"""Every call has an id: the caller's `X-Request-Id` where it is sane, else a new one."""

from __future__ import annotations

import random
import re

HEADER = "x-request-id"
"""The header of an HTTP call and its response, and the metadata of a gRPC call."""

# It is logged and sent on as it stands, so nothing that could break a line or a header, and short.
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


def request_id(given: str | None) -> str:
    """`given`, if it is sane, else a new id."""
    if given is not None and _SANE.fullmatch(given):
        return given
    return f"{random.getrandbits(128):032x}"  # it names a call, and opens nothing
