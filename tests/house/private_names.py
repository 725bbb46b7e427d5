"""Which private names of other libraries the source uses: found by reading it and its classes."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

ROOT = Path(__file__).parents[2]
FLOORS = ("bus", "broker", "handlers", "modules", "dskity")
DOCUMENTED = {("os", "_exit"), ("sys", "_getframe"), ("sys", "_current_frames")}
"""Names of Python that begin with an underscore, and are in its reference all the same."""


def sources() -> Iterator[Path]:
    """The files of the program, those that are generated excepted."""
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            inside = path.relative_to(ROOT)
            linked = floor == "dskity" and inside.parts[1] in FLOORS
            if not linked and "grpc/v1" not in inside.as_posix():
                yield path


def is_private(name: str) -> bool:
    """Whether it has one leading underscore, and is a name."""
    return name.startswith("_") and not name.startswith("__") and name != "_"


def reached_for(path: Path) -> set[str]:
    """The private names that a file takes from something else than itself: attributes of anything
    but `self` and `cls`, and parts of modules that it imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                pass
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                if is_private(name) and (owner, name) not in DOCUMENTED:
                    found.add(name)
            case ast.Attribute(attr=name) if is_private(name):
                found.add(name)
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith("dskity"):
                parts = [*module.split("."), *(alias.name for alias in names)]
                found |= {part for part in parts if is_private(part)}
            case ast.Import(names=names):
                parts = [part for alias in names for part in alias.name.split(".")]
                found |= {part for part in parts if is_private(part)}
    return found


def own_names(path: Path) -> set[str]:
    """The private names that a file gives to attributes, methods and functions of its own."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return {name for name in found if is_private(name)}


def inherited(path: Path) -> set[tuple[str, str]]:
    """The private names of foreign base classes that the classes of a file override or use, each
    with the distribution's top-level module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.ClassDef) and node.bases for node in ast.walk(tree)):
        return set()
    parts = path.relative_to(ROOT).with_suffix("").parts
    dotted = ".".join(parts if parts[0] == "dskity" else ("dskity", *parts))
    module = importlib.import_module(dotted.removesuffix(".__init__"))
    found: set[tuple[str, str]] = set()
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            found |= _of_bases(value)
    return found


def _of_bases(cls: type) -> set[tuple[str, str]]:
    foreign = [base for base in cls.__mro__ if _is_foreign(base)]
    if not foreign:
        return set()
    used = _mentioned(cls)
    return {
        (base.__module__.split(".")[0], name)
        for base in foreign
        for name in _private_of(base) & used
    }


def _is_foreign(cls: type) -> bool:
    top = cls.__module__.split(".")[0]
    return top not in sys.stdlib_module_names and top not in {"dskity", "pydantic", "builtins"}


def _private_of(cls: type) -> set[str]:
    """What it defines, and what its functions store in `self`."""
    names = set(vars(cls))
    for value in vars(cls).values():
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            names |= set(function.__code__.co_names)
    return {name for name in names if is_private(name)}


def _mentioned(cls: type) -> set[str]:
    """What the body of a class of ours names after `self`, after `super()`, or as a method."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found.add(name)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
    return found
