"""Which calls without a token come from the person at this machine. Values in, a verdict out.

A loopback address alone says little: a reverse proxy, a port forwarding or a tunnel on this machine
has one too, and passes on what others sent. Such a call shows by one of these:

- a header that says who forwarded it (`is_forwarding_header`), or HTTP/1.0, which proxies speak to
  what is behind them and clients of our time do not;
- the user that the peer's socket belongs to (`belongs_to_us`): daemons have users of their own.

A forwarder that runs as our own user or as root, speaks HTTP/1.1 and adds no header cannot be told
apart from that person.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from urllib.parse import urlsplit

from dskity.modules.access.peer_owner import Address, Unknown, owner_of

_FORWARDING = frozenset(
    {
        "cdn-loop",
        "client-ip",
        "fastly-client-ip",
        "forwarded",
        "forwarded-for",
        "remote-addr",
        "remote-user",
        "true-client-ip",
        "via",
        "wl-proxy-client-ip",
        "x-arr-clientip",
        "x-arr-log-id",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-coming-from",
        "x-forwarded",
        "x-forwarder-for",
        "x-host",
        "x-http-host-override",
        "x-original-host",
        "x-original-url",
        "x-originating-ip",
        "x-proxyuser-ip",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
        "x-rewrite-url",
        "x-true-client-ip",
    }
)
_FORWARDING_FAMILIES = (
    "akamai-",
    "cf-",
    "cloudfront-",
    "fly-",
    "ngrok-",
    "proxy-",
    "tailscale-",
    "x-amzn-",
    "x-appengine-",
    "x-azure-",
    "x-cloud-trace-",
    "x-envoy-",
    "x-forwarded-",
    "x-nf-",
    "x-original-forwarded-",
    "x-originally-forwarded-",
    "x-vercel-",
)
"""Starts of the names that proxies, CDNs and tunnels give to theirs."""


@lru_cache(maxsize=1024)
def is_forwarding_header(name: str) -> bool:
    """Whether a header of this lower-case name says that a proxy passed the call on.

    Names with underscores count as those with hyphens: servers on the way write both.
    """
    plain = name.replace("_", "-")
    return plain in _FORWARDING or plain.startswith(_FORWARDING_FAMILIES)


@lru_cache(maxsize=256)
def host_of(header: str | None) -> str | None:
    """The host of a `Host` header, without port and brackets; None where there is none."""
    if not header:
        return None
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def is_own_origin(origin: str | None, host_header: str | None) -> bool:
    """Whether the page that calls, if one does, came from this very host and port."""
    if origin is None:
        return True
    return host_header is not None and origin.lower().partition("://")[2] == host_header.lower()


def belongs_to_us(peer: Address, local: Address) -> bool:
    """Whether the socket at `peer`, connected to our `local`, is of our own user or of root.

    What Linux does not tell is not ours. Other systems tell nothing, and there it is always true.
    """
    if not sys.platform.startswith("linux"):
        return True
    try:
        return owner_of(peer, local) in {0, os.geteuid()}
    except Unknown:
        return False
