"""An error as people need it: one sentence, the place in the module, a report for the log, and a
digest to compare by."""

from __future__ import annotations

import hashlib
import inspect
import linecache
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dskity.bus.base.text import escape
from dskity.bus.base.wording import in_words, text_of
from dskity.bus.errors import DSkityError, ModuleFailed


def describe(error: BaseException, home: str) -> str:
    """What went wrong, on one line, and where in the code of `home` (a dotted name) it did."""
    where, text = place(error, home), escape(_text(error))
    return f"{text} ({where})" if where else text


def place(error: BaseException, home: str) -> str:
    """`file:line` of the innermost frame inside `home`; empty where there is none."""
    found = _innermost(error, home)
    return f"{shown(found[0])}:{found[1]}" if found else ""


def report(error: BaseException, home: str, reason: str) -> str:
    """What the log says of a failure: the line of the user's own that it comes from, then `reason`
    (as `describe` has it), which says what to write instead."""
    at = _at(error, home)
    if at is None:
        return _indented(reason)
    place = f"{shown(at[0])}:{at[1]}"
    source = linecache.getline(*at).strip()
    what = reason.removesuffix(f" ({place})").removeprefix(f"{place}: ")
    return f"{place}: {source}\n{_indented(what)}" if source else f"{place}\n{_indented(what)}"


def defined_at(function: Callable[..., Any]) -> str:
    """`file:line` of a function or method; empty for what has no code of Python's own."""
    at = _definition(function)
    return f"{shown(at[0])}:{at[1]}" if at else ""


def misdeclared(module: str, handler: Callable[..., Any], error: DSkityError) -> ModuleFailed:
    """A route that cannot be subscribed, as the failure of its module: it begins with where the
    handler is defined."""
    at = _definition(handler)
    where = f"{shown(at[0])}:{at[1]}: " if at else ""
    return ModuleFailed(module, f"{where}{error}", at)


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


def _at(error: BaseException | None, home: str) -> tuple[str, int] | None:
    """In the last of the causes that has a place: it is the first failure."""
    found = None
    for each in _causes(error):
        found = _told(each) or _innermost(each, home) or found
    return found


def _told(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return error.filename, error.lineno
    return error.at if isinstance(error, ModuleFailed) else None


def _innermost(error: BaseException, home: str) -> tuple[str, int] | None:
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        name = frame.f_globals.get("__name__", "")
        if name == home or name.startswith(f"{home}."):
            return frame.f_code.co_filename, line
    return None


def _definition(function: Callable[..., Any]) -> tuple[str, int] | None:
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause, and so on; each once, for `raise error from error` makes a circle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _lines(error: BaseException) -> Iterator[str]:
    for each in _causes(error):
        yield type(each).__qualname__
        if isinstance(each, SyntaxError):
            yield f"{Path(each.filename or '').name}:{each.lineno}"
        for frame, line in traceback.walk_tb(each.__traceback__):
            code = frame.f_code
            yield f"{Path(code.co_filename).name}:{code.co_name}:{line}"


def _text(error: BaseException) -> str:
    return text_of(error) if isinstance(error, DSkityError) else in_words(error)
