"""JSON from outside, read within bounds: the one decoder for what anybody may have written.

Depth is bounded (200 levels), numbers to what fits (4,300 digits, no NaN, no infinity), text to
valid Unicode, and there is one error for all that is wrong. `json.loads` is not used on such bytes:
1 KB of `[` is a `RecursionError` there, and a lone surrogate passes, to fail where it is sent on.
"""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic_core import from_json

_MAY_OVERFLOW = re.compile(rb"[eE]\+?0*[1-9][0-9]{2}|[0-9]{309}")
"""In every number that is too large for a float; most texts have nothing that looks like it."""


class NotJson(ValueError):
    """The bytes are not JSON that can be read; the text says what is wrong and where."""


def parse_json(data: bytes | str) -> Any:
    """The value that `data` (UTF-8, or text) is JSON for; `NotJson` where it is none.

    The caller bounds the size: what is read here takes up to 20 times the memory of `data`.
    """
    try:
        encoded = data.encode() if isinstance(data, str) else data
        value = from_json(encoded, allow_inf_nan=False)
    except ValueError as error:  # UnicodeEncodeError is one
        raise NotJson(str(error)) from error
    if _MAY_OVERFLOW.search(encoded) and not _is_finite(value):
        raise NotJson("a number is larger than a 64-bit float can tell")
    return value


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list) else True
