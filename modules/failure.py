"""An error as people need it: one sentence, the place in the module, and a digest to compare by."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from dskity.bus.errors import DSkityError
from dskity.bus.text import escape


def describe(error: BaseException, home: str) -> str:
    """What went wrong, on one line, and where in the code of `home` (a dotted name) it did."""
    where, text = place(error, home), escape(_text(error))
    return f"{text} ({where})" if where else text


def place(error: BaseException, home: str) -> str:
    """`file:line` of the innermost frame inside `home`; empty where there is none."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        name = frame.f_globals.get("__name__", "")
        if name == home or name.startswith(f"{home}."):
            return f"{shown(frame.f_code.co_filename)}:{line}"
    return ""


def shown(file: str | Path) -> str:
    """A path as people read it: relative where it lies below the working directory."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def digest(error: BaseException) -> str:
    """12 hex digits, equal for equal failures also on another machine.

    Made of the types, functions and lines of the traceback and its causes; folders and the texts of
    errors, which may name a message or a moment, are left out.
    """
    return hashlib.sha256("\n".join(_lines(error)).encode()).hexdigest()[:12]


def _lines(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield type(error).__qualname__
        if isinstance(error, SyntaxError):
            yield f"{Path(error.filename or '').name}:{error.lineno}"
        for frame, line in traceback.walk_tb(error.__traceback__):
            code = frame.f_code
            yield f"{Path(code.co_filename).name}:{code.co_name}:{line}"
        error = error.__cause__


def _text(error: BaseException) -> str:
    if isinstance(error, DSkityError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
