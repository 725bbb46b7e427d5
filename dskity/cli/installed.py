"""Commands of installed packages: entry points of the group `dskity.commands`.

The value of an entry point is a function, as typer takes it, or a `typer.Typer`; its name is the
command. A list of commands names them without an import; the one that is called is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from dskity.bus.base.packages import packages_with
from dskity.bus.base.wording import in_words
from dskity.bus.errors import DSkityError

GROUP = "dskity.commands"


def installed() -> dict[str, tuple[Any, str]]:
    """The entry points by the name of the command, each with its package; the first of a name."""
    found: dict[str, tuple[Any, str]] = {}
    for name, entry, package in _entries():
        found.setdefault(name, (entry, package))
    return found


def _entries() -> Iterator[tuple[str, Any, str]]:
    for package, name in packages_with(GROUP):
        try:
            entries = package.entry_points.select(group=GROUP)
        except Exception:  # noqa: BLE001, S112  # of a damaged package; `dskity list` tells of those with modules
            continue
        for entry in sorted(entries, key=lambda each: each.name):
            yield entry.name, entry, f"{name} {package.version}"


def placeholder(name: str, package: str) -> Any:
    """What a list of commands shows of it."""

    def command() -> None:
        raise AssertionError  # `load` makes the one that runs

    command.__doc__ = f"Command of {package}."
    return _command(name, command)


def load(name: str, entry: Any, package: str) -> Any:
    """The command itself; `DSkityError` where it cannot be imported or is none."""
    try:
        found = entry.load()
    except Exception as error:
        raise DSkityError(
            f"the command {name!r} of {package} cannot be imported: {in_words(error)}"
        ) from error
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    if callable(found):
        return _command(name, found)
    raise DSkityError(
        f"the command {name!r} of {package}: {entry.value} is neither a function nor a typer.Typer"
    )


def _command(name: str, function: Any) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(name)(function)
    return typer.main.get_command(app)
