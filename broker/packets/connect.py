"""CONNECT, as a broker reads it (MQTT 5 spec 3.1, 3.1.1 the same without properties)."""

from __future__ import annotations

from dataclasses import dataclass, field

from dskity.broker.packets import properties, values
from dskity.broker.packets.forwarded import Forwarded
from dskity.broker.packets.properties import Table, read_table, strict_text
from dskity.broker.packets.values import Malformed

_V4, _V5 = 4, 5
_NAMES = {b"MQTT", b"MQIsdp"}  # the second is 3.1's
_RESERVED, _CLEAN, _WILL, _WILL_QOS, _WILL_RETAIN, _PASSWORD, _USER = (
    1,
    2,
    4,
    0x18,
    0x20,
    0x40,
    0x80,
)
_HIGHEST_QOS = 2
_PROTOCOL_ERROR, _UNSUPPORTED, _TOPIC_INVALID = 0x82, 0x84, 0x90


class OtherVersion(Malformed):
    """A CONNECT of a protocol version that is not spoken here; `level` is the one it names."""

    def __init__(self, level: int) -> None:
        super().__init__(f"a CONNECT of protocol level {level}", _UNSUPPORTED)
        self.level = level


@dataclass(frozen=True, slots=True)
class Will:
    """What to publish when the client vanishes, `delay` seconds later."""

    message: Forwarded
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Connect:
    """One CONNECT. `session_expiry` is in seconds, None where it says nothing; `method` is that of
    an enhanced authentication. The defaults are MQTT 5's."""

    five: bool
    client_id: str
    clean: bool
    keepalive: int
    will: Will | None = None
    user: str | None = None
    password: bytes | None = field(default=None, repr=False)
    session_expiry: int | None = None
    receive_maximum: int = 65_535
    max_packet: int | None = None
    method: str | None = None


def read_connect(header: int, body: bytes) -> Connect:
    """Raises `Malformed`, and `OtherVersion` for what is neither 3.1.1 nor 5."""
    name, at = values.binary(body, 0)
    if header != 0x10 or name not in _NAMES:  # noqa: PLR2004  # CONNECT, with no flags
        raise Malformed("something else than CONNECT", _PROTOCOL_ERROR)
    level, at = values.byte(body, at)
    if level not in {_V4, _V5} or name != b"MQTT":
        raise OtherVersion(level)
    five = level == _V5
    flags, at = values.byte(body, at)
    _check_flags(flags, five=five)
    keepalive, at = values.two_bytes(body, at)
    table = Table()
    if five:
        table, at = read_table(body, at, properties.OF_CONNECT)
        if properties.DATA in table.found and properties.METHOD not in table.found:
            raise Malformed("authentication data without a method", _PROTOCOL_ERROR)
    client_id, at = strict_text(body, at)
    will: Will | None = None
    if flags & _WILL:
        will, at = _read_will(flags, body, at, five=five)
    user: str | None = None
    password: bytes | None = None
    if flags & _USER:
        user, at = strict_text(body, at)
    if flags & _PASSWORD:
        password, at = values.binary(body, at)
    if at != len(body):
        raise Malformed("a CONNECT with more than it says")
    return Connect(
        five,
        client_id,
        flags & _CLEAN != 0,
        keepalive,
        will,
        user,
        password,
        table.found.get(properties.SESSION_EXPIRY),
        table.number(properties.RECEIVE_MAXIMUM, 65_535),
        table.found.get(properties.MAX_PACKET),
        table.found.get(properties.METHOD),
    )


def _check_flags(flags: int, *, five: bool) -> None:
    """[MQTT-3.1.2-3], [MQTT-3.1.2-11] and their like."""
    qos = (flags & _WILL_QOS) >> 3
    bad_will = not flags & _WILL and flags & (_WILL_QOS | _WILL_RETAIN)
    lone_password = not five and flags & _PASSWORD and not flags & _USER
    if flags & _RESERVED or qos > _HIGHEST_QOS or bad_will or lone_password:
        raise Malformed(f"a CONNECT with the flags {flags:#04x}")


def _read_will(flags: int, body: bytes, at: int, *, five: bool) -> tuple[Will, int]:
    table = Table()
    if five:
        table, at = read_table(body, at, properties.OF_WILL)
    topic, at = strict_text(body, at)
    payload, at = values.binary(body, at)
    if not topic or "+" in topic or "#" in topic:
        raise Malformed(f"a will to {topic!r:.80}", _TOPIC_INVALID)
    message = Forwarded(
        topic,
        payload,
        (flags & _WILL_QOS) >> 3,
        flags & _WILL_RETAIN != 0,
        table.passed_on,
        table.found.get(properties.EXPIRY),
    )
    return Will(message, table.number(properties.WILL_DELAY, 0)), at
