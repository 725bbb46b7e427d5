"""MQTT 5 reason codes (spec 2.4) in words; 3.1.1's return codes are translated to them."""

from __future__ import annotations

from dskity.bus.errors import BrokerRefused

NO_MATCHING_SUBSCRIBERS = 0x10
FAILURE = 0x80  # and all above
UNSUPPORTED_VERSION = 0x84
BAD_CREDENTIALS = frozenset({0x86, 0x87, 0x8C})
NOT_AUTHORIZED = 0x87
TAKEN_OVER = 0x8E
# Refusals of a subscription that asking again does not change: not allowed, no such filter, or not
# a thing that the broker does. 3.1.1 has 0x80 for all of them.
FINAL = frozenset({NOT_AUTHORIZED, 0x8F, 0x9E, 0xA1, 0xA2})

_WORDS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "another connection took over our client id",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

# MQTT 3.1.1, table 3.1.
_RETURN_CODES = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}


def reason_code(code: int) -> int:
    """The MQTT 5 reason code of a CONNACK, which may carry a 3.1.1 return code."""
    return _RETURN_CODES.get(code, code)


def reason_text(code: int) -> str:
    """Such as `not authorized (0x87)`."""
    return f"{_WORDS.get(code, 'an unknown reason')} (0x{code:02X})"


def refusal(what: str, code: int) -> BrokerRefused:
    """The broker's no to `what`, which names our action and its topic or filter."""
    fix = ": allow it in the broker's ACL, or use another topic" if code == NOT_AUTHORIZED else ""
    return BrokerRefused(f"the broker refused {what}: {reason_text(code)}{fix}", code)
