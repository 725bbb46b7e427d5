"""One offer of a module: a type, and the value that is made once, pinged, and closed."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeGuard, TypeVar, cast

from dskity.bus.errors import InvalidInput, Unavailable
from dskity.modules.providers.ping import Ping

Factory: TypeAlias = Callable[[], Any]
"""Makes the value; it may be a coroutine function. It runs on the event loop."""
Close: TypeAlias = Callable[[Any], Awaitable[object] | object]
"""Ends the value; it may be a coroutine function. It runs on the event loop."""


T = TypeVar("T", bound=type)
_MANY = "__dskity_extension_point__"
_LATER = "made by a coroutine after `register`: ask for it in `on_startup` or later"
_logger = logging.getLogger(__name__)


def extension_point(kind: T) -> T:
    """Mark a type of which every module may provide one or more, each under a name."""
    setattr(kind, _MANY, True)
    return kind


def is_extension_point(kind: object) -> bool:
    """Whether `extension_point` has marked it."""
    return isinstance(kind, type) and _MANY in vars(kind)


@dataclass(frozen=True, slots=True)
class NamedType:
    """A type given by name, so that it is not imported before a handler has it."""

    module: str
    name: str

    def load(self) -> type:
        """The type."""
        return cast("type", getattr(importlib.import_module(self.module), self.name))


class Provision:
    """What `owner`, a module, provides for `kind`; `check` is the name that readiness gives it."""

    def __init__(
        self,
        kind: type | NamedType,
        owner: str,
        factory: Factory,
        *,
        close: Close | None = None,
        ping: Ping | None = None,
        check: str | None = None,
    ) -> None:
        self.kind = kind
        self.owner = owner
        self.ping = ping
        self.check = check or f"{owner}.{self.label}"
        self._factory = factory
        self._close = close
        self._value: Any = None
        self._state: Literal["unmade", "being made", "made", "closed"] = "unmade"
        self._given_up = False

    @property
    def label(self) -> str:
        """The name of the type."""
        return self.kind.name if isinstance(self.kind, NamedType) else self.kind.__name__

    @property
    def key(self) -> object:
        """Equal for two provisions that cannot be there together."""
        kind = self.kind
        if is_extension_point(kind):
            return kind, self.check
        return (kind.module, kind.name) if isinstance(kind, NamedType) else kind

    @property
    def made(self) -> bool:
        """Whether there is a value."""
        return self._state == "made"

    def load(self) -> type:
        """The type, imported where it was given by name."""
        return self.kind.load() if isinstance(self.kind, NamedType) else self.kind

    def get(self) -> Any:
        """The value; a plain factory is called where that has not happened yet.

        Raises `Unavailable` where there is none yet, or no more.
        """
        if self._state == "made":
            return self._value
        if self._state != "unmade" or inspect.iscoroutinefunction(self._factory):
            raise Unavailable(f"{self.label} of {self.owner} is {self._because()}")
        with self._making():
            value = self._factory()
            if inspect.isawaitable(value):
                _discard(value)
                raise Unavailable(f"{self.label} of {self.owner} is {_LATER}")
            self._take(value)
        return self._value

    async def make(self) -> None:
        """Make the value, unless it is there."""
        if self._state == "made":
            return
        if self._state != "unmade":
            raise Unavailable(f"{self.label} of {self.owner} is {self._because()}")
        with self._making():
            value = self._factory()
            if inspect.isawaitable(value):
                value = await value
            if self._given_up:
                await self._end_late(value)
            self._take(value)

    def give_up(self) -> None:
        """There will be no value: what a factory that still runs returns is closed at once."""
        self._given_up, self._state = True, "closed"

    async def end(self) -> None:
        """Close the value, where there is one."""
        made, self._state = self.made, "closed"
        value, self._value = self._value, None
        if made:
            await self._end_value(value)

    async def _end_value(self, value: Any) -> None:
        if self._close is not None:
            result = self._close(value)
            if inspect.isawaitable(result):
                await result

    async def _end_late(self, value: Any) -> None:
        """Its factory did not return in time, nor end by its cancellation."""
        _logger.warning("module %s: %s was made too late and is closed", self.owner, self.label)
        try:
            await self._end_value(value)
        except Exception:  # nobody waits for it any more
            _logger.exception("module %s: close of %s failed", self.owner, self.label)
        raise Unavailable(f"{self.label} of {self.owner} is closed")

    @contextlib.contextmanager
    def _making(self) -> Iterator[None]:
        """One call of the factory; where it fails, the next one may try again."""
        self._state = "being made"
        try:
            yield
        finally:
            if self._state == "being made":
                self._state = "unmade"

    def _because(self) -> str:
        if self._state == "closed":
            return "closed"
        if self._state == "being made":
            return "being made: its factory may not ask for it"
        return _LATER

    def _take(self, value: Any) -> None:
        if value is None:
            raise InvalidInput(f"the factory of {self.label} returned None: return the value")
        if _is_checkable(self.kind) and not isinstance(value, self.kind):
            raise InvalidInput(
                f"the factory of {self.label} returned a {type(value).__name__}: return a "
                f"{self.label}, or provide the type that it returns"
            )
        self._value, self._state = value, "made"


def _is_checkable(kind: type | NamedType) -> TypeGuard[type]:
    """Whether `isinstance` can tell; it cannot for a protocol."""
    return isinstance(kind, type) and not getattr(kind, "_is_protocol", False)


def _discard(value: Any) -> None:
    """A coroutine that is not awaited is a warning unless it is closed."""
    if inspect.iscoroutine(value):
        value.close()
