"""Private names of other libraries: which this program uses and why, and whether an installed
version has them.

A private name may be gone with the next release. So each library has one file that names them, the
versions they were tested with are pinned, and importing that file reports a missing name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from types import FunctionType

from dskity.bus.errors import Unsupported


class MissingPrivateName(Unsupported):
    """The installed version of a library lacks a private name that this program uses."""


@dataclass(frozen=True, slots=True)
class PrivateName:
    """`owner` is a module, or a class as `module:Class`; `why` says what there is no public name
    for."""

    owner: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.owner.replace(':', '.')}.{self.name}"

    @property
    def exists(self) -> bool:
        """Whether the installed version has it, also as an attribute of instances."""
        try:
            return _has(_find(self.owner), self.name)
        except (ImportError, AttributeError):
            return False


@dataclass(frozen=True, slots=True)
class Library:
    """`distribution` is its name on PyPI, `tested` are the lowest and the newest version that the
    tests have passed with, `fallback` is what to do with another one, if there is anything."""

    distribution: str
    tested: tuple[str, str]
    fallback: str | None
    names: tuple[PrivateName, ...]

    def check(self) -> None:
        """Raise `MissingPrivateName` where the installed version lacks a name."""
        missing = [str(name) for name in self.names if not name.exists]
        if missing:
            lowest, newest = self.tested
            raise MissingPrivateName(
                f"{self.distribution} {metadata.version(self.distribution)} has no "
                f"{', '.join(missing)}; the versions from {lowest} to {newest} have. Install one "
                f"of them{f', or {self.fallback}' if self.fallback else ''}"
            )


def _find(owner: str) -> object:
    module, _, name = owner.partition(":")
    found: object = importlib.import_module(module)
    return getattr(found, name) if name else found


def _has(owner: object, name: str) -> bool:
    if hasattr(owner, name):
        return True
    if isinstance(owner, type):
        return any(name in function.__code__.co_names for function in _functions(owner))
    try:  # a module that nobody has imported yet
        importlib.import_module(f"{getattr(owner, '__name__', '')}.{name}")
    except ImportError:
        return False
    return True


def _functions(owner: type) -> Iterator[FunctionType]:
    """Those of a class and its bases: attributes of instances stand in their code."""
    for each in owner.__mro__:
        for value in vars(each).values():
            function: object = getattr(value, "__func__", value)
            if isinstance(function, FunctionType):
                yield function


def names_of(owner: str, reasons: dict[str, str]) -> tuple[PrivateName, ...]:
    """The names of one owner, from name to reason."""
    return tuple(PrivateName(owner, name, why) for name, why in reasons.items())
