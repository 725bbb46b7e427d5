"""One module's access to the provider registry: what it offers, and what it takes."""

from __future__ import annotations

from typing import Any, TypeVar

from dskity.bus.bus import Bus
from dskity.bus.errors import Conflict, InvalidInput, Unavailable
from dskity.bus.message import Message
from dskity.modules.providers.ping import Ping
from dskity.modules.providers.provision import (
    Close,
    Factory,
    NamedType,
    Provision,
    is_extension_point,
)
from dskity.modules.providers.registry import RUNTIME, ProviderRegistry

T = TypeVar("T")
_RESERVED = (Message, Bus)
"""What the binding gives to handlers itself."""

_OWN_CHECKS = {"runtime", "mqtt", "broker", "tasks"}
"""The names of the readiness checks of the runtime itself."""


class Providers:
    """`owner` is the module; the runtime itself has one too."""

    def __init__(self, registry: ProviderRegistry, owner: str = RUNTIME) -> None:
        self.registry = registry
        self._owner = owner
        self._offered: list[Provision] = []
        self._open = True

    def scope(self, owner: str) -> Providers:
        """The access of one module."""
        return Providers(self.registry, owner)

    @property
    def offered(self) -> tuple[Provision, ...]:
        """What the module has offered, in that order."""
        return tuple(self._offered)

    def provide(
        self,
        kind: type | NamedType,
        factory: Factory,
        *,
        close: Close | None = None,
        ping: Ping | None = None,
        name: str | None = None,
    ) -> None:
        """See `TransportClients.provide`."""
        if not self._open:
            raise Conflict("call `provide` in `register`: later modules use the provided value")
        _check(kind, factory, close, ping)
        _check_name(kind, name)
        provision = Provision(kind, self._owner, factory, close=close, ping=ping, check=name)
        self.registry.add(provision)
        self._offered.append(provision)

    def get(self, kind: type[T]) -> T:
        """The value; `Unavailable` if no module provides it."""
        value = self.find(kind)
        if value is None:
            name = getattr(kind, "__name__", repr(kind))
            why = self.registry.why_not(kind)
            there = ", ".join(sorted(each.label for each in self.registry))
            raise Unavailable(
                f"no module provides {name}; there are {there}" + (f". {why}" if why else "")
            )
        return value

    def get_named(self, module: str, name: str) -> Any:
        """As `get`, without an import of the type."""
        provision = self.registry.find((module, name))
        if provision is None:
            raise Unavailable(f"no module provides {module}.{name}")
        return provision.get()

    def find(self, kind: type[T]) -> T | None:
        """The value; None if no module provides it."""
        provision = self.registry.find(kind, "" if self._owner == RUNTIME else self._owner)
        return None if provision is None else provision.get()

    def seal(self) -> None:
        """Nothing can be offered any more."""
        self._open = False

    def withdraw(self) -> list[Provision]:
        """Take back what the module has offered: the list, in the order to close it in."""
        self._open = False
        self.registry.forget_user(self._owner)
        offered, self._offered = self._offered, []
        for provision in offered:
            self.registry.remove(provision)
        return offered[::-1]


def _check_name(kind: object, name: str | None) -> None:
    if name is None and is_extension_point(kind):
        raise InvalidInput(
            f"provide({getattr(kind, '__name__', kind)}): pass name=, which is what it is known by"
        )
    if name in _OWN_CHECKS or (name or "").startswith(("mqtt:", "module:")):
        raise InvalidInput(f"provide(name={name!r}): readiness already has a check with this name")


def _check(kind: object, factory: object, close: object, ping: object) -> None:
    name = getattr(kind, "__name__", repr(kind))
    if not isinstance(kind, type | NamedType):
        raise InvalidInput(f"provide({name}): pass a class, as handlers annotate it")
    if kind in _RESERVED or getattr(kind, "__module__", "") == "builtins":
        raise InvalidInput(
            f"provide({name}): handlers receive {name} from the message: define your own class"
        )
    for word, value in (("factory", factory), ("close", close), ("ping", ping)):
        if not callable(value) and (value is not None or word == "factory"):
            raise InvalidInput(f"provide({name}): {word} is {value!r}: pass a function")
