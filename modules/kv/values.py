"""What a key, a value, a time to live and a version may be; each error names the fix.

A value is kept *frozen*: a JSON scalar as it is (immutable, so it cannot be changed behind our
back), everything else as its JSON bytes. Freezing copies, so no caller's object is ever shared.
"""

from __future__ import annotations

import json
import math
from types import NoneType
from typing import Any, TypeAlias

from pydantic_core import to_json as encode_plain

from dskity.bus.base.jsontext import parse_json
from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidInput

Frozen: TypeAlias = str | int | float | bool | bytes | None

MAX_KEY_BYTES = 16_384
"""With every byte percent-encoded such a key still fits in an event's topic (65,535 bytes)."""
_SHOWN = 100  # characters of a key in an error
MIN_TTL = 0.001
MAX_TTL = 1e9
"""32 years: in microseconds and added to the Unix time it is still an exact double (for Redis)."""

_SURELY_FLAT = 199
"""So many arrays and objects can be read in any arrangement: the decoder takes 200 levels."""
_SCALARS = frozenset({str, int, bool, NoneType})
_TEXT = frozenset({str})
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def freeze(value: Any) -> Frozen:
    """`value` as a store keeps it; `InvalidInput` where it is not JSON."""
    kind = type(value)
    if value is None or kind is int or kind is bool or (kind is str and value.isascii()):
        return value  # type: ignore[no-any-return]  # just checked
    if kind is float and math.isfinite(value):
        return value  # type: ignore[no-any-return]  # just checked
    return to_json(value)


def thaw(frozen: Frozen) -> Any:
    """A new value, equal to what was frozen."""
    return parse_json(frozen) if type(frozen) is bytes else frozen


def to_json(value: Any) -> bytes:
    """The JSON bytes of `value`; `InvalidInput` where it is not JSON."""
    try:
        encoded = encode_plain(value) if _plain(value) else _encode(value).encode()
        if encoded.count(b"[") + encoded.count(b"{") > _SURELY_FLAT:
            parse_json(encoded)  # what could not be read again is told now
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"a {type(value).__name__} cannot be stored: {error}; a value is JSON: "
            "str, int, finite float, bool, None, and lists and dicts of these"
        ) from error
    return encoded


def _plain(value: Any) -> bool:
    """Whether `value` holds exactly the types of JSON: these pydantic encodes, in a sixth of the
    time. It takes much that is not JSON too (dates, sets); the standard library tells."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is float:
        return math.isfinite(value)
    if kind is dict:
        return set(map(type, value)) <= _TEXT and all(map(_plain, value.values()))
    return kind is list and all(map(_plain, value))


def check_key(key: Any) -> None:
    """`InvalidInput` where `key` cannot be a key."""
    if not isinstance(key, str) or not key:
        raise InvalidInput(f"key {key!r}: write a text of at least one character")
    if len(key) <= MAX_KEY_BYTES and key.isascii() and key.isprintable():
        return
    fault = fault_in(key)
    if fault is not None:
        raise InvalidInput(f"key {key[:_SHOWN]!r} has {fault}: leave it out")
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        raise InvalidInput(f"a key of {size} bytes: at most {MAX_KEY_BYTES} are allowed")


def check_ttl(seconds: Any) -> float | None:
    """A time to live as stores take it: None for never; `InvalidInput` where it is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(f"ttl_seconds {seconds!r}: write seconds as a number")
    if seconds == 0:
        return None
    if not MIN_TTL <= seconds <= MAX_TTL:  # NaN and infinity fail too
        raise InvalidInput(
            f"ttl_seconds {seconds!r}: write {MIN_TTL:g} to {MAX_TTL:g} seconds, 0 for never, "
            "or leave it out for the default"
        )
    return float(seconds)


def check_version(if_version: Any) -> None:
    """`InvalidInput` where `if_version` cannot be a version."""
    if if_version is None:
        return
    if isinstance(if_version, bool) or not isinstance(if_version, int) or if_version < 0:
        raise InvalidInput(
            f"if_version {if_version!r}: write the version that was read, or 0 for a key that "
            "must not exist"
        )
