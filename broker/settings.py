"""What a transport must be told: plain values, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from dskity.broker.limits import NO_LIMITS, Limits
from dskity.broker.tls import TlsSettings
from dskity.broker.url import BrokerUrl, Urls, parse_urls
from dskity.bus.errors import InvalidSettings
from dskity.bus.message import Message

ProtocolChoice: TypeAlias = Literal["auto", "5", "3.1.1"]
# Told to the broker where MQTT 5 lets us; without it a packet may have 256 MiB. A broker of ours
# takes 16 MiB behind the fixed header, and adds identifiers to what it delivers: what came in must
# come out, or the connection would end on it each time that it is sent again.
MAX_INCOMING_PACKET = 16 * 1024 * 1024 + 64 * 1024
_UINT16 = 65_535
_UINT32 = 4_294_967_295


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How to reach a broker and who we are there.

    `url` may be several, such as the nodes of a cluster: they are tried in order. `client_id` must
    be stable, for the broker keeps our messages under it; `username` and `password` take the place
    of those in the URL. `session_expiry_seconds` is how long messages are kept while we are away;
    `clean_start` begins with an empty session instead. `will` is published by the broker when we
    vanish. `max_in_flight` bounds our publishes of QoS ≥ 1 that are not acknowledged yet; more of
    them wait. `protocol` "auto" is MQTT 5, and 3.1.1 where the broker has no 5. `limits` are
    what we know of the broker, and it does not tell. `trial` is whether to publish messages of our
    own to find out what CONNACK does not tell; a client of one message leaves it out.
    """

    url: Urls = field(repr=False)
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive: int = 30
    session_expiry_seconds: int = 86_400
    clean_start: bool = False
    tls: TlsSettings = field(default_factory=TlsSettings)
    will: Message | None = None
    connect_timeout: float = 5.0
    max_in_flight: int = 1_000
    protocol: ProtocolChoice = "auto"
    limits: Limits = NO_LIMITS
    trial: bool = True
    addresses: tuple[BrokerUrl, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "addresses", parse_urls(self.url))
        if not self.client_id:
            raise InvalidSettings(
                "common.mqtt.client_id is empty: write a stable name, under which the broker "
                "keeps our messages"
            )
        _check_range("common.mqtt.keepalive", self.keepalive, 1, _UINT16)
        _check_range("common.mqtt.session_expiry_seconds", self.session_expiry_seconds, 0, _UINT32)
        _check_range("common.mqtt.max_in_flight", self.max_in_flight, 1, _UINT16)
        if self.connect_timeout <= 0:
            raise InvalidSettings("common.mqtt.connect_timeout must be more than 0 seconds")

    @property
    def address(self) -> BrokerUrl:
        """The only one, or the first."""
        return self.addresses[0]

    @property
    def nodes(self) -> tuple[ConnectionSettings, ...]:
        """The same for each of the addresses alone."""
        urls = (self.url,) if isinstance(self.url, str) else self.url
        return tuple(replace(self, url=url) for url in urls)

    @property
    def user(self) -> str | None:
        """The user name that counts."""
        return self.username if self.username is not None else self.address.username

    @property
    def secret(self) -> str | None:
        """The password that counts."""
        return self.password if self.password is not None else self.address.password


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidSettings(f"{name} is {value}: write a number from {least} to {most}")
