"""Whether an object has the contract's shape, and what its meta says.

No base class is asked for: `meta` may be any object with `name` and `base_path`, and `register` any
callable that takes `clients` and `config`.
"""

from __future__ import annotations

import inspect
from typing import Any

from dskity.bus.errors import InvalidInput
from dskity.modules.contract import ModuleMeta

_WRITE = 'write meta = ModuleMeta(name="health", base_path="/health")'


def claims(cls: type) -> bool:
    """Whether a class means to be a module, rightly or wrongly made."""
    if cls.__name__.startswith("_") or inspect.isabstract(cls):
        return False
    if callable(register := getattr(cls, "register", None)):
        return hasattr(cls, "meta") or _takes_clients(register)
    meta = getattr(cls, "meta", None)
    return hasattr(meta, "name") and hasattr(meta, "base_path")


def _takes_clients(register: Any) -> bool:
    try:
        names = list(inspect.signature(register).parameters)
    except (TypeError, ValueError):
        return False
    return names[-2:] == ["clients", "config"]


def meta_of(module: Any) -> ModuleMeta:
    """The module's meta as ours, every field checked; `InvalidInput` says what to write."""
    meta = getattr(module, "meta", None)
    if meta is None:
        raise InvalidInput(f"there is no `meta`: {_WRITE}")
    if not hasattr(meta, "name") or not hasattr(meta, "base_path"):
        raise InvalidInput(
            f"`meta` is a {type(meta).__name__} without .name and .base_path: {_WRITE}"
        )
    return ModuleMeta(
        _name(meta.name),
        _path(meta.base_path or ""),
        _names(getattr(meta, "depends_on", ()) or ()),
        _text("version", getattr(meta, "version", "0")),
    )


def check_register(module: Any) -> None:
    """`InvalidInput` where `register(clients, config)` cannot be called."""
    register = getattr(module, "register", None)
    if not callable(register):
        raise InvalidInput("there is no `register`: write def register(self, clients, config)")
    signature = inspect.signature(register)
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise InvalidInput(
            f"`register{signature}` is called with clients and config ({error}): "
            "write def register(self, clients, config)"
        ) from error


def _name(value: object) -> str:
    text = _text("name", value)
    if not text.strip() or "/" in text:
        raise InvalidInput(f"meta.name is {text!r}: at least one character, and no '/'")
    return text


def _path(value: object) -> str:
    text = _text("base_path", value)
    if text and not text.startswith("/"):
        raise InvalidInput(f"meta.base_path is {text!r}: begin it with a slash: {f'/{text}'!r}")
    return text


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise InvalidInput(
            f"meta.depends_on is {value!r}: write a tuple of module names, such as ('kv',)"
        )
    return tuple(_text("depends_on", entry) for entry in value)


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"meta.{field} is {value!r} ({type(value).__name__}): write a str")
    return value
