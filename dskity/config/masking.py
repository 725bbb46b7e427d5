"""Hiding secrets in whatever is shown: `repr`, dumps, errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

MASK = "**********"
_NAMES = "password|passwd|passphrase|secrets?|tokens?|credentials?|api_?key|private_?key"
_SECRET_NAME = re.compile(rf"(^|_)({_NAMES})$")
# Greedy to the last @: a password with a slash in it must not show in the error about it.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s:]*:)\S*@")
_QUERY = re.compile(rf"([?&](?:\w+_)?(?:{_NAMES})=)[^&#\s]*", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a key of this name holds a secret, such as `password` or `github_token`."""
    return _SECRET_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()) is not None


def mask_text(text: str) -> str:
    """`text` with the passwords of every URL in it replaced."""
    return _QUERY.sub(rf"\g<1>{MASK}", _USERINFO.sub(rf"\g<1>{MASK}@", text))


def mask(value: Any, name: str = "") -> Any:
    """`value` of the key `name` with every secret replaced; models and containers become plain."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        return mask(dict(value))
    if isinstance(value, Mapping):
        return {key: mask(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item, name) for item in value]
    if is_secret(name) and isinstance(value, str | bytes | int) and value not in {"", True, False}:
        return MASK
    return mask_text(value) if isinstance(value, str) else value
