"""IP addresses as sockets, headers and settings write them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TypeAlias

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_SITE_BITS = 64  # a site has at least all addresses of an IPv6 prefix of this length (RFC 6177)


@lru_cache(maxsize=1024)
def ip_address(host: str) -> IpAddress | None:
    """The address, without its zone (`%eth0`); None where `host` is a name. An IPv4 address that a
    dual-stack socket writes as IPv6 (`::ffff:127.0.0.1`) is returned as IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=256)
def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine alone; of names, only localhost is."""
    if host is None:
        return False
    if host.lower().rstrip(".") == "localhost":
        return True
    address = ip_address(host)
    return address is not None and address.is_loopback


@lru_cache(maxsize=1024)
def source_of(host: str) -> str:
    """What one peer can choose its address from: an IPv4 address, or the /64 network of an IPv6
    address. A name is its own source."""
    address = ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), _SITE_BITS), strict=False))
    return host if address is None else str(address)
