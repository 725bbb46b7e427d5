"""Importing users' code: folders under private names, and failures told apart.

A folder is imported as a package `_dskity_modules_<hash>`, so that nothing in it shadows, or is
shadowed by, an installed package; relative imports inside it work.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from dskity.bus.errors import ModuleFailed
from dskity.modules.lifecycle.failure import describe, place, shown

_PREFIX = "_dskity_modules_"


def private_package(folder: Path) -> str:
    """The name of the package that stands for `folder`; it is made on first use."""
    path = str(folder.resolve())
    name = _PREFIX + hashlib.sha256(path.encode()).hexdigest()[:12]
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [path]
        sys.modules[name] = importlib.util.module_from_spec(spec)
    return name


def load(module: str, target: str, home: str, folder: Path | None = None) -> ModuleType:
    """Import `target`, the code of `module`; `ModuleFailed` says why it cannot be imported.

    `home` is the dotted name that all the module's code lies under, `folder` its search path,
    None for an installed package.
    """
    try:
        return importlib.import_module(target)
    except SyntaxError as error:
        raise ModuleFailed(module, _syntax(error)) from error
    except ModuleNotFoundError as error:
        raise ModuleFailed(module, _missing(error, home, folder)) from error
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # an import runs whatever is written there
        raise ModuleFailed(module, f"its import failed: {describe(error, home)}") from error


def _syntax(error: SyntaxError) -> str:
    line = (error.text or "").strip()
    where = f"{shown(error.filename or '?')}:{error.lineno}"
    return f"{where}: {error.msg}: {line}" if line else f"{where}: {error.msg}"


def _missing(error: ModuleNotFoundError, home: str, folder: Path | None) -> str:
    where = place(error, home)
    if error.name is None:
        return f"its import failed: {describe(error, home)}"
    return f"{where}: {_mend(error.name, folder)}" if where else _mend(error.name, folder)


def _mend(missing: str, folder: Path | None) -> str:
    top, _, rest = missing.partition(".")
    if folder is not None and top.startswith(_PREFIX):
        return f"it imports {rest!r}, which is not in {shown(folder)}"
    if folder is not None and ((folder / top).is_dir() or (folder / f"{top}.py").is_file()):
        return (
            f"{top!r} is next to it in {shown(folder)}: import it relatively "
            f"(from ..{top} import … in a folder, from .{top} import … in a single file)"
        )
    if top in sys.modules or importlib.util.find_spec(top) is not None:
        return f"the package {top!r} is installed, but has no {missing!r}: check its version"
    return f"the package {top!r} is not installed: install it (pip install {top}?)"
