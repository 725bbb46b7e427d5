"""From the text of an environment variable or `--set` to the value of a key."""

from __future__ import annotations

import json
from typing import Any

from dskity.bus.errors import InvalidSettings
from dskity.config.schema import ANYTHING, Node


def decode(node: Node, text: str, origin: str) -> Any:
    """The value of `text` for a key: JSON for sections, JSON or commas for lists, else text.

    Numbers and booleans stay text, which the key's model turns into what it wants.
    """
    if text.startswith("{") and node.is_section:
        return _json(text, origin)
    if node.nullable and not text:
        return None
    if text.startswith("[") and (node.items is not None or node is ANYTHING):
        return _json(text, origin)
    if node.items is not None and node.items.annotation is str:
        return [part.strip() for part in text.split(",")] if text else []
    return text


def _json(text: str, origin: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        # The text itself stays out of the message: it may hold a secret.
        raise InvalidSettings(f"{origin}: not JSON: {error.args[0]}") from None
