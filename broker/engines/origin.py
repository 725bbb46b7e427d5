"""Which WebSocket handshakes our own brokers take: of programs, and of listed web pages.

A browser lets every page open a WebSocket to every address, also to one of this machine that no
firewall sees, and sends the page's `Origin` along (RFC 6455 10.2). So a page that nobody listed is
refused. An origin that is the broker's own address is a program's (paho sends one), for no page is
served there; but a page of a name that was rebound to this machine has it too. So where the broker
has no users, and is therefore for this machine alone, the `Host` has to be this machine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from dskity.broker.engines.listen import Listen
from dskity.bus.base.addresses import is_loopback


class Origins:
    """The rule for the listener of `listen`."""

    def __init__(self, listen: Listen) -> None:
        self._origins = {origin.lower() for origin in listen.websocket_origins}
        self._any_host = listen.users_file is not None

    def refusal(self, origins: Sequence[str], host: str | None) -> str | None:
        """Why a handshake with these `Origin` headers and this `Host` is refused; None: it is not.
        A program sends no `Origin`, or the address that it connects to."""
        own = f"//{host}".lower()
        if any(
            one.lower() not in self._origins and not one.lower().endswith(own) for one in origins
        ):
            return "this page's origin is not in broker.websocket_origins"
        if not self._any_host and not is_loopback(_name(host)):
            return "this host name is not this machine's: connect to 127.0.0.1 or localhost"
        return None


def _name(host: str | None) -> str:
    """The host of a `Host` header, without port and brackets; empty where there is none."""
    try:
        return urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        return ""
