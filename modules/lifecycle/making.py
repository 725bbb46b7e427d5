"""From imported code to instances of modules: `get_module`, or the classes of the contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dskity.bus.errors import InvalidInput, ModuleFailed
from dskity.handlers.declare import declared
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.failure import describe
from dskity.modules.lifecycle.shape import check_register, claims, meta_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where code comes from. `source` is its file, or the package that was installed, for people;
    `home` the dotted name that it lies under; `promised` whether the settings say that a module is
    in it; `file` what errors name."""

    name: str
    source: str
    home: str
    file: str
    promised: bool = True

    def at(self, thing: Any) -> str:
        """`file:line` of a class or function."""
        try:
            return f"{self.file}:{inspect.getsourcelines(thing)[1]}"
        except (OSError, TypeError):
            return self.file

    def fails(
        self, reason: str, name: str | None = None, cause: BaseException | None = None
    ) -> DiscoveredModule:
        """The module that cannot be started, with the reason."""
        name = name or self.name
        error = ModuleFailed(name, reason)
        error.__cause__ = cause
        return DiscoveredModule(name, self.source, error=error, home=self.home)


def contained(
    read: Callable[[], Iterable[DiscoveredModule]], origin: Origin
) -> list[DiscoveredModule]:
    """What `read()` finds. It looks at objects of a module's own, and each look may run code of
    the module (`__getattr__`, a property): an error of that is the failure of this module."""
    try:
        return list(read())
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # noqa: BLE001  # that code raises anything
        reason = f"{origin.file}: it cannot be read: {describe(error, origin.home)}"
        return [origin.fails(reason, cause=error)]


def modules_in(code: ModuleType, origin: Origin) -> Iterator[DiscoveredModule]:
    """The modules of imported code; where it has none and should, why."""
    makers = _makers(code, origin.home)
    if not makers and declared(code):
        yield origin.fails(
            f"{origin.file}: its @on functions are never called: make them methods of a class "
            "Module, or begin the file's name with _ if another module subscribes them"
        )
    elif not makers and origin.promised:
        yield origin.fails(
            f"{origin.file}: there is no module in it: write a class with "
            "meta = ModuleMeta(…) and def register(self, clients, config)"
        )
    for maker in makers:
        yield make(maker, origin)


def _makers(code: ModuleType, home: str) -> list[Callable[[], Any]]:
    """What to call for instances: `get_module`, or else the classes of the contract."""
    maker = getattr(code, "get_module", None)
    if callable(maker):
        return [maker]
    own = [
        value
        for value in dict.fromkeys(v for v in vars(code).values() if isinstance(v, type))
        if f"{value.__module__}.".startswith(f"{home}.") and claims(value)
    ]
    return [cls for cls in own if hasattr(cls, "meta") or not _is_base(cls, own)]


def _is_base(cls: type, classes: list[type]) -> bool:
    return any(cls in other.__mro__[1:] for other in classes)


def make(maker: Callable[[], Any], origin: Origin) -> DiscoveredModule:
    """What `maker()` makes, checked against the contract."""
    name = getattr(getattr(maker, "meta", None), "name", None)
    name = name if isinstance(name, str) and name else origin.name
    label = f"{origin.at(maker)}: {getattr(maker, '__name__', 'get_module')}"
    try:
        module = maker()
        if isinstance(module, type):
            module = module()
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # noqa: BLE001  # a constructor runs anything
        return origin.fails(
            f"{label}() failed: {describe(error, origin.home)}: it is called without arguments",
            name,
            error,
        )
    try:
        check_register(module)
        return DiscoveredModule(meta_of(module).name, origin.source, module, home=origin.home)
    except InvalidInput as error:
        return origin.fails(f"{label}: {error}", name)
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # noqa: BLE001  # `meta` and `register` may be properties
        said = describe(error, origin.home)
        return origin.fails(f"{label}: `meta` or `register` failed: {said}", name, error)
