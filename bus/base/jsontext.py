"""JSON as it comes from outside, and as it leaves: the one decoder for what anybody may have
written, and the encoder that writes nothing which that decoder refuses.

Depth is bounded (200 levels), numbers to what fits (4,300 digits, no NaN, no infinity), text to
valid Unicode, and there is one error for all that is wrong. `json.loads` is not used on such bytes:
1 KB of `[` is a `RecursionError` there, and a lone surrogate passes, to fail where it is sent on.
A house test holds that.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json

_MAY_OVERFLOW = re.compile(rb"[eE]\+?0*[1-9][0-9]{2}|[0-9]{309}")
"""In every number that is too large for a float; most texts have nothing that looks like it."""
_NO_NUMBERS = (b"NaN", b"Infinity")  # in a text these words are fine
_NO_NAN = "JSON has neither NaN nor infinity: write null or a text for it"
_LEVELS = 199  # arrays and objects inside one another; the decoder takes 200


class NotJson(ValueError):
    """The bytes are not JSON that can be read, or a value has no JSON; the text says what is wrong
    and where."""


def parse_json(data: bytes | str, *, most: int | None = None) -> Any:
    """The value that `data` (UTF-8, or text) is JSON for; `NotJson` where it is none, or where it
    has more than `most` bytes.

    The caller bounds the size: what is read here takes up to 20 times the memory of `data`.
    """
    if most is not None and len(data) > most:
        raise NotJson(f"{len(data)} bytes: at most {most} are read")
    try:
        encoded = data.encode() if isinstance(data, str) else data
        value = from_json(encoded, allow_inf_nan=False)
    except ValueError as error:  # UnicodeEncodeError is one
        raise NotJson(str(error)) from error
    if _MAY_OVERFLOW.search(encoded) and not _is_finite(value):
        raise NotJson("a number is too large for a 64-bit float")
    return value


def write_json(value: Any) -> bytes:
    """`value` (JSON values, models, dataclasses, and what else pydantic can write) as JSON.

    `NotJson` where it is or holds NaN, an infinity, a lone surrogate, or something that JSON has no
    form for.

    In a model the model decides: one whose config sets `ser_json_inf_nan` gets what that says, as
    far as it is JSON.
    """
    try:
        if isinstance(value, BaseModel):
            encoded: bytes = value.__pydantic_serializer__.to_json(value)
        else:
            encoded = to_json(value)
    except ValueError as error:
        raise NotJson(_first_line(error)) from error
    if encoded.count(b"[") + encoded.count(b"{") > _LEVELS:
        parse_json(encoded)  # are they inside one another, it refuses them
    # A plain value is written `NaN`; a model's is `null`, which only a look at the model can tell.
    if any(word in encoded for word in _NO_NUMBERS) and not _is_json(encoded):
        raise NotJson(_NO_NAN)
    if b"null" in encoded and not _is_finite(value):
        raise NotJson(_NO_NAN)
    return encoded


def _is_json(encoded: bytes) -> bool:
    try:
        parse_json(encoded)
    except NotJson:
        return False
    return True


def _first_line(error: ValueError) -> str:
    return str(error).partition("\n")[0]


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, BaseModel):
        chosen = "ser_json_inf_nan" in value.model_config
        return chosen or all(map(_is_finite, value.__dict__.values()))
    if dataclasses.is_dataclass(value):
        return all(_is_finite(getattr(value, f.name, None)) for f in dataclasses.fields(value))
    return all(map(_is_finite, value)) if isinstance(value, list | tuple) else True
