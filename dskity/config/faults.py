"""From pydantic's validation errors to one `InvalidSettings` that names every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dskity.bus.errors import InvalidSettings
from dskity.config.masking import is_secret, mask_text
from dskity.config.nearest import fix
from dskity.config.schema import Node

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from dskity.config.layer import Layer

_KEY_ITSELF = "[key]"  # what pydantic adds to the location of a key that is at fault itself
SHOWN = 60  # characters of a refused value in a message


def invalid_settings(error: ValidationError, root: Node, layer: Layer) -> InvalidSettings:
    """All faults of `error`, each with its key, what is wrong, and where the value came from."""
    return together(dict.fromkeys(_fault(detail, root, layer) for detail in error.errors()))


def together(faults: Collection[str]) -> InvalidSettings:
    """One error for one fault or more."""
    if len(faults) == 1:
        return InvalidSettings(*faults)
    lines = "".join(f"\n  {fault}" for fault in faults)
    return InvalidSettings(f"{len(faults)} faults in the settings:{lines}")


def _fault(detail: ErrorDetails, root: Node, layer: Layer) -> str:
    path, section, node = _locate(detail["loc"], root)
    key = ".".join(map(str, path))
    origin = layer.origin(tuple(map(str, path)))
    place = f" ({origin})" if origin else ""
    if detail["type"] == "extra_forbidden":
        return f"{key}: no such key; {fix(str(path[-1]), section.fields)}{place}"
    if detail["type"] == "missing":
        return f"{key}: is missing: write it{place}"
    return f"{key}{_shown(detail['input'], path, node)}: {_reason(detail)}{place}"


def _locate(
    loc: tuple[int | str, ...], root: Node
) -> tuple[tuple[int | str, ...], Node, Node | None]:
    """The key path of pydantic's location, with the section it is in and its own node.

    Parts that are no keys, such as the names of a union's branches, are left out.
    """
    path: list[int | str] = []
    section, node = root, root
    if loc[-1:] == (_KEY_ITSELF,):
        loc = loc[:-1]
    for index, part in enumerate(loc):
        below = node.child(part)
        if below is None:
            if index == len(loc) - 1 and node.is_section:
                return (*path, part), node, None
            continue
        path.append(part)
        section, node = node, below
    return tuple(path), section, node


def _reason(detail: ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    for class_name in ("a valid dictionary or instance of", "a valid dictionary"):
        text = text.replace(class_name, "a section of keys")
    return text.partition(", unable to parse")[0]


def _shown(value: Any, path: tuple[int | str, ...], node: Node | None) -> str:
    secret = any(is_secret(str(part)) for part in path)
    if secret or node is None or node.is_section or not isinstance(value, str | int | float):
        return ""
    return f" = {mask_text(value)[:SHOWN]!r}" if isinstance(value, str) else f" = {value}"
