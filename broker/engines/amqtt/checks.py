"""What MQTT 3.1.1 demands of a client's packet, and amqtt does not check.

Of a malformed one amqtt's reading task may end, with the connection left open and deaf.
"""

from __future__ import annotations

from dskity.broker.packets.incoming import decode
from dskity.broker.packets.values import Malformed

CONNECT, PUBLISH, PUBREL, SUBSCRIBE, UNSUBSCRIBE = 1, 3, 6, 8, 10
_FROM_BROKER = frozenset({2, 9, 11, 13})  # CONNACK, SUBACK, UNSUBACK, PINGRESP
_IDENTIFIED = frozenset({4, 5, PUBREL, 7, SUBSCRIBE, UNSUBSCRIBE})
_FLAGS = {PUBREL: 0b0010, SUBSCRIBE: 0b0010, UNSUBSCRIBE: 0b0010}  # 0 in all others ([MQTT-2.2.2])
_QOS, _NO_QOS = 0b0110, 0b0110  # both bits of it are no QoS
_HIGHEST_QOS = 2


def check(first: int, body: bytes) -> None:
    """`first` is the first byte, `body` what follows the length; `ValueError` says what is wrong.

    CONNECT, PINGREQ, DISCONNECT and the reserved types are left to amqtt.
    """
    kind = first >> 4
    if kind == PUBLISH:
        _check_publish(first, body)
    elif kind in _FROM_BROKER:
        raise ValueError(f"a packet of type {kind}, which only a broker sends")
    elif kind in _IDENTIFIED:
        if first & 0x0F != _FLAGS.get(kind, 0):
            raise ValueError(f"a packet of type {kind} with the flags {first & 0x0F:#x}")
        _check_identifier(body)
        if kind in {SUBSCRIBE, UNSUBSCRIBE}:
            _check_filters(body, rated=kind == SUBSCRIBE)


def _check_publish(first: int, body: bytes) -> None:
    """[MQTT-3.3.1-4]; the rest as for what a broker sends to us."""
    if first & _QOS == _NO_QOS:
        raise ValueError("a PUBLISH of QoS 3")
    try:
        decode(first, body, five=False)
    except Malformed as error:
        raise ValueError(str(error)) from error


def _check_identifier(body: bytes) -> None:
    """[MQTT-2.3.1-1]."""
    if not int.from_bytes(body[:2], "big") or len(body) < 2:  # noqa: PLR2004  # its two bytes
        raise ValueError("a packet without a packet identifier")


def _check_filters(body: bytes, *, rated: bool) -> None:
    """[MQTT-3.8.3], [MQTT-3.10.3]: at least one; `rated`: each with its QoS."""
    at = 2
    while at < len(body) or at == 2:  # noqa: PLR2004  # behind the packet identifier
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        if not body[at + 2 : end].decode() or end + rated > len(body):
            raise ValueError("a list of filters that is empty or ends early")
        if rated and body[end] > _HIGHEST_QOS:
            raise ValueError(f"a subscription with QoS {body[end]}")
        at = end + rated
