"""MQTT URLs: `mqtt://`, `mqtts://`, `ws://` and `wss://`, with user, port and path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from dskity.bus.errors import InvalidSettings

# 1883 and 8883 are IANA's; a WebSocket URL without a port means HTTP's own (RFC 6455, 3).
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
DEFAULT_PATH = "/mqtt"
Urls: TypeAlias = str | tuple[str, ...]
"""One broker's URL, or those of several, in the order in which they are tried."""
_MEND = (
    "write common.mqtt.url as mqtt://host:1883, mqtts://host:8883, ws://host:9001/mqtt or wss://…"
)


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """A parsed URL; `str()` of it hides the password."""

    scheme: str
    host: str
    port: int
    path: str = ""
    username: str | None = None
    password: str | None = None

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in {"mqtts", "wss"}

    @property
    def websocket(self) -> bool:
        """Whether MQTT travels in WebSocket frames."""
        return self.scheme in {"ws", "wss"}

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    def __repr__(self) -> str:
        return f"BrokerUrl({str(self)!r})"


def parse_url(text: str) -> BrokerUrl:
    """Parse a broker URL; `InvalidSettings` says what is wrong and what to write."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidSettings(f"broker URL: {error}; {_MEND}") from error
    _check(parts, port)
    websocket = parts.scheme in {"ws", "wss"}
    return BrokerUrl(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=DEFAULT_PORTS[parts.scheme] if port is None else port,
        path=_path(parts) if websocket else "",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def parse_urls(urls: Urls) -> tuple[BrokerUrl, ...]:
    """Parse one URL or several; none at all, and one address twice, are faults."""
    parsed = tuple(parse_url(url) for url in ((urls,) if isinstance(urls, str) else urls))
    if not parsed:
        raise InvalidSettings(f"broker URL: the list is empty; {_MEND}")
    named = [str(url) for url in parsed]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise InvalidSettings(f"broker URL: {twice} is in the list twice: remove one of the two")
    return parsed


def listed(urls: Urls) -> str:
    """For people: the addresses, without passwords."""
    return " or ".join(str(url) for url in parse_urls(urls))


def _check(parts: SplitResult, port: int | None) -> None:
    if parts.scheme not in DEFAULT_PORTS:
        known = ", ".join(DEFAULT_PORTS)
        raise InvalidSettings(f"broker URL: scheme {parts.scheme!r} is none of {known}; {_MEND}")
    if not parts.hostname:
        raise InvalidSettings(f"broker URL: it names no host; {_MEND}")
    if port == 0:
        raise InvalidSettings(f"broker URL: port 0 cannot be connected to; {_MEND}")
    if parts.scheme in {"mqtt", "mqtts"} and (parts.path not in {"", "/"} or parts.query):
        raise InvalidSettings(
            f"broker URL: only ws:// and wss:// have a path like {parts.path!r}; {_MEND}"
        )


def _path(parts: SplitResult) -> str:
    path = parts.path if parts.path not in {"", "/"} else DEFAULT_PATH
    return f"{path}?{parts.query}" if parts.query else path
